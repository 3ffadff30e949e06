"""Connections that are kept from one session to the next: nobody goes without, and none outlives where it leads to."""

from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import asyncpg
import pytest

from bridge.errors import DatabaseUnavailableError
from bridge.postgres.embedded import embedded
from bridge.storage import database as databases
from bridge.storage.database import Database, TooSlowError, opened

pytestmark = pytest.mark.anyio

PID = "select pg_backend_pid()"
LIMIT_SECONDS = 20


async def pid_of(database: Database) -> int:
    async with database.session() as connection:
        pid: int = await connection.fetchval(PID)
    return pid


def in_the_pool(database: Database) -> int:
    """How many connections lie in the pool; of those that are idle the others are kept."""
    return database._pool.get_idle_size()


async def end(dsn: str, pid: int) -> None:
    admin = await asyncpg.connect(dsn)
    assert await admin.fetchval("select pg_terminate_backend($1, 5000)", pid)
    await admin.close()


async def test_what_is_kept_counts_as_idle_and_goes_to_the_next(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        pid = await pid_of(database)
        assert (database.figures(), in_the_pool(database)) == ({"used": 0, "idle": 1}, 0)
        async with database.session() as connection:
            assert await connection.fetchval(PID) == pid
            assert database.figures() == {"used": 1, "idle": 0}
        async with database.connection() as connection:
            assert await connection.fetchval(PID) == pid
        assert (database.figures(), in_the_pool(database)) == ({"used": 0, "idle": 1}, 1)


@pytest.mark.parametrize("min_size", [0, 1, 2])
async def test_as_many_are_kept_as_the_pool_keeps_open(dsn: str, min_size: int) -> None:
    async with opened(dsn, min_size=min_size, max_size=3, wait=False) as database:
        async with database.session() as one, database.session() as two, database.session() as three:
            assert len({await each.fetchval(PID) for each in (one, two, three)}) == 3
        assert database.figures() == {"used": 0, "idle": 3}
        assert in_the_pool(database) == 3 - min_size
        async with database.connection(), database.connection(), database.connection():
            assert database.figures() == {"used": 3, "idle": 0}


async def test_nothing_is_kept_from_who_waits(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database, anyio.create_task_group() as tasks:

        async def borrow() -> None:
            async with database.connection(timeout_seconds=LIMIT_SECONDS) as connection:
                assert await connection.fetchval("select 1") == 1

        async with database.session() as connection:
            tasks.start_soon(borrow)
            await anyio.wait_all_tasks_blocked()
            await connection.fetchval(PID)
        with anyio.fail_after(LIMIT_SECONDS):
            await pid_of(database)


async def test_one_that_is_lost_while_it_is_kept_is_replaced(dsn: str) -> None:
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


async def test_one_that_is_lost_in_a_session_is_not_kept(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        pid = await pid_of(database)
        with pytest.raises(DatabaseUnavailableError):
            async with database.session() as connection:
                await connection.execute("select pg_terminate_backend(pg_backend_pid())")
        assert await pid_of(database) != pid


async def test_after_a_failover_none_is_kept_from_before(dsn: str) -> None:
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
        assert in_the_pool(database) == 0


async def test_one_that_took_too_long_is_not_kept(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        pid = await pid_of(database)
        with pytest.raises(TooSlowError, match=r"longer than 0\.2 s"):
            async with database.session(limit_seconds=0.2) as connection:
                await connection.execute("select pg_sleep(60)")
        assert await pid_of(database) != pid
        async with opened(dsn, min_size=1, max_size=1, wait=False) as other, other.session() as connection:
            assert not await connection.fetchval("select count(*) from pg_stat_activity where pid = $1", pid)


async def test_one_whose_borrower_was_stopped_is_not_kept_as_it_is(dsn: str) -> None:
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        await pid_of(database)
        with anyio.move_on_after(0.2) as stopped:
            async with database.transaction() as connection:
                await connection.execute("create table public.half ()")
                await connection.execute("select pg_sleep(60)")
        assert stopped.cancelled_caught
        async with database.session() as connection:
            assert await connection.fetchval("select to_regclass('public.half')") is None


async def test_the_pool_sees_each_from_time_to_time(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "_TIMES_KEPT", 2)
    async with opened(dsn, min_size=1, max_size=1, wait=False) as database:
        lies_in_the_pool = []
        for _ in range(7):
            await pid_of(database)
            lies_in_the_pool.append(in_the_pool(database))
    assert lies_in_the_pool == [0, 0, 1, 0, 0, 1, 0]


async def test_a_database_that_closes_leaves_none_behind(dsn: str) -> None:
    async with opened(dsn, min_size=2, max_size=2, wait=False) as database:
        async with database.session() as one, database.session() as two:
            await one.fetchval(PID)
            await two.fetchval(PID)
        assert in_the_pool(database) == 0
        closing_at = monotonic()
    assert monotonic() - closing_at < 2  # after three it is cut off
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
