"""A real Prometheus scrapes a bridge under load, and every panel has something to show."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import asyncpg
import pytest

from bridge.app import Bridge, RunningBridge
from bridge.settings import Settings
from bridge.settings.preset import preset_table
from bridge.simulator import Simulator
from bridge.simulator.tmf656.background import background
from grafana import asking
from grafana.asking import Window
from grafana.scraping import Prometheus, prometheus

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="no prometheus (Debian: prometheus)"),
]

OF_BRIDGE, OF_SOURCE, OF_TARGET, OF_RULE = 200, 270, 90, 140
"""Series that there may be of a bridge, of each source, of each one that may be written to, and of each rule. How many
problems and links there are does not matter.
"""
SERIES_AT_MOST = OF_BRIDGE + 3 * OF_SOURCE + 3 * OF_TARGET + OF_RULE
SCRAPES = 6


@asynccontextmanager
async def bridge_on(dsn: str, sims: dict[str, Simulator], data_dir: Path) -> AsyncIterator[RunningBridge]:
    """A bridge that follows `sims` until the block ends, and keeps *left* and *right* in step."""
    often = {"poll_interval_seconds": 2, "reconcile_interval_seconds": 3, "write": True}
    rule, _ = preset_table("tmf656-tmf656", {"left": ("tmf656", ""), "right": ("tmf656", "")})
    limits = {"writes_per_minute": 10_000, "writes_per_ticket_per_hour": 10_000, "changes_at_once": 1}
    settings = {
        "data_dir": str(data_dir),
        "database": {"dsn": dsn},
        "http": {"port": 0, "answer_timeout_seconds": 10, "metrics_exemplars": True},
        "sources": {name: {"url": sim.url} | often for name, sim in sims.items()},
        "links": {"pair": rule | {"left": "left", "right": "right", "limits": limits}},
    }
    ready, over, running = anyio.Event(), anyio.Event(), list[RunningBridge]()

    def on_ready(it: RunningBridge) -> None:
        running.append(it)
        ready.set()

    bridge = Bridge(Settings.model_validate(settings), on_ready=on_ready)

    async def live() -> None:
        await bridge.run()
        over.set()

    async with background() as tasks:
        tasks.start_soon(live)
        with anyio.fail_after(30):
            await ready.wait()
        try:
            yield running[0]
        finally:
            bridge.stop()
            with anyio.fail_after(30, shield=True):
                await over.wait()


async def knock(url: str) -> None:
    """Post to a callback that is none, again and again."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.post(f"{url}/listener/sim/none", data=b"{}") as answer:
                assert answer.status == 404
            await anyio.sleep(0.2)


@pytest.fixture
async def scraped(dsn: str, tmp_path: Path) -> AsyncIterator[tuple[Prometheus, RunningBridge, Window]]:
    """A Prometheus that has scraped a loaded bridge a few times, and the time in which it did."""
    dsn = dsn if "://" in dsn else dsn.replace(":/", ":///", 1)
    begin = time()
    (tmp_path / "prometheus").mkdir()
    async with (
        Simulator(rate=20, population=60, seed=1) as sim,
        Simulator(rate=5, population=40, seed=2) as left,
        Simulator(population=0, seed=3) as right,
        bridge_on(dsn, {"sim": sim, "left": left, "right": right}, tmp_path / "bridge") as running,
        prometheus([urlsplit(running.url).netloc], tmp_path / "prometheus") as server,
        background() as tasks,
    ):
        tasks.start_soon(knock, running.url)
        await server.scraped(SCRAPES)
        await server.until('increase(tmf656_bridge_changes_total{source="sim", via="push"}[1h]) > 0')
        await server.until('sum(rate(tmf656_bridge_sync_age_seconds_count{to="right"}[4s])) > 0')
        yield server, running, Window(begin, time(), 1)


async def test_every_panel_has_data_and_series_are_bounded(
    scraped: tuple[Prometheus, RunningBridge, Window], dsn: str
) -> None:
    server, running, window = scraped
    empty = [
        f"{name}: {panel['title']}"
        for name, board in asking.dashboards().items()
        for panel in asking.panels(board)
        if panel["datasource"]["type"] == "prometheus"
        for target in panel["targets"]
        if not points(await server.over(asking.promql(target["expr"], rate_interval="4s"), window))
    ]
    assert empty == []
    assert await server.value('max(scrape_samples_scraped{job="tmf656-bridge"})') <= SERIES_AT_MOST
    assert await server.value("max(max_over_time(scrape_series_added[1m]))") <= SERIES_AT_MOST
    newest = "count by (instance) ({job='tmf656-bridge', __name__=~'tmf656_bridge_.+'})"
    first = "count by (instance) ({job='tmf656-bridge', __name__=~'tmf656_bridge_.+'} offset %ds)"
    assert await server.value(newest) == await server.value(first % (SCRAPES - 3)), "a series appeared under load"
    pushed = await server.value('sum(tmf656_bridge_notifications_total{source="sim"})')
    assert 0 < pushed <= running_total(running)
    behind = await server.ask(
        "query_exemplars", query="tmf656_bridge_event_age_seconds_bucket", start=str(window.begin)
    )
    dots = [dot for one in behind for dot in one["exemplars"]]
    assert {frozenset(dot["labels"]) for dot in dots} == {frozenset({"problem_id"})}
    assert {dot["labels"]["problem_id"] for dot in dots} <= await problems(dsn)
    assert await server.value('tmf656_bridge_mode{source="sim", mode="push"}') == 1
    assert await server.value('tmf656_bridge_poll_interval_seconds{kind="reconcile"}') == 3


async def problems(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return {row["id"] for row in await connection.fetch("select id from report.service_problem")}
    finally:
        await connection.close()


def points(series: list[dict[str, Any]]) -> list[float]:
    """What is drawn: NaN is not."""
    return [value for one in series for _, text in one["values"] if (value := float(text)) == value]


def running_total(running: RunningBridge) -> float:
    return sum(
        sample.value
        for family in running.metrics.notifications.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )
