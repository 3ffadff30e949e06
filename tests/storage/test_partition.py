"""The log of notifications has a partition a day: made once, dropped whole, and what broke off is ended."""

from datetime import date

import pytest

from bridge.storage import partition
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio

DAYS = [date(2026, 3, day) for day in (1, 2, 3)]


async def test_days_are_made_once(database: Database) -> None:
    async with database.transaction() as connection:
        before = await partition.held(connection)
        await partition.ensure(connection, DAYS)
        await partition.ensure(connection, reversed(DAYS))
        assert set(await partition.held(connection)) - set(before) == set(DAYS)


async def test_earlier_days_go_whole_and_later_ones_stay(database: Database) -> None:
    async with database.transaction() as connection:
        await partition.ensure(connection, DAYS)
    async with database.connection() as connection:
        assert await partition.drop_before(connection, DAYS[2]) == DAYS[:2]
        assert await partition.held(connection) == sorted(set(await partition.held(connection)) | {DAYS[2]})
        assert await connection.fetchval("select to_regclass('bridge.notification_20260301')") is None
        assert await partition.drop_before(connection, DAYS[2]) == []


async def test_a_day_that_was_detached_and_not_dropped_goes_in_the_next_round(database: Database) -> None:
    async with database.transaction() as connection:
        await partition.ensure(connection, DAYS[:1])
        await connection.execute("alter table bridge.notification detach partition bridge.notification_20260301")
        assert DAYS[0] not in await partition.held(connection)
    async with database.connection() as connection:
        assert await partition.drop_before(connection, DAYS[1]) == DAYS[:1]
        assert await connection.fetchval("select to_regclass('bridge.notification_20260301')") is None
