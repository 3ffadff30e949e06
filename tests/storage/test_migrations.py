"""The schema's own promises: applied once, all or nothing, by one at a time, and readable by those who should."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import asyncpg
import pytest

from bridge.errors import SchemaError
from bridge.storage import migrations
from bridge.storage.database import Connection

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
MIGRATOR = """
import sys
import anyio, asyncpg, structlog
from bridge.storage import migrations

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    connection = await asyncpg.connect(sys.argv[1])
    print(len(await migrations.migrate(connection)))
    await connection.close()

anyio.run(main)
"""
"""A process that migrates and says how many migrations it applied."""

WAITING = """
    select count(*) from pg_locks
    where locktype = 'relation' and not granted
        and database = (select oid from pg_database where datname = current_database())
"""
"""How many wait for a lock on a table."""


@pytest.fixture
async def empty(empty_dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(empty_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def migrated(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text("create table first (n int);")
    (tmp_path / "0002_second.sql").write_text("create table second (n int); insert into second values (1);")
    (tmp_path / "notes.txt").write_text("not a migration")
    return tmp_path


async def tables(connection: Connection) -> set[str]:
    rows = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
    return {row["tablename"] for row in rows}


async def test_migrations_are_applied_in_order_and_a_second_time_nothing_is(empty: Connection, directory: Path) -> None:
    assert [one.version for one in await migrations.migrate(empty, directory)] == [1, 2]
    assert await tables(empty) == {"first", "second"}
    assert await migrations.migrate(empty, directory) == []
    assert await empty.fetchval("select count(*) from second") == 1


async def test_only_what_is_missing_is_applied(empty: Connection, directory: Path) -> None:
    await migrations.migrate(empty, directory)
    (directory / "0003_third.sql").write_text("create table third (n int);")
    assert [one.name for one in await migrations.migrate(empty, directory)] == ["third"]


async def test_checking_changes_nothing_and_names_what_is_missing_and_the_command(empty: Connection) -> None:
    with pytest.raises(SchemaError, match=r"lacks 0001_core.*tmf656-bridge migrate"):
        await migrations.check(empty)
    assert await empty.fetchval("select to_regnamespace('bridge_migration')") is None


async def test_the_schema_of_this_program_is_current_once_it_is_migrated(migrated: Connection) -> None:
    await migrations.check(migrated)
    assert await migrations.migrate(migrated) == []


async def test_an_altered_file_is_refused_and_named(empty: Connection, directory: Path) -> None:
    await migrations.migrate(empty, directory)
    (directory / "0001_first.sql").write_text("create table other (n int);")
    with pytest.raises(SchemaError, match="0001_first differs"):
        await migrations.migrate(empty, directory)
    assert await tables(empty) == {"first", "second"}


async def test_a_newer_schema_is_taken_when_it_was_only_added_to(empty: Connection, directory: Path) -> None:
    await migrations.migrate(empty, directory)
    (directory / "0002_second.sql").unlink()
    assert await migrations.pending(empty, directory) == []
    assert await migrations.migrate(empty, directory) == []


async def test_a_newer_schema_is_refused_when_a_migration_says_so(empty: Connection, directory: Path) -> None:
    newer = directory / "0003_third.sql"
    newer.write_text("-- Drops.\n-- breaking: programs before this one read it\ndrop table second;")
    await migrations.migrate(empty, directory)
    newer.unlink()
    with pytest.raises(SchemaError, match=r"version 3, this program knows 2, and cannot run on it"):
        await migrations.pending(empty, directory)
    with pytest.raises(SchemaError, match="install the newer"):
        await migrations.migrate(empty, directory)


async def test_a_record_that_does_not_say_whether_it_breaks_anything_is_read(
    empty: Connection, directory: Path
) -> None:
    await migrations.migrate(empty, directory)
    await empty.execute("alter table bridge_migration.applied drop column breaking")
    assert await migrations.pending(empty, directory) == []
    (directory / "0003_third.sql").write_text("create table third (n int);")
    assert [one.version for one in await migrations.migrate(empty, directory)] == [3]


async def test_a_migration_that_fails_halfway_leaves_nothing_and_keeps_those_before(
    empty: Connection, directory: Path
) -> None:
    (directory / "0002_second.sql").write_text("create table second (n int); select 1 / 0;")
    with pytest.raises(SchemaError, match="0002_second failed and left nothing behind: division by zero"):
        await migrations.migrate(empty, directory)
    assert await tables(empty) == {"first"}
    assert await empty.fetchval("select max(version) from bridge_migration.applied") == 1
    (directory / "0002_second.sql").write_text("create table second (n int);")
    assert [one.version for one in await migrations.migrate(empty, directory)] == [2]


async def test_two_processes_that_migrate_at_once_apply_each_migration_once(empty_dsn: str, empty: Connection) -> None:
    with anyio.fail_after(60):
        migrators = [
            await anyio.open_process([sys.executable, "-c", MIGRATOR, empty_dsn], cwd=ROOT, stderr=None)
            for _ in range(2)
        ]
        applied = [int(await one.stdout.receive()) for one in migrators if one.stdout]
        for one in migrators:
            assert await one.wait() == 0
            await one.aclose()
    assert sum(applied) == len(migrations.available())
    await migrations.check(empty)


async def test_a_waiting_migrator_goes_on_when_the_one_that_holds_the_lock_is_gone(
    empty_dsn: str, empty: Connection, directory: Path
) -> None:
    await empty.execute(migrations._LEDGER)
    holder, watching = await asyncpg.connect(empty_dsn), await asyncpg.connect(empty_dsn)
    await holder.execute(f"begin; {migrations._LOCK}")
    async with anyio.create_task_group() as group:
        group.start_soon(migrations.migrate, empty, directory)
        with anyio.fail_after(30):
            while not await watching.fetchval(WAITING):  # noqa: ASYNC110 -- another session makes it true
                await anyio.sleep(0.02)
        assert await tables(watching) == set()
        holder.terminate()
    assert await tables(empty) == {"first", "second"}
    await watching.close()


async def test_d8_no_lock_that_a_reader_can_take_keeps_migrate_or_partitions_waiting(
    dsn: str, empty_dsn: str, empty: Connection, directory: Path
) -> None:
    analyst, other = await asyncpg.connect(empty_dsn), await asyncpg.connect(dsn)
    for session in (analyst, other):
        await session.execute("select pg_advisory_lock(656000001), pg_advisory_lock(656000002)")
    await empty.execute(migrations._LEDGER)
    async with analyst.transaction():
        await analyst.fetch("select * from bridge_migration.applied")
        with anyio.fail_after(30):
            assert [one.version for one in await migrations.migrate(empty, directory)] == [1, 2]
    migrated = await asyncpg.connect(dsn)
    async with other.transaction():
        await other.fetch("select * from report.notification")
        with anyio.fail_after(30):
            await migrated.execute("select bridge.make_notification_day('2026-06-03')")
    for session in (analyst, other, migrated):
        await session.close()


async def test_d8_a_lock_that_is_not_given_is_an_error_that_names_the_session(
    migrated: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "10ms")
    for file in (migrations.sql_dir() / "migrations").glob("*.sql"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "9999_more.sql").write_text("alter table bridge.source add column more text;")
    holder = await asyncpg.connect(dsn, server_settings={"application_name": "somebody's notebook"})
    async with holder.transaction():
        await holder.fetch("select * from bridge.source")
        pid = holder.get_server_pid()
        with pytest.raises(SchemaError, match=rf"9999_more.*pid {pid} \(postgres, somebody's notebook, idle in trans"):
            await migrations.migrate(migrated, tmp_path)
    assert [one.version for one in await migrations.migrate(migrated, tmp_path)] == [9999]
    await holder.close()


async def test_d9_a_migration_that_deadlocks_with_a_loaded_bridge_is_tried_again(
    migrated: Connection, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer holds `source` and then wants `refetch`; the migration takes them the other way round."""
    await migrated.execute("set deadlock_timeout = '500ms'")  # it looks once, and must find the writer waiting
    for file in (migrations.sql_dir() / "migrations").glob("*.sql"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "9999_more.sql").write_text(
        "alter table bridge.refetch add column more text; alter table bridge.source add column more text;"
    )
    writer, watching = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await writer.execute("begin; insert into bridge.source (name) values ('snow')")
    applied: list[migrations.Migration] = []

    async def migrate() -> None:
        applied.extend(await migrations.migrate(migrated, tmp_path))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(migrate)
            while not await watching.fetchval(WAITING):  # noqa: ASYNC110 -- another session makes it true
                await anyio.sleep(0.02)
            await writer.execute("set deadlock_timeout = '1min'; select count(*) from bridge.refetch; commit")
    assert [one.version for one in applied] == [9999]
    for session in (writer, watching):
        await session.close()


async def test_the_reader_reads_every_view_of_report_and_nothing_of_bridge(migrated: Connection) -> None:
    await migrated.execute("set role bridge_reader")
    views = [row[0] for row in await migrated.fetch("select viewname from pg_views where schemaname = 'report'")]
    assert {"service_problem", "notification"} <= set(views)
    for view in views:
        await migrated.fetch(f"select * from report.{view}")  # noqa: S608 -- names out of the catalog
    for query in (
        "select * from bridge.source",
        "select * from bridge.notification",
        "select bridge.changed_keys(null, null)",
        "create table report.own (n int)",
        "select * from bridge_migration.applied",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await migrated.execute(query)
