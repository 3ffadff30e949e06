"""What a connection carries over from one borrower to the next: nothing."""

import pytest

from bridge.storage.database import opened

pytestmark = pytest.mark.anyio


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
