"""Callback secrets: made once, changed with an overlap of two, retired for good."""

import pytest

from bridge.storage import source as source_table
from bridge.storage.database import Database
from bridge.storage.source import SourceRow, digest

pytestmark = pytest.mark.anyio

URL = "https://snow.example/v4"


async def ensured(database: Database, secret: str = "", url: str = URL) -> SourceRow:
    async with database.transaction() as connection:
        return await source_table.ensure(connection, "snow", url, secret)


async def test_a_secret_is_made_once_and_stays(database: Database) -> None:
    first = await ensured(database)
    assert len(first.secrets[0]) >= 32
    assert await ensured(database) == first


async def test_after_a_change_two_are_accepted_and_older_ones_are_retired(database: Database) -> None:
    made = (await ensured(database)).secrets[0]
    assert (await ensured(database, "a" * 32)).secrets == ("a" * 32, made)
    third = await ensured(database, "b" * 32)
    assert third.secrets == ("b" * 32, "a" * 32)
    assert third.retired == {digest(made)}
    assert await ensured(database, "b" * 32) == third


async def test_going_back_to_the_one_before_retires_nothing(database: Database) -> None:
    await ensured(database, "a" * 32)
    await ensured(database, "b" * 32)
    back = await ensured(database, "a" * 32)
    assert (back.secrets, back.retired) == (("a" * 32, "b" * 32), frozenset())


async def test_a_source_that_moved_is_read_anew(database: Database) -> None:
    kept = await ensured(database)
    async with database.transaction() as connection:
        await source_table.write_version(connection, kept.id, "3")
        await connection.execute(
            "insert into bridge.watermark (source_id, kind, started_at, finished_at) values ($1, 'poll', now(), now())",
            kept.id,
        )
    assert (await ensured(database)).version == "3"
    assert (await ensured(database, url="https://other.example/v4")).version is None
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.watermark") == 0
