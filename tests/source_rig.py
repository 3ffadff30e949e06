"""The jobs of one source on a real database and a simulated server over real HTTP, and the whole bridge around them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any
from urllib.parse import urlsplit

import anyio
import asyncpg
import orjson
import pytest
from aiohttp import web

from bridge.app import Bridge, RunningBridge
from bridge.bootstrap import client_for, source_state_for
from bridge.domain.observation import Via
from bridge.ingest.receiver import Receiver
from bridge.ingest.writer import Writer
from bridge.maintenance.source_report import Reporter
from bridge.postgres.embedded import Embedded
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.pull.refetch import Refetcher
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.simulator.tmf656.background import background
from bridge.sources.state import SourceState
from bridge.sources.subscription import Subscriber
from bridge.storage.database import Database
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import store_items
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire

_PATIENCE_SECONDS = 90
_CUT = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1"
_NOBODY = "http://127.0.0.1:9"
"""Where nobody listens: callbacks of tests in which nothing is to arrive."""


@dataclass(slots=True)
class Rig:
    """The jobs of one source; nothing runs until a test says so."""

    database: Database
    metrics: Metrics
    source: SourceState
    reconciler: Reconciler
    poller: Poller
    refetcher: Refetcher
    subscriber: Subscriber

    async def rows(self) -> dict[str, Any]:
        """Bodies of the living problems by id."""
        return await rows_of(self.database)

    async def value(self, query: str, *arguments: object) -> Any:
        """The first column of the first row."""
        async with self.database.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def execute(self, statement: str) -> None:
        """One statement."""
        async with self.database.connection() as connection:
            await connection.execute(statement)

    async def notify(self, **event: Any) -> Stored:
        """Store one notification as if it had been posted now."""
        notification = wire.read_notification(orjson.dumps(event), received_at=datetime.now(UTC))
        return await store_items(self.database, [Entry(self.source.source_id, notification.observation, notification)])

    async def refuse_poison(self) -> None:
        """Postgres refuses problems whose description is *poison* from now on."""
        await _refuse_poison(self.database)

    def receiver(self) -> Receiver:
        """What takes posted bodies, with a writer that a test has to run."""
        return Receiver({self.source.name: self.source}, Writer(self.database, self.metrics), self.metrics)

    def reporter(self) -> Reporter:
        """The job that writes how the source is to the database, and reads what other processes wrote."""
        return Reporter({self.source.name: self.source}, self.database, self.metrics)

    def counted(self, metric: str, **labels: str) -> float:
        """The value of a metric without its prefix."""
        return self.metrics.registry.get_sample_value(f"tmf656_bridge_{metric}", {"source": "sim", **labels}) or 0.0


async def _refuse_poison(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            """
            alter table bridge.service_problem_version
            add constraint no_poison check (body ->> 'description' is distinct from 'poison')
            """
        )


@pytest.fixture
def refuse_poison() -> Callable[[Database], Awaitable[None]]:
    """Call it and Postgres refuses problems whose description is *poison*."""
    return _refuse_poison


async def rows_of(database: Database) -> dict[str, Any]:
    """Bodies of the living problems by id."""
    async with database.connection() as connection:
        rows = await connection.fetch("select id, body from bridge.service_problem_with_body where deleted_at is null")
    return {row["id"]: orjson.loads(row["body"]) for row in rows}


@pytest.fixture
def shown() -> Callable[[Simulator], dict[str, Any]]:
    """What the server holds, under version 4's names, as the tables should have it."""

    def read(sim: Simulator) -> dict[str, Any]:
        at = datetime.now(UTC)
        return {
            problem_id: orjson.loads(wire.read_problem(body, asked_at=at, via=Via.POLL).body)
            for problem_id, body in sim.shown().items()
        }

    return read


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Awaitable[None]]:
    """Wait until a condition (plain or async) holds; TimeoutError when it never does."""

    async def wait(condition: Callable[[], Any]) -> None:
        with anyio.fail_after(_PATIENCE_SECONDS):
            while True:
                holds = condition()
                if isawaitable(holds):
                    holds = await holds
                if holds:
                    return
                await anyio.sleep(0.02)

    return wait


