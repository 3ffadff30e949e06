"""What `run` and the other commands have in common: the database, a source's client and its state, by the settings.

Apart from `bridge.app`, which needs all of the program, so that a command which only reads a list does not import the
listener and every job.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus

from bridge.domain.notice import Notice
from bridge.domain.ticket_system import TicketWriter
from bridge.errors import PermanentError
from bridge.schedule import until_available
from bridge.settings import (
    DataminerApiSettings,
    DataminerSettings,
    ServiceNowSettings,
    Settings,
    SourceSettings,
    Tmf656Settings,
)
from bridge.settings.overlay import LayeredSettings
from bridge.sources.client import ProblemReader, SourceClient, SystemKind
from bridge.sources.state import Mode, SourceState
from bridge.storage import last_pass, migrations, setting, watermark
from bridge.storage import source as source_table
from bridge.storage.database import Database, opened
from bridge.storage.lease import LeaderFence
from bridge.telemetry import systemd
from bridge.telemetry.logs import hide
from bridge.telemetry.metrics import PASS_KINDS, Metrics
from bridge.tmf656 import reader as tmf656_reader

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenDatabase:
    """An open database. `bin_dir` holds psql when the embedded Postgres is used, else None; `owned`: this process
    started it.
    """

    database: Database
    dsn: str
    bin_dir: Path | None
    owned: bool


@asynccontextmanager
async def open_database(settings: Settings, *, join: bool = False, wait: bool = True) -> AsyncIterator[OpenDatabase]:
    """Open the configured database, starting the embedded Postgres when no DSN is set.

    `join`: use an embedded Postgres that another process of ours runs. `wait`: keep trying while a configured Postgres
    is away.
    """
    configured = settings.database.dsn.get_secret_value()
    pool = partial(opened, min_size=settings.database.pool_min_size, max_size=settings.database.pool_max_size)
    if configured:
        async with pool(configured, wait=wait) as database:
            yield OpenDatabase(database, configured, None, owned=False)
        return
    from bridge.postgres.embedded import embedded  # noqa: PLC0415 -- only without a DSN

    async with (
        embedded(settings.data_dir, bin_dir=settings.database.bin_dir, join=join) as own,
        pool(own.dsn, wait=False) as database,
    ):
        yield OpenDatabase(database, own.dsn, own.bin_dir, own.owned)


async def ensure_schema(postgres: OpenDatabase) -> None:
    """Migrate an embedded database that this process runs; refuse any other that is not exactly current
    (SchemaError).
    """
    async with postgres.database.connection() as connection:
        if not postgres.owned:
            await migrations.check(connection)
            return
        for migration in await migrations.migrate(connection):
            log.info("migrated", version=migration.version, name=migration.name)


async def with_overlay(settings: Settings, database: Database) -> Settings:
    """Return the settings with what was set in the console over them, as a running bridge has them."""
    async with database.connection() as connection:
        layers = LayeredSettings(settings, await setting.current(connection))
    found = layers.current()
    for secret in found.secrets():
        hide(secret)
    return found


class Stoppable(Protocol):
    """What `run_until_signal` runs: a bridge, or the parent of several."""

    async def run(self) -> None:
        """Run until `stop`."""
        ...

    def stop(self) -> None:
        """End it cleanly."""
        ...

    async def reload(self) -> None:
        """Read the configuration again."""
        ...


async def run_until_signal(process: Stoppable) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP has the configuration read again."""
    async with anyio.create_task_group() as group:
        await group.start(_heed_signals, process, group)
        group.start_soon(systemd.feed_watchdog)
        try:
            await process.run()
        finally:
            group.cancel_scope.cancel()


