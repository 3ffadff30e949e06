"""What `run` and the other commands have in common: the database, a source's client and its feed, by the settings.

Apart from `bridge.app`, which needs all of the program, so that a command which only reads a list does not import the
listener and every job.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from bridge.errors import PermanentError
from bridge.postgres.embedded import embedded
from bridge.settings import Settings, SourceSettings
from bridge.sources.state import SourceState
from bridge.storage import last_pass, migrations, watermark
from bridge.storage import source as source_table
from bridge.storage.database import Database, opened
from bridge.telemetry.logs import hide
from bridge.telemetry.metrics import PASS_KINDS, Metrics
from bridge.tmf656.client import Client, ClientOptions

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
    sizes = {"min_size": settings.database.pool_min_size, "max_size": settings.database.pool_max_size}
    if configured:
        async with opened(configured, wait=wait, **sizes) as database:
            yield OpenDatabase(database, configured, None, owned=False)
        return
    async with (
        embedded(settings.data_dir, bin_dir=settings.database.bin_dir, join=join) as own,
        opened(own.dsn, wait=False, **sizes) as database,
    ):
        yield OpenDatabase(database, own.dsn, own.bin_dir, own.owned)


async def ensure_schema(place: OpenDatabase) -> None:
    """Migrate an embedded database that this process runs; refuse any other that is not exactly current
    (SchemaError).
    """
    async with place.database.connection() as connection:
        if not place.owned:
            await migrations.check(connection)
            return
        for migration in await migrations.migrate(connection):
            log.info("migrated", version=migration.version, name=migration.name)


def client_for(name: str, settings: SourceSettings, metrics: Metrics) -> Client:
    """Make the client of a source."""
    options = ClientOptions(
        name=name,
        url=settings.url,
        username=settings.username,
        password=settings.password.get_secret_value(),
        token=settings.token.get_secret_value(),
        oauth2_token_url=settings.oauth2_token_url or "",
        oauth2_client_id=settings.oauth2_client_id,
        oauth2_client_secret=settings.oauth2_client_secret.get_secret_value(),
        bypass_proxy=settings.bypass_proxy,
        proxy=settings.proxy,
        verify_tls=settings.verify_tls,
        ca_file=settings.ca_file,
        client_cert_file=settings.client_cert_file,
        client_key_file=settings.client_key_file,
        page_size=settings.page_size,
        request_timeout_seconds=settings.request_timeout_seconds,
        max_response_bytes=settings.max_response_bytes,
    )
    return Client(
        options, on_request=lambda operation, outcome: metrics.upstream.labels(name, operation, outcome).inc()
    )


def intervals(settings: SourceSettings) -> dict[str, float]:
    """Seconds between the passes over a source, by kind of pass."""
    return {"poll": settings.poll_interval_seconds, "reconcile": settings.reconcile_interval_seconds}


async def source_state_for(
    name: str, settings: SourceSettings, place: OpenDatabase, client: Client, public_url: str, metrics: Metrics
) -> SourceState:
    """Make the feed of a source, known to the database under a short key."""
    async with place.database.transaction() as connection:
        configured = settings.callback_secret.get_secret_value()
        kept = await source_table.ensure(connection, name, settings.url, configured)
        marks = {kind: await watermark.find(connection, kept.id, kind) for kind in PASS_KINDS}
        passes = await last_pass.find(connection, kept.id)
        held_back = await last_pass.held_back(connection, kept.id)
    for secret in kept.secrets:
        hide(secret)
    metrics.introduce(name)
    metrics.show_intervals(name, intervals(settings))
    for kind, mark in marks.items():
        if mark is not None:
            metrics.last_poll_success.labels(name, kind).set(mark.finished_at.timestamp())
    for kind, last in passes.items():
        metrics.pass_complete.labels(name, kind).set(last.gap is None)
    metrics.deletions_held_back.labels(name).set(held_back)

    def on_mode(source: SourceState) -> None:
        metrics.show_mode(name, source.mode.value)
        log.info("mode", source=name, mode=source.mode.value)

    source = SourceState(
        name=name,
        source_id=kept.id,
        settings=settings,
        client=client,
        callback=f"{public_url}/listener/{name}/{kept.secrets[0]}",
        secrets=kept.secrets,
        retired=kept.retired,
        version=kept.version if settings.version == "auto" else settings.version,
        on_mode=on_mode,
    )
    metrics.show_mode(name, source.mode.value)
    return source


def source_of(settings: Settings, name: str) -> SourceSettings:
    """Return the settings of a source, PermanentError naming those there are."""
    found = settings.sources.get(name)
    if found is None:
        known = ", ".join(sorted(settings.sources)) or "none configured"
        raise PermanentError(f"no source {name!r} in the configuration (there are: {known})")
    return found
