"""Draw the pictures of docs/console.md: `python -m tests.browser.screenshots`, or `make screenshots`.

Two simulated servers with the same problems each time, a rule that joins them, a bridge and its console, in a temporary
directory.
"""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from playwright.async_api import async_playwright
from pydantic import SecretStr

from bridge.app import Bridge, RunningBridge
from bridge.links import operator
from bridge.settings import ConsoleSettings, DatabaseSettings
from bridge.settings.read import load
from bridge.simulator import Simulator
from bridge.storage.database import Database
from bridge.web.console.front import Front
from tests.browser.conftest import CHROMIUM

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
PAGES = {
    "console-problems": "/problems?source=noc&sort=urgency",
    "console-sources": "/sources",
    "console-links": "/links",
    "console-conflicts": "/conflicts",
}
CONFLICTS = {
    "no light on the ring": "no light, splice opened",
    "customer without service": "backup path in use",
    "high loss at the edge": "loss since the maintenance",
}
"""What both sides call the same problem at the same time."""
SIZE = {"width": 1280, "height": 760}


async def until(database: Database, question: str, least: int, *values: Any) -> None:
    """Wait until a count is so high."""
    while True:
        async with database.connection() as connection:
            if await connection.fetchval(question, *values) >= least:
                return
        await anyio.sleep(0.2)


async def disagree(database: Database, noc: Simulator, carrier: Simulator) -> None:
    """Have both sides change the same fields while the rule is paused, and wait for the conflicts."""
    await until(database, "select count(*) from report.link where state = 'linked' and behind_since is null", 20)
    async with database.transaction() as connection:
        pairs = await connection.fetch(
            "select left_id, right_id from report.link where state = 'linked' and behind_since is null order by link_id"
        )
        await operator.pause(connection, "noc-carrier", by="anna")
    names = [name for pair in CONFLICTS.items() for name in pair]
    for (left, right), (here, there) in zip(pairs, CONFLICTS.items(), strict=False):
        await noc.patch(left, name=here)
        await carrier.patch(right, name=there)
    await until(database, "select count(*) from report.service_problem where name = any($1::text[])", len(names), names)
    async with database.transaction() as connection:
        await operator.resume(connection, "noc-carrier")
    await until(database, "select count(*) from report.conflict where outcome = 'waiting'", len(CONFLICTS))


@asynccontextmanager
async def running(place: Path, noc: Simulator, carrier: Simulator) -> AsyncIterator[str]:
    """Run a bridge that has read everything, and its console; yield the address of the console."""
    (place / "bridge.toml").write_text(
        f"""
data_dir = "{place / "data"}"
http.port = 0
[sources.noc]
url = "{noc.url}"
poll_interval_seconds = 5
reconcile_interval_seconds = 5
write = true
[sources.carrier]
url = "{carrier.url}"
poll_interval_seconds = 5
reconcile_interval_seconds = 5
write = true
[links.noc-carrier]
left = "noc"
right = "carrier"
preset = "tmf656-tmf656"
on_conflict = "manual"
[links.noc-carrier.limits]
creates_per_hour = 1000
writes_per_minute = 1000
"""
    )
    settings = load(place / "bridge.toml", env={}, cwd=place)
    send, receive = anyio.create_memory_object_stream[RunningBridge](1)
    addresses, take_address = anyio.create_memory_object_stream[str](1)
    bridge = Bridge(settings, on_ready=send.send_nowait)
    async with send, receive, addresses, take_address, anyio.create_task_group() as tasks:
        tasks.start_soon(bridge.run)
        ready = await receive.receive()
        for source in ready.sources.values():
            await source.first_pass.wait()
        await disagree(ready.postgres.database, noc, carrier)
        database = DatabaseSettings(dsn=SecretStr(ready.postgres.dsn))
        shown = settings.model_copy(update={"database": database, "console": ConsoleSettings(enabled=True, port=0)})
        front = Front(shown, demo=True, on_ready=addresses.send_nowait)
        tasks.start_soon(front.run)
        yield await take_address.receive()
        front.stop()
        bridge.stop()


async def main() -> None:
    """Draw them all."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        async with (
            Simulator(population=150, seed=7) as noc,
            Simulator(population=0, seed=8) as carrier,
            running(Path(place), noc, carrier) as url,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await browser.new_page(viewport=SIZE, color_scheme="light")
            for name, path in PAGES.items():
                await page.goto(f"{url}{path}")
                await page.locator("main tbody tr").first.wait_for()
                await page.screenshot(path=PICTURES / f"{name}.png")
                sys.stdout.write(f"docs/pictures/{name}.png\n")
            await browser.close()


if __name__ == "__main__":
    anyio.run(main)
