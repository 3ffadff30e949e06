"""Pictures of the dashboards: `python -m grafana.render [DIRECTORY]`, five or six minutes.

A Postgres of its own gets a month of problems. A bridge follows a simulated server, which falls silent for a while;
later Postgres is away for a moment. Another bridge keeps two servers in step while people edit both (`grafana.pair`). A
Prometheus scrapes all of it every second. Then every panel's own queries are asked, and what they return is drawn.
Needs `prometheus` (Debian: prometheus); no Grafana.
"""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import anyio
import asyncpg

from bridge.app import Bridge, RunningBridge
from bridge.postgres.embedded import embedded
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.simulator.tmf656.background import background
from bridge.storage import migrations
from bridge.storage.database import Connection, opened
from grafana import asking, pair
from grafana.asking import Window
from grafana.plot import Answer, Series, draw
from grafana.scraping import Prometheus, prometheus
from grafana.seed import SOURCES, seed

HERE = Path(__file__).parent
_DPI = 80
_DAYS, _PROBLEMS = 30, 700
_BEFORE, _SILENT, _BETWEEN, _AWAY, _AFTER = 30, 45, 25, 12, 20
"""Seconds of the parts of the run."""
_RATE_INTERVAL, _STEP_SECONDS = "6s", 1.0
_STEPS_OF_A_RATE = 8
_SOURCE, _PAIR = "snow", "synchronisation"


@asynccontextmanager
async def _database(dsn: str, name: str) -> AsyncIterator[str]:
    """A fresh, migrated database of that name."""
    admin = await asyncpg.connect(dsn)
    await admin.execute(f"create database {name}")
    own = urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
    connection = await asyncpg.connect(own)
    await migrations.migrate(connection)
    await connection.close()
    try:
        yield own if "://" in own else own.replace(":/", ":///", 1)
    finally:
        await admin.close()


@asynccontextmanager
async def _bridge(dsn: str, sim: Simulator, data_dir: Path) -> AsyncIterator[RunningBridge]:
    source = {"url": sim.url, "poll_interval_seconds": 12, "reconcile_interval_seconds": 30}
    settings = {
        "data_dir": str(data_dir),
        "database": {"dsn": dsn},
        "http": {"port": 0},
        "journal": {"max_bytes": 4 * 1024 * 1024},
        "sources": {_SOURCE: source},
    }
    send, receive = anyio.create_memory_object_stream[RunningBridge](1)
    bridge = Bridge(Settings.model_validate(settings), on_ready=send.send_nowait)
    async with send, receive, anyio.create_task_group() as group:
        group.start_soon(bridge.run)
        yield await receive.receive()
        bridge.stop()


async def _stray(running: RunningBridge) -> None:
    """What every listener on a network gets: posts to old addresses, and now and then nonsense to the right one."""
    async with aiohttp.ClientSession() as session:
        for number in range(10_000):
            wrong = f"{running.url}/listener/{_SOURCE}/{'old' * 8}"
            for url, body in ((wrong, b"{}"), (running.sources[_SOURCE].callback, b"[]")):
                if url == wrong or number % 40 == 15:
                    async with session.post(url, data=body) as answer:
                        await answer.read()
            await anyio.sleep(1)


async def _story(sim: Simulator, admin: Connection, database: str, scraped: Prometheus) -> None:
    """Let things happen, each for as many scrapes as it has seconds."""
    await scraped.scraped(_BEFORE)
    sim.faults.lose = 1.0
    await scraped.scraped(_SILENT)
    sim.faults.lose = 0.0
    await scraped.scraped(_BETWEEN)
    await admin.execute(f"alter database {database} allow_connections false")
    await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", database)
    await scraped.scraped(_AWAY)
    await admin.execute(f"alter database {database} allow_connections true")
    await scraped.scraped(_AFTER)


async def from_prometheus(server: Prometheus, panel: dict[str, Any], window: Window) -> Answer:
    """Ask what a panel asks of Prometheus."""
    answer = Answer()
    for target in panel["targets"]:
        for one in await server.over(asking.promql(target["expr"], rate_interval=_RATE_INTERVAL), window):
            labels = one["metric"]
            name = target["legendFormat"]
            for label, value in labels.items():
                name = name.replace(f"{{{{{label}}}}}", value)
            points = [(datetime.fromtimestamp(at, UTC), float(text)) for at, text in one["values"]]
            real = [(at, value) for at, value in points if value == value]
            if panel["type"] == "table":
                answer.columns, answer.rows = list(labels), [*answer.rows, list(labels.values())]
            elif real:
                answer.series.append(Series(name, [at for at, _ in real], [value for _, value in real]))
    return answer


