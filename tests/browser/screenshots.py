"""Draw the pictures of docs/console.md: `python -m tests.browser.screenshots`, or `make screenshots`.

A simulated server with the same problems each time, a bridge and its console, in a temporary directory.
"""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from playwright.async_api import async_playwright
from pydantic import SecretStr

from bridge.app import Bridge, RunningBridge
from bridge.settings import ConsoleSettings, DatabaseSettings, Settings
from bridge.simulator import Simulator
from bridge.web.console.front import Front
from tests.browser.conftest import CHROMIUM

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
PAGES = {"console-problems": "/problems?sort=urgency", "console-sources": "/sources"}
SIZE = {"width": 1280, "height": 760}


@asynccontextmanager
async def running(place: Path, simulator: Simulator) -> AsyncIterator[str]:
    """Run a bridge that has read everything, and its console; yield the address of the console."""
    source = {"url": simulator.url, "poll_interval_seconds": 5}
    settings = Settings.model_validate({"data_dir": str(place), "http": {"port": 0}, "sources": {"noc": source}})
    send, receive = anyio.create_memory_object_stream[RunningBridge](1)
    addresses, take_address = anyio.create_memory_object_stream[str](1)
    bridge = Bridge(settings, on_ready=send.send_nowait)
    async with send, receive, addresses, take_address, anyio.create_task_group() as tasks:
        tasks.start_soon(bridge.run)
        ready = await receive.receive()
        await ready.sources["noc"].first_pass.wait()
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
            Simulator(population=150, seed=7) as simulator,
            running(Path(place), simulator) as url,
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
