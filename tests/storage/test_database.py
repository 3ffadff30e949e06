"""The pool: connections are lent again, and none outlives where it leads to."""

from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import asyncpg
import pytest

from bridge.errors import DatabaseUnavailableError
from bridge.postgres.embedded import Embedded, embedded
from bridge.settings.dsn import read_dsn
from bridge.storage import migrations
from bridge.storage.database import Database, opened
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.errors import TooSlowError
from bridge.storage.observation_store import store_items
from tests.locks import asleep

pytestmark = pytest.mark.anyio

PID = "select pg_backend_pid()"
SYSTEM = "select system_identifier from pg_control_system()"
LIMIT_SECONDS = 20


def with_database(dsn: str, name: str) -> str:
    return dsn.replace("/bridge?", f"/{name}?")


async def pid_of(database: Database) -> int:
    async with database.session() as connection:
        pid: int = await connection.fetchval(PID)
    return pid


async def cancel_once_it_sleeps(dsn: str, pid: int, scope: anyio.CancelScope) -> None:
    """Postgres ignores a request to cancel that comes before the statement does, so wait until the session sleeps."""
    admin = await asyncpg.connect(dsn)
    try:
        await asleep(admin, pid)
    finally:
        scope.cancel()
        admin.terminate()


async def end(dsn: str, pid: int) -> None:
    admin = await asyncpg.connect(dsn)
    assert await admin.fetchval("select pg_terminate_backend($1, 5000)", pid)
    await admin.close()


