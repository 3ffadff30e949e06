"""The schema: forward-only migrations `sql/migrations/NNNN_name.sql`, each applied once and checked by checksum.

A lock on the record of migrations, which no reader can hold, keeps two processes from migrating at once. Each migration
commits together with its record, so a crash leaves all of it or nothing. A program refuses a schema that is missing or
older than itself (run `migrate`).

A program accepts a newer schema (an update was rolled back, or reaches one process after the other), because
migrations only add. A migration that takes something away says so in a line that begins `-- breaking:`; the record
keeps that, and older programs refuse the schema. A database of the last development version is carried over
(`bridge.storage.carry_over`).
"""

import hashlib
import random
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import asyncpg
import structlog

from bridge.errors import SchemaError
from bridge.storage import carry_over, rights
from bridge.storage.database import Connection
from bridge.storage.queries import sql_dir

log = structlog.get_logger(__name__)

T = TypeVar("T")

_FILE = re.compile(r"^(\d{4})_(\w+)\.sql$")
_BREAKING = re.compile(r"^-- breaking:", re.MULTILINE)
_LOCK = "lock table bridge_migration.applied in share row exclusive mode"
_LOCK_TIMEOUT = "10s"
_ATTEMPTS = 5
"""For a step that deadlocks with a loaded bridge, or waits for a lock that a session does not give."""
_HOLDERS = """
select distinct
    a.pid, a.usename, a.application_name, a.state, a.xact_start
from pg_locks as l
inner join pg_class as c on l.relation = c.oid
inner join pg_namespace as n on c.relnamespace = n.oid
inner join pg_stat_activity as a on l.pid = a.pid
where l.granted and l.pid <> pg_backend_pid() and n.nspname in ('bridge', 'bridge_migration', 'report')
order by a.xact_start
limit 3
"""
_LEDGER_MADE = """
select exists (
    select from pg_attribute as a
    where a.attrelid = to_regclass('bridge_migration.applied') and a.attname = 'breaking' and not a.attisdropped
)
"""
_LEDGER = """
create schema if not exists bridge_migration;
comment on schema bridge_migration is 'Which migrations of tmf656-bridge were applied';
create table if not exists bridge_migration.applied (
    version integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);
comment on table bridge_migration.applied is 'A migration that was applied';
comment on column bridge_migration.applied.version is 'Number of the file';
comment on column bridge_migration.applied.name is 'Name of the file';
comment on column bridge_migration.applied.checksum is 'SHA-256 of the file as applied';
comment on column bridge_migration.applied.applied_at is 'When';
alter table bridge_migration.applied add column if not exists breaking boolean not null default false;
comment on column bridge_migration.applied.breaking is 'Programs that do not know this migration cannot run on it';
"""
_SETTINGS = "set local standard_conforming_strings = on; set local client_min_messages = warning"
"""How the files are written, whatever a role or a database was given for other programs."""
_RACES = (
    asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateSchemaError,
    asyncpg.DuplicateTableError,
)
"""Another process did it at the same time, or held what we wanted."""
_REFUSALS = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.RaiseError,
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `sql/migrations`."""

    version: int
    name: str
    sql: str

    @property
    def title(self) -> str:
        """Its name with its number, as the file has it."""
        return f"{self.version:04}_{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def breaking(self) -> bool:
        """Whether programs that do not know it cannot run on it."""
        return _BREAKING.search(self.sql) is not None


def available(directory: Path | None = None) -> list[Migration]:
    """Return the migrations of this program, in order."""
    found = []
    for path in sorted((directory or sql_dir() / "migrations").iterdir()):
        match = _FILE.match(path.name)
        if match:
            found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    return found


async def pending(connection: Connection, directory: Path | None = None) -> list[Migration]:
    """Return what is still to be applied; SchemaError when a file was altered, or the schema is newer than this program
    in a way that it cannot run on.
    """
    known = available(directory)
    applied = await _applied(connection)
    if _is_development_version(applied):
        raise SchemaError(
            "the schema was made by the development version before the first release: "
            "stop the bridge, back up the database and run `tmf656-bridge migrate`, which carries it over"
        )
    newest = known[-1].version if known else 0
    newer = {version: one for version, one in applied.items() if version > newest}
    if newer:
        what = f"the schema is at version {max(newer)}, this program knows {newest}"
        if any(one.breaking for one in newer.values()):
            raise SchemaError(f"{what}, and cannot run on it: install the newer tmf656-bridge again")
        log.warning("schema is newer", schema=max(newer), known=newest, remedy="none needed: it has only been added to")
    for migration in known:
        record = applied.get(migration.version)
        if record is not None and record.checksum != migration.checksum:
            raise SchemaError(
                f"migration {migration.title} differs from the one that was applied: "
                "install the release that matches this database, or restore the file"
            )
    return [migration for migration in known if migration.version not in applied]


async def check(connection: Connection) -> None:
    """Raise SchemaError unless the schema has what this program needs."""
    missing = await pending(connection)
    if missing:
        names = ", ".join(one.title for one in missing)
        raise SchemaError(f"the schema lacks {names}: run `tmf656-bridge migrate`")


async def migrate(connection: Connection, directory: Path | None = None) -> list[Migration]:
    """Apply what is missing; return it. Waits for another process that is migrating; SchemaError that names the session
    when somebody else does not give a lock.
    """
    if not await connection.fetchval(_LEDGER_MADE):
        await _step(connection, "the record of migrations cannot be kept", lambda: connection.execute(_LEDGER))
    applied: list[Migration] = []
    if _is_development_version(await _applied(connection)):
        known = available(directory)
        what = "the database of the development version was not carried over and is as it was"
        applied += await _step(connection, what, lambda: _carry_over(connection, known), alone=True)
    for migration in await pending(connection, directory):
        what = f"migration {migration.title} failed and left nothing behind"
        applied += await _step(connection, what, partial(_apply, connection, migration), alone=True)
    await _step(connection, "roles cannot be granted their rights", lambda: rights.grant(connection), alone=True)
    return applied


async def _step(connection: Connection, what: str, work: Callable[[], Awaitable[T]], *, alone: bool = False) -> T:
    """Do one step in a transaction, `alone` under the lock; again when it deadlocks, or a lock is not given at once."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with _explained(what):
                async with connection.transaction():
                    await connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'; {_SETTINGS}")
                    if alone:
                        await connection.execute(_LOCK)
                    return await work()
        except asyncpg.LockNotAvailableError as error:
            holders = await _holders(connection)
            log.warning("migrate waits for a lock", held_by=holders)
            if attempt == _ATTEMPTS:
                raise SchemaError(
                    f"{what}: no lock within {attempt} times {_LOCK_TIMEOUT}, held by {holders}: "
                    "end that session, or try again when it has ended"
                ) from error
        except (asyncpg.DeadlockDetectedError, asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError) as error:
            if attempt == _ATTEMPTS:
                raise SchemaError(
                    f"{what}: {error} (stop the bridges that use this database, then try again)"
                ) from error
            log.warning("migrate is tried again", step=what, error=str(error))
            await anyio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 -- jitter, not a secret
    raise AssertionError(what)


