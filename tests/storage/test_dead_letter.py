"""Dead letters: kept with their bytes, counted when they come again, dealt with once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.storage import dead_letter
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def letter(source_id: int, raw: bytes = b"\x00\xff{") -> DeadLetter:
    return DeadLetter(source_id, NOON, raw, "not_json", "cut\x00 off", "look", via="poll")


async def test_the_bytes_are_kept_and_what_is_said_of_them_fits_into_a_text(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await dead_letter.keep(connection, [letter(source_id)])
        [number] = await dead_letter.waiting(connection, "sim")
        shown = await dead_letter.show(connection, number)
        assert shown is not None
        assert (shown["raw"], shown["detail"], shown["via"]) == (b"\x00\xff{", "cut\\0 off", "poll")
        assert await dead_letter.show(connection, number + 1) is None


async def test_the_same_bytes_again_are_counted_not_kept_twice(database: Database, source_id: int) -> None:
    one = letter(source_id)
    async with database.transaction() as connection:
        await dead_letter.keep(connection, [one, one, letter(source_id, b"other")])
        await dead_letter.keep(connection, [replace(one, received_at=NOON + timedelta(hours=1))])
        listed = await dead_letter.listed(connection, source="sim", settled=False, limit=10)
        assert sorted(each["times"] for each in listed) == [1, 3]
        assert await dead_letter.count(connection) == {source_id: 2}


async def test_what_is_settled_waits_no_more_and_may_come_again(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await dead_letter.keep(connection, [letter(source_id)])
        [number] = await dead_letter.waiting(connection, None)
        assert await dead_letter.settle(connection, number, "discarded")
        assert not await dead_letter.settle(connection, number, "replayed")
        assert await dead_letter.count(connection) == {}
        assert await dead_letter.listed(connection, source=None, settled=False, limit=10) == []
        [row] = await dead_letter.listed(connection, source=None, settled=True, limit=10)
        assert row["state"] == "discarded"
        await dead_letter.keep(connection, [letter(source_id)])
        assert await dead_letter.waiting(connection, None) != [number]


async def test_a_pushed_one_stands_in_the_log_unless_it_is_there_already(database: Database, source_id: int) -> None:
    pushed = replace(letter(source_id), via="push")
    async with database.transaction() as connection:
        await dead_letter.keep(connection, [pushed], logged=False)
        assert await connection.fetchval("select count(*) from bridge.notification") == 0
        await dead_letter.keep(connection, [pushed, letter(source_id, b"by a poll")])
        assert await connection.fetchval("select count(*) from bridge.notification") == 1


def test_a_text_is_one_that_postgres_can_keep() -> None:
    assert dead_letter.clean(None) is None
    assert dead_letter.clean("a\x00\udc00") == "a\\0\\udc00"
    assert len(dead_letter.clean("x" * 5000) or "") == 2000
