"""`check` of the database: all that `run` does with it, and what it knows of the last passes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from uuid import uuid4

import anyio

from bridge.bootstrap import OpenDatabase, open_database
from bridge.cli.finding import Finding
from bridge.errors import BridgeError, DatabaseUnavailableError, SchemaError
from bridge.settings import Settings
from bridge.settings.overlay import SettingsOverlay
from bridge.storage import lease, migrations, rights, setting
from bridge.storage import source as source_table
from bridge.storage.database import Connection
from bridge.storage.source_move import SourceMove

_NOTIFY_SECONDS = 5.0


@dataclass(slots=True)
class DatabaseCheck:
    """What was found. `running`: a bridge leads on this database; `passes`: by source, what its last passes missed;
    `overlay`: what was set in the console.
    """

    findings: list[Finding]
    running: bool = False
    passes: dict[str, list[Finding]] = field(default_factory=dict)
    overlay: SettingsOverlay = field(default_factory=SettingsOverlay)


async def check_database(settings: Settings) -> DatabaseCheck:
    """Connect twice, look at the schema and the last passes, and pass a notification between the two connections."""
    embedded = not settings.database.dsn.get_secret_value()
    kind = f"embedded Postgres in {settings.data_dir}" if embedded else "configured database"
    started = perf_counter()
    try:
        async with open_database(settings, join=True, wait=False) as postgres:
            async with postgres.database.connection() as connection:
                version = await connection.fetchval("show server_version")
                milliseconds = 1000 * (perf_counter() - started)
                check = DatabaseCheck(
                    [Finding("database", "reach", True, f"{kind}, Postgres {version}, {milliseconds:.0f} ms")]
                )
                check.findings += await _schema(connection, embedded=embedded, console=settings.console.enabled)
                if Finding("database", "schema", True, "current") in check.findings:
                    leader = await lease.find_holder(connection, lease.LEADER)
                    check.running = leader is not None and leader.held
                    check.overlay = await setting.current(connection)
                    check.passes = {row["name"]: list(_passes(row)) for row in await source_table.status(connection)}
            check.findings.append(await _notify(postgres))
            return check
    except BridgeError as error:
        text = str(error)
        remedy = "" if embedded or "database.dsn" in text else "look at database.dsn"
        return DatabaseCheck([Finding("database", "reach", False, text, remedy)])


def _passes(row: dict[str, Any]) -> Iterator[Finding]:
    """Say what the last passes over a source may have missed, and what is held back."""
    for kind in ("poll", "reconcile"):
        if gap := row[f"{kind}_gap"]:
            remedy = "deletions are not found; ask its operators how its list is paged" if kind == "reconcile" else ""
            yield Finding(row["name"], f"last {kind}", None, gap, remedy)
    if row["moved_at"] is not None:
        reason = SourceMove(row["moved_at"], row["passes_since_move"]).reason(row["name"])
        yield Finding(row["name"], "deletions", None, reason)
    elif row["held_back"]:
        found = f"{row['held_back']:,} problems are missing but not recorded as deleted: {row['held_back_reason']}"
        yield Finding(row["name"], "deletions", None, found)


async def _schema(connection: Connection, *, embedded: bool, console: bool) -> list[Finding]:
    try:
        missing = await migrations.pending(connection)
    except SchemaError as error:
        return [Finding("database", "schema", False, str(error))]
    if missing:
        is_new = len(missing) == len(migrations.available())
        what = "not made yet" if is_new else f"lacks {', '.join(migration.title for migration in missing)}"
        if embedded:
            return [Finding("database", "schema", None, what, "made by `tmf656-bridge run`")]
        return [Finding("database", "schema", False, what, "run `tmf656-bridge migrate`")]
    found = [Finding("database", "schema", True, "current")]
    if not await rights.reader_exists(connection):
        remedy = "to let others read: `create role bridge_reader`, then `tmf656-bridge migrate`"
        found.append(Finding("database", "reader", None, "there is no role bridge_reader", remedy))
    if console and not await rights.front_usable(connection):
        remedy = "let an administrator run `create role bridge_front` if it is missing, and `grant bridge_front to` it"
        text = "the console has all rights of the user of database.dsn, for want of role bridge_front"
        found.append(Finding("database", "console", None, text, f"{remedy}, then `tmf656-bridge migrate`"))
    if await rights.compiles(connection):
        remedy = "run `tmf656-bridge migrate` as the owner of the database, or `alter database … set jit = off`"
        found.append(Finding("database", "jit", None, "on: reports over many problems take seconds longer", remedy))
    return found


async def _notify(postgres: OpenDatabase) -> Finding:
    """Two connections at a time, as `run` has them; what one notifies has to reach the other."""
    channel = f"check_{uuid4().hex}"
    arrived = anyio.Event()

    def on_notify(*_: object) -> None:
        arrived.set()

    try:
        async with postgres.database.connection() as listening, postgres.database.connection() as notifying:
            await listening.add_listener(channel, on_notify)
            try:
                await notifying.execute("select pg_notify($1, '')", channel)
                with anyio.move_on_after(_NOTIFY_SECONDS):
                    await arrived.wait()
            finally:
                await listening.remove_listener(channel, on_notify)
    except DatabaseUnavailableError as error:
        return Finding("database", "connections", False, str(error), "let it have two connections or more at a time")
    if arrived.is_set():
        return Finding("database", "connections", True, "two at a time, and listen and notify between them")
    remedy = "/stream and wake-ups will lag; behind pgbouncer set pool_mode = session"
    return Finding(
        "database", "connections", None, "two at a time, but what one notifies does not reach the other", remedy
    )