async def _holders(connection: Connection) -> str:
    rows = await connection.fetch(_HOLDERS)
    named = [
        f"pid {row['pid']} ({row['usename']}, {row['application_name'] or 'no name'}, {row['state']})" for row in rows
    ]
    return ", ".join(named) or "a session that cannot be seen"


def _is_development_version(applied: dict[int, "_Applied"]) -> bool:
    return carry_over.recognises({version: one.checksum for version, one in applied.items()})


async def _carry_over(connection: Connection, known: list[Migration]) -> list[Migration]:
    if not _is_development_version(await _applied(connection)):
        return []
    made = [migration for migration in known if migration.name in carry_over.MADE]
    await carry_over.rename(connection, {migration.name: migration.sql for migration in made})
    for migration in made:
        await _record(connection, migration)
    log.info("schema carried over from the development version", migrations=[one.title for one in made])
    return made


async def _apply(connection: Connection, migration: Migration) -> list[Migration]:
    """Apply one that is pending, unless another process was faster."""
    if migration.version in await _applied(connection):
        return []
    await connection.execute(migration.sql)
    await _record(connection, migration)
    return [migration]


async def _record(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "insert into bridge_migration.applied (version, name, checksum, breaking) values ($1, $2, $3, $4)",
        migration.version,
        migration.name,
        migration.checksum,
        migration.breaking,
    )


@dataclass(frozen=True, slots=True)
class _Applied:
    checksum: str
    breaking: bool


async def _applied(connection: Connection) -> dict[int, _Applied]:
    with _explained("the record of migrations cannot be read"):
        if await connection.fetchval("select to_regclass('bridge_migration.applied') is null"):
            return {}
        # records of the first releases do not say whether they break anything
        rows = await connection.fetch(
            "select a.version, a.checksum, coalesce((to_jsonb(a) ->> 'breaking')::boolean, false) as breaking "
            "from bridge_migration.applied as a order by a.version"
        )
    return {row["version"]: _Applied(row["checksum"], row["breaking"]) for row in rows}


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what Postgres refuses into a SchemaError that says what to do; Postgres being away passes through."""
    try:
        yield
    except (asyncpg.LockNotAvailableError, *_RACES):
        raise
    except asyncpg.InsufficientPrivilegeError as error:
        remedy = "let database.dsn name the owner of the database, or a user with the right to create schemas in it"
        raise SchemaError(f"{what}: {error} ({remedy})") from error
    except asyncpg.DependentObjectsStillExistError as error:
        remedy = "drop it, or have it read schema report, then migrate again"
        raise SchemaError(f"{what}: {error.args[0]}: {error.detail} ({remedy})") from error
    except _REFUSALS as error:
        raise SchemaError(f"{what}: {error}") from error