async def from_postgres(reader: Connection, panel: dict[str, Any], window: Window) -> Answer:
    """Ask what a panel asks of Postgres."""
    [target] = panel["targets"]
    statement = await reader.prepare(asking.sql(target["rawSql"], window, SOURCES))
    columns = [attribute.name for attribute in statement.get_attributes()]
    rows = await statement.fetch()
    if target["format"] != "time_series":
        return Answer(columns=columns, rows=[tuple(row) for row in rows])
    series: dict[str, Series] = {}
    for row in rows:
        for column in columns:
            if column in {"time", "metric"} or row[column] is None:
                continue
            name = row["metric"] if "metric" in columns else column
            one = series.setdefault(name, Series(name, [], []))
            one.times.append(row["time"])
            one.values.append(float(row[column]))
    return Answer(series=list(series.values()))


def _save(directory: Path, name: str, board: dict[str, Any], answers: dict[int, Answer]) -> None:
    draw(board, answers).savefig(directory / f"{name}.png", dpi=_DPI)


async def render(directory: Path) -> None:
    """Draw all dashboards into `directory`."""
    boards = asking.dashboards()
    with tempfile.TemporaryDirectory(prefix="tmf656-grafana-") as scratch:
        place = Path(scratch)
        async with embedded(place / "postgres") as own:
            async with _database(own.dsn, "month") as dsn:
                reports = await _asked_of_postgres(boards, dsn)
            async with _database(own.dsn, "live") as dsn:
                pages = await _asked_of_prometheus(boards, own.dsn, dsn, place)
            async with _database(own.dsn, "pair") as dsn:
                pages |= await _asked_of_pair(boards, dsn, place)
    for name, answers in (reports | pages).items():
        _save(directory, name, boards[name], answers)


async def _asked_of_postgres(boards: dict[str, Any], dsn: str) -> dict[str, dict[int, Answer]]:
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    async with opened(dsn, wait=False) as database:
        await seed(database, problems=_PROBLEMS, days=_DAYS, until=until)
    window = Window(until.timestamp() - _DAYS * 86_400, until.timestamp(), 3600)
    reader = await asyncpg.connect(dsn)
    await reader.execute("set role bridge_reader")
    name = "service-problems"
    found = {panel["id"]: await from_postgres(reader, panel, window) for panel in asking.panels(boards[name])}
    await reader.close()
    return {name: found}


async def _asked_of_prometheus(
    boards: dict[str, Any], admin_dsn: str, dsn: str, place: Path
) -> dict[str, dict[int, Answer]]:
    (place / "prometheus").mkdir()
    admin = await asyncpg.connect(admin_dsn)
    async with (
        Simulator(rate=25, population=300, seed=1) as sim,
        _bridge(dsn, sim, place / "bridge") as running,
        prometheus([urlsplit(running.url).netloc], place / "prometheus") as server,
        background() as tasks,
    ):
        tasks.start_soon(_stray, running)
        begin = time() + 5
        await _story(sim, admin, "live", server)
        window = Window(begin, time(), _STEP_SECONDS)
        found = {
            name: {panel["id"]: await from_prometheus(server, panel, window) for panel in asking.panels(board)}
            for name, board in boards.items()
            if name not in ("service-problems", _PAIR)
        }
    await admin.close()
    return found


async def _asked_of_pair(boards: dict[str, Any], dsn: str, place: Path) -> dict[str, dict[int, Answer]]:
    (place / "prometheus-pair").mkdir()
    async with (
        pair.edited(dsn, place / "bridge-pair") as story,
        prometheus([urlsplit(story.running.url).netloc], place / "prometheus-pair") as server,
    ):
        await server.until('sum(tmf656_bridge_links{state="linked"}) > 20')
        await server.scraped(_STEPS_OF_A_RATE)
        begin = time()
        await story.tell(server)
        window = Window(begin, time(), _STEP_SECONDS)
        return {
            _PAIR: {panel["id"]: await from_prometheus(server, panel, window) for panel in asking.panels(boards[_PAIR])}
        }


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "pictures"
    target.mkdir(parents=True, exist_ok=True)
    anyio.run(render, target)