async def test_a_connection_that_came_back_counts_as_idle_and_is_lent_again(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        pid = await pid_of(database)
        assert database.figures() == {"used": 0, "idle": 1}
        async with database.session() as connection:
            assert await connection.fetchval(PID) == pid
            assert database.figures() == {"used": 1, "idle": 0}
        async with database.connection() as connection:
            assert await connection.fetchval(PID) == pid


@pytest.mark.parametrize("at", ["begin", "statement"])
async def test_the_transaction_of_a_cancelled_task_is_rolled_back_and_nothing_is_logged(
    dsn: str, at: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        pid = await pid_of(database)
        with anyio.CancelScope() as scope:
            async with database.session() as connection, anyio.create_task_group() as beside:
                if at == "begin":
                    scope.cancel()
                await connection.transaction().start()
                await connection.execute("insert into bridge.source (name) values ('half done')")
                beside.start_soon(cancel_once_it_sleeps, dsn, pid, scope)
                await connection.execute("select pg_sleep(60)")
        assert scope.cancelled_caught
        async with database.session() as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("select count(*) from bridge.source where name = 'half done'") == 0
            assert await connection.fetchval(PID) == pid, "it need not be closed for that"
    assert caplog.records == []


async def test_one_that_is_lost_while_it_is_idle_is_replaced(dsn: str) -> None:
    gone = anyio.Event()
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        async with database.session() as connection:
            connection.add_termination_listener(lambda _: gone.set())
            pid = await connection.fetchval(PID)
        await end(dsn, pid)
        with anyio.fail_after(LIMIT_SECONDS):
            await gone.wait()
        for _ in range(3):
            assert await pid_of(database) != pid
        assert database.figures() == {"used": 0, "idle": 1}


async def test_one_that_is_lost_in_a_session_is_not_lent_again(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        pid = await pid_of(database)
        with pytest.raises(DatabaseUnavailableError):
            async with database.session() as connection:
                await connection.execute("select pg_terminate_backend(pg_backend_pid())")
        assert await pid_of(database) != pid


async def test_after_a_failover_none_is_lent_from_before(dsn: str) -> None:
    async def write_nothing(database: Database) -> None:
        async with database.transaction() as connection:
            await connection.execute("set transaction read only")
            await connection.execute("create table public.never ()")

    async def pids(database: Database) -> set[int]:
        async with database.session() as one, database.session() as two, database.session() as three:
            return {await each.fetchval(PID) for each in (one, two, three)}

    async with opened(dsn, min_size=3, max_size=3, wait=False) as database:
        before = await pids(database)
        async with database.session() as meanwhile:
            with pytest.raises(DatabaseUnavailableError):
                await write_nothing(database)
            assert await meanwhile.fetchval(PID) in before
        assert not before & await pids(database)


async def test_one_that_took_too_long_is_not_lent_again(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        pid = await pid_of(database)
        with pytest.raises(TooSlowError, match=r"longer than 0\.2 s"):
            async with database.session(limit_seconds=0.2) as connection:
                await connection.execute("select pg_sleep(60)")
        assert await pid_of(database) != pid
        async with opened(dsn, min_size=1, max_size=1, wait=False) as other, other.session() as connection:
            assert not await connection.fetchval("select count(*) from pg_stat_activity where pid = $1", pid)


async def test_one_whose_borrower_was_stopped_is_lent_clean(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        pid = await pid_of(database)
        with anyio.CancelScope() as stopped:
            async with database.transaction() as connection, anyio.create_task_group() as beside:
                await connection.execute("create table public.half ()")
                beside.start_soon(cancel_once_it_sleeps, dsn, pid, stopped)
                await connection.execute("select pg_sleep(60)")
        assert stopped.cancelled_caught
        async with database.session() as connection:
            assert await connection.fetchval("select to_regclass('public.half')") is None


async def test_a_database_that_closes_leaves_none_behind(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.storage.database._CLOSE_SECONDS", 3 * LIMIT_SECONDS)
    async with opened(dsn, min_size=2, max_size=2, wait=False) as database:
        async with database.session() as one, database.session() as two:
            await one.fetchval(PID)
            await two.fetchval(PID)
        closing_at = monotonic()
    assert monotonic() - closing_at < LIMIT_SECONDS, "it is not cut off"
    async with opened(dsn, min_size=1, max_size=1, wait=False) as other, other.session() as connection:
        left: Any = await connection.fetchval(
            "select count(*) from pg_stat_activity where application_name = $1", database.identity
        )
    assert left == 0


async def test_a_postgres_that_starts_again_is_found_again(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with embedded(tmp_path) as own:
            database = await stack.enter_async_context(opened(own.dsn, min_size=2, max_size=2, wait=False))
            async with database.session() as one, database.session() as two:
                before = {await one.fetchval(PID), await two.fetchval(PID)}
        with pytest.raises(DatabaseUnavailableError):
            await pid_of(database)
        assert database.figures() == {"used": 0, "idle": 0}
        async with embedded(tmp_path) as own, database.session() as one, database.session() as two:
            assert not before & {await one.fetchval(PID), await two.fetchval(PID)}


async def test_every_timeout_of_a_role_and_its_zone_are_ours_not_its(dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    name = f"pressed_{dsn.partition('/test_')[2].partition('?')[0]}"
    await admin.execute(f"create role {name} login superuser")
    try:
        for setting in (
            "statement_timeout = '30s'",
            "lock_timeout = '30s'",
            "idle_session_timeout = '30s'",
            "idle_in_transaction_session_timeout = '30s'",
            "timezone = 'Asia/Kathmandu'",
            "default_transaction_isolation = 'serializable'",
        ):
            await admin.execute(f"alter role {name} set {setting}")
        async with opened(dsn.replace("user=postgres", f"user={name}"), min_size=1, max_size=1, wait=False) as database:
            for _ in range(2):  # the second time after a reset
                async with database.connection() as connection:
                    settings = await connection.fetchrow(
                        "select current_setting('timezone'), current_setting('default_transaction_isolation'), "
                        "current_setting('statement_timeout'), current_setting('lock_timeout'), "
                        "current_setting('idle_session_timeout'), "
                        "current_setting('idle_in_transaction_session_timeout')"
                    )
                    assert tuple(settings) == ("UTC", "read committed", "0", "0", "0", "10s")
    finally:
        await admin.execute(f"drop role {name}")
        await admin.close()


HOSTILE = {
    "standard_conforming_strings": "off",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "gin_fuzzy_search_limit": "3",
    "search_path": "nowhere",
    "synchronous_commit": "off",
}
"""What a role or a database may have been given for old programs."""


async def test_d_a_database_that_was_set_up_for_old_programs_is_migrated_and_searched_as_any(empty_dsn: str) -> None:
    admin = await asyncpg.connect(empty_dsn)
    base = await admin.fetchval("select quote_ident(current_database())")
    for name, value in HOSTILE.items():
        await admin.execute(
            f"alter database {base} set {name} = '{value}'"
            if "," not in value
            else f"alter database {base} set {name} = {value}"
        )
    await admin.close()
    async with opened(empty_dsn, min_size=1, max_size=1, wait=False) as database:
        async with database.connection() as connection:
            assert await migrations.migrate(connection)
        async with database.connection() as connection:  # after a reset
            for name in HOSTILE.keys() - {"search_path"}:
                assert await connection.fetchval("select current_setting($1)", name) != HOSTILE[name], name


@pytest.mark.parametrize(("given", "kept"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
async def test_d_a_commit_lasts_before_it_is_answered_whatever_the_role_was_given(
    dsn: str, given: str, kept: str
) -> None:
    admin = await asyncpg.connect(dsn)
    base = await admin.fetchval("select quote_ident(current_database())")
    await admin.execute(f"alter database {base} set synchronous_commit = {given}")
    await admin.close()
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        for _ in range(2):  # the second time after a reset
            async with database.connection() as connection:
                assert await connection.fetchval("show synchronous_commit") == kept


async def test_a6_rights_revoked_while_it_runs_are_waited_for(dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    name = f"guest_{dsn.partition('/test_')[2].partition('?')[0]}"
    base = await admin.fetchval("select current_database()")
    await admin.execute(f"create role {name} login")
    try:
        async with opened(dsn.replace("user=postgres", f"user={name}"), min_size=0, max_size=1, wait=False) as database:
            await pid_of(database)
            await admin.execute(f"revoke connect on database {base} from public")
            await end(dsn, await admin.fetchval("select pid from pg_stat_activity where usename = $1", name))
            with suppress(DatabaseUnavailableError):  # it may meet the connection that was ended
                await pid_of(database)
            with pytest.raises(DatabaseUnavailableError, match=r"42501.*grant connect"):
                await pid_of(database)
            await admin.execute(f"grant connect on database {base} to public")
            await pid_of(database)
    finally:
        await admin.execute(f"drop role {name}")
        await admin.close()


async def test_a7_tables_dropped_and_made_again_beside_it_are_used_again(dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    make = "create type public.kind as (a integer); create table public.restored (a integer)"
    drop = "drop table public.restored; drop type public.kind"
    insert = "insert into public.restored select a from unnest($1::public.kind[])"
    await admin.execute(make)
    try:
        async with opened(dsn, min_size=1, max_size=1, wait=False) as database:

            async def store() -> None:
                async with database.transaction() as connection:
                    await connection.execute(insert, [(1,)])

            await store()
            await admin.execute(drop)
            with pytest.raises(DatabaseUnavailableError, match=r"SQLSTATE"):
                await store()
            with pytest.raises(DatabaseUnavailableError, match=r"migrate --check"):
                await store()
            await admin.execute(make)
            await store()
            assert await admin.fetchval("select count(*) from public.restored") == 1
    finally:
        await admin.close()


async def test_f7_a_database_that_is_not_there_is_named_with_what_to_do(postgres: Embedded) -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"/nowhere refuses.*3D000.*create database"):
        async with opened(with_database(postgres.dsn, "nowhere"), wait=False):
            pass


async def test_d10_a_postgres_that_is_read_only_is_not_ready_and_says_so(dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    base = await admin.fetchval("select current_database()")
    await admin.execute(f"alter database {base} set default_transaction_read_only = on")
    async with opened(dsn, min_size=0, max_size=1, wait=False) as database:
        with pytest.raises(DatabaseUnavailableError, match=r"read-only.*name the primary"):
            await database.check_writes()
    await admin.close()


async def test_d10_a_full_disk_is_not_ready_until_something_is_stored_again(dsn: str) -> None:
    admin = await asyncpg.connect(dsn)
    source_id = await admin.fetchval("insert into bridge.source (name) values ('snow') returning id")
    await admin.execute(
        """
        create function public.no_space() returns trigger language plpgsql as $$
        begin
            raise exception 'kein Platz' using errcode = '53100';
        end
        $$;
        create trigger no_space before insert on bridge.dead_letter
        for each statement execute function public.no_space();
        """
    )
    letter = DeadLetter(source_id, datetime.now(UTC), b"{", "not_json", "x", via="poll")
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        await database.check_writes()
        with pytest.raises(DatabaseUnavailableError):
            await store_items(database, [letter])
        with pytest.raises(DatabaseUnavailableError, match=r"53100.*free space"):
            await database.check_writes()
        await admin.execute("drop trigger no_space on bridge.dead_letter")
        assert (await store_items(database, [letter])).outcomes == ["dead_letter"]
        await database.check_writes()
    await admin.close()


async def test_a_standby_is_passed_over_and_a_promoted_one_is_found(tmp_path: Path) -> None:
    """Two servers, the first of them read-only: the other is used; when they swap, connections are replaced."""
    async with embedded(tmp_path / "one") as one, embedded(tmp_path / "two") as two:
        hosts = ",".join(read_dsn(own.dsn).hosts[0] for own in (one, two))
        admins = {own.dsn: await asyncpg.connect(own.dsn) for own in (one, two)}

        async def read_only(own: Embedded, on: str) -> None:
            await admins[own.dsn].execute("set transaction_read_only = off")
            await admins[own.dsn].execute(f"alter system set default_transaction_read_only = {on}")
            await admins[own.dsn].execute("select pg_reload_conf()")
            probe = None
            while probe != on:  # another process applies it
                fresh = await asyncpg.connect(own.dsn)
                probe = await fresh.fetchval("show default_transaction_read_only")
                await fresh.close()

        async def used(database: Database) -> Embedded:
            async with database.transaction() as connection:
                await connection.execute("create table if not exists public.written ()")
                which = await connection.fetchval(SYSTEM)
            return one if which == await admins[one.dsn].fetchval(SYSTEM) else two

        await read_only(one, "on")
        async with opened(f"postgresql:///bridge?host={hosts}&user=postgres", min_size=1, max_size=2) as database:
            assert await used(database) == two
            await read_only(two, "on")
            await read_only(one, "off")
            with suppress(DatabaseUnavailableError):  # it may meet the connection from before
                await used(database)
            assert await used(database) == one
        for admin in admins.values():
            await admin.close()


async def test_settings_of_one_borrower_are_gone_for_the_next(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        before = ""
        for _ in range(2):
            async with database.transaction() as connection:
                await connection.execute("set local lock_timeout = '7s'")
            async with database.connection() as connection:
                found = await connection.fetchval("show lock_timeout")
                assert found == (before or found) != "7s"
                before = found
                await connection.execute("set lock_timeout = '5s'")

        async def fail() -> None:
            async with database.transaction() as connection:
                await connection.execute("set lock_timeout = '9s'")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with database.transaction() as connection:
            assert await connection.fetchval("show lock_timeout") == before


async def test_a_transaction_is_followed_by_no_reset(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        async with database.transaction() as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
        async with opened(dsn, min_size=1, max_size=1, wait=False) as other, other.connection() as connection:
            last = await connection.fetchval("select query from pg_stat_activity where pid = $1", pid)
        assert last == "COMMIT;"


async def test_a_statement_is_planned_once_not_each_time(dsn: str) -> None:
    statement = "select k.id from unnest($1::integer[]) as k (id) inner join pg_class as c on k.id = c.relnatts"
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database, database.session() as connection:
        for number in range(20):
            await connection.fetch(statement, list(range(number)))
        generic, custom = await connection.fetchrow(
            "select generic_plans, custom_plans from pg_prepared_statements where statement = $1", statement
        )
    assert (generic, custom) == (20, 0)