@pytest.fixture
async def rig_for(dsn: str, database: Database) -> AsyncIterator[Callable[..., Awaitable[Rig]]]:
    """Make the jobs of a source: `await rig_for(sim, page_size=10, …)`; a URL will do instead of a simulator."""
    async with AsyncExitStack() as stack:

        async def make(sim: Simulator | str, *, public_url: str = _NOBODY, **source: Any) -> Rig:
            url = sim if isinstance(sim, str) else sim.url
            table = {"url": url, "callback_secret": "s3cr3t-" * 4, "by_id_rate_per_second": 0, **source}
            settings = Settings.model_validate({"sources": {"sim": table}}).sources["sim"]
            metrics = Metrics()
            client = await stack.enter_async_context(client_for("sim", settings, metrics))
            source = await source_state_for("sim", settings, database, client, public_url, metrics)
            source.lead()
            reconciler = Reconciler(source, database, metrics)
            return Rig(
                database=database,
                metrics=metrics,
                source=source,
                reconciler=reconciler,
                poller=Poller(source, database, metrics, reconciler),
                refetcher=Refetcher(source, database, metrics),
                subscriber=Subscriber(source, database, metrics),
            )

        yield make


@pytest.fixture
def bridge_on(dsn: str) -> Callable[..., AbstractAsyncContextManager[RunningBridge]]:
    """Run the whole bridge on a simulator: `async with bridge_on(sim, push=False) as running`."""

    @asynccontextmanager
    async def run(sim: Simulator, *, unsubscribe: bool = False, **source: Any) -> AsyncIterator[RunningBridge]:
        settings = Settings.model_validate(
            {
                "database": {"dsn": dsn if "://" in dsn else dsn.replace(":/", ":///", 1)},
                "http": {"port": 0, "answer_timeout_seconds": 30},
                "journal": {"max_bytes": 0},
                "sources": {"sim": {"url": sim.url, **source}},
            }
        )
        ready = anyio.Event()
        started: list[RunningBridge] = []

        def on_ready(running: RunningBridge) -> None:
            started.append(running)
            ready.set()

        bridge = Bridge(settings, unsubscribe=unsubscribe, on_ready=on_ready)
        over = anyio.Event()

        async def live() -> None:
            await bridge.run()
            over.set()

        async with background() as tasks:
            tasks.start_soon(live)
            with anyio.fail_after(_PATIENCE_SECONDS):
                await ready.wait()
            yield started[0]
            bridge.stop()
            with anyio.fail_after(_PATIENCE_SECONDS):
                await over.wait()

    return run


@dataclass(slots=True)
class Hub:
    """A hub that behaves as a test says: `on_post` and `on_delete` answer (status, body); it has no list of problems
    and no list of registrations unless `listed` is set.
    """

    url: str
    posts: list[dict[str, Any]]
    deletes: list[str]
    on_post: Callable[[int], tuple[int, Any]]
    on_delete: Callable[[str], tuple[int, Any]]
    listed: list[dict[str, Any]] | None = None
    listing_status: int = 405


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A real HTTP server with nothing but a hub."""
    odd = Hub("", [], [], lambda number: (201, {"id": str(number)}), lambda _: (204, None))

    async def post(request: web.Request) -> web.Response:
        odd.posts.append(await request.json())
        status, body = odd.on_post(len(odd.posts))
        return web.Response(status=status) if body is None else web.json_response(body, status=status)

    async def delete(request: web.Request) -> web.Response:
        odd.deletes.append(request.match_info["id"])
        status, body = odd.on_delete(request.match_info["id"])
        return web.Response(status=status) if body is None else web.json_response(body, status=status)

    async def listing(_: web.Request) -> web.Response:
        return web.Response(status=odd.listing_status) if odd.listed is None else web.json_response(odd.listed)

    application = web.Application()
    application.router.add_post("/hub", post)
    application.router.add_get("/hub", listing)
    application.router.add_delete("/hub/{id}", delete)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        odd.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield odd
    finally:
        await runner.cleanup()


@pytest.fixture
async def no_connections(dsn: str, postgres: Embedded) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Call it and this test's database is away: connections are cut, and new ones find no such database."""
    name = urlsplit(dsn).path.removeprefix("/")
    connection = await asyncpg.connect(postgres.dsn)
    away = False

    async def cut() -> None:
        nonlocal away
        await connection.execute(f"alter database {name} allow_connections false")
        await connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1", name
        )
        await connection.execute(f"alter database {name} rename to {name}_away")
        away = True

    try:
        yield cut
        if away:
            await connection.execute(f"alter database {name}_away rename to {name}")
            await connection.execute(f"alter database {name} allow_connections true")
    finally:
        await connection.close()


@pytest.fixture
async def source_id(database: Database) -> int:
    """The key of a source that exists."""
    async with database.connection() as connection:
        return int(await connection.fetchval("insert into bridge.source (name) values ('sim') returning id"))