async def _heed_signals(
    process: Stoppable, reloads: TaskGroup, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Take signals from before anything else starts, so that none has its default effect."""
    try:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    log.info("reloading", signal="SIGHUP")
                    reloads.start_soon(process.reload)
                else:
                    log.info("stopping", signal=signal.Signals(number).name)
                    process.stop()
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the process is gone


def _kind_of(settings: SourceSettings) -> SystemKind[Any, Any]:
    """Return what makes the classes of a source, by its kind. A kind is imported where a source of it is configured:
    most bridges have one.
    """
    match settings:
        case Tmf656Settings():
            from bridge.tmf656.kind import Tmf656Kind  # noqa: PLC0415 -- see above

            return Tmf656Kind()
        case ServiceNowSettings():
            from bridge.servicenow.kind import ServiceNowKind  # noqa: PLC0415 -- see above

            return ServiceNowKind()
        case DataminerSettings():
            from bridge.dataminer.kind import WebServicesKind  # noqa: PLC0415 -- see above

            return WebServicesKind()
        case DataminerApiSettings():
            from bridge.dataminer.kind import TicketRoutesKind  # noqa: PLC0415 -- see above

            return TicketRoutesKind()
        case _:
            raise AssertionError(f"nothing serves kind = {settings.kind!r}")


def client_for(name: str, settings: SourceSettings, metrics: Metrics) -> SourceClient:
    """Make the client of a source, by its kind."""

    def on_request(operation: str, outcome: str) -> None:
        metrics.upstream.labels(name, operation, outcome).inc()

    client: SourceClient = _kind_of(settings).client(name, settings, on_request)
    return client


def reader_for(_: SourceSettings) -> ProblemReader:
    """Return what reads the problems of a source: of every kind they are written as problems of the TMF656 model."""
    return tmf656_reader


def writer_for(source: SourceState) -> TicketWriter:
    """Make what writes tickets to a source, by its kind; it refuses unless the settings say `write = true`."""
    seen = partial(getattr, source, "version")
    return _kind_of(source.settings).writer(source.client, source.settings, seen, source.vocabulary)


async def notices_of(client: SourceClient, settings: SourceSettings) -> list[Notice]:
    """Look at what only this kind of system has, and what its settings rely on, for `check`."""
    return await _kind_of(settings).notices(client)


def intervals(settings: SourceSettings) -> dict[str, float]:
    """Seconds between the passes over a source, by kind of pass."""
    return {"poll": settings.poll_interval_seconds, "reconcile": settings.reconcile_interval_seconds}


def public_url(settings: Settings, listening_url: str) -> str:
    """Return the address that callbacks are built from: the configured one, else where we listen."""
    http = settings.http
    url = http.public_url if "public_url" in http.model_fields_set else listening_url
    if urlsplit(url).scheme == "http" and urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost"):
        log.warning("callbacks come over plain http", public_url=url, remedy="set http.public_url to https")
    return url


@asynccontextmanager
async def open_source(
    database: Database, public_url: str, fence: LeaderFence, metrics: Metrics, name: str, settings: SourceSettings
) -> AsyncIterator[SourceState]:
    """Open the client of a source, and read what the database knows of it, waiting while Postgres is away."""
    async with client_for(name, settings, metrics) as client:
        state = await until_available(lambda: source_state_for(name, settings, database, client, public_url, metrics))
        state.fence = fence
        yield state


async def source_state_for(
    name: str, settings: SourceSettings, database: Database, client: SourceClient, public_url: str, metrics: Metrics
) -> SourceState:
    """Make the state of a source, known to the database under a short key."""
    async with database.transaction() as connection:
        configured = settings.callback_secret.get_secret_value()
        row = await source_table.ensure(connection, name, settings.url, configured)
        marks = {kind: await watermark.find(connection, row.id, kind) for kind in PASS_KINDS}
        passes = await last_pass.find(connection, row.id)
        held_back = await last_pass.held_back(connection, row.id)
        mode = await source_table.mode(connection, row.id)
    for secret in row.secrets:
        hide(secret)
    metrics.introduce(name)
    metrics.show_intervals(name, intervals(settings))
    for kind, mark in marks.items():
        if mark is not None:
            metrics.last_poll_success.labels(name, kind).set(mark.finished_at.timestamp())
    for kind, last in passes.items():
        metrics.pass_complete.labels(name, kind).set(last.gap is None)
    metrics.deletions_held_back.labels(name).set(held_back)
    source = SourceState(
        name=name,
        source_id=row.id,
        settings=settings,
        client=client,
        reader=reader_for(settings),
        callback=f"{public_url}/listener/{name}/{row.secrets[0]}",
        secrets=row.secrets,
        retired=row.retired,
        version=row.version if settings.model_version is None else settings.model_version,
        written_mode=Mode(mode),
        on_mode=lambda state: _show_mode(state, metrics),
    )
    metrics.show_mode(name, source.mode.value)
    return source


def _show_mode(source: SourceState, metrics: Metrics) -> None:
    metrics.show_mode(source.name, source.mode.value)
    if not source.leads:
        return
    if source.registered and source.mode is Mode.FALLBACK:
        log.warning(
            "mode",
            source=source.name,
            mode=source.mode.value,
            reason=source.reason,
            remedy=f"try from there: curl -i {source.public_url}/livez; or run tmf656-bridge check --push; "
            "then correct http.public_url or the way to it",
        )
    else:
        log.info("mode", source=source.name, mode=source.mode.value)


def source_of(settings: Settings, name: str) -> SourceSettings:
    """Return the settings of a source, PermanentError naming those there are."""
    found = settings.sources.get(name)
    if found is None:
        known = ", ".join(sorted(settings.sources)) or "none configured"
        raise PermanentError(f"no source {name!r} in the configuration (there are: {known})")
    return found
