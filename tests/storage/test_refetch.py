"""Problems to be fetched by id: due at once, postponed, dropped, and never at the cost of a newer request."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.storage import refetch
from bridge.storage.database import Connection, Database

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


async def ids(connection: Connection, source_id: int, at: datetime) -> list[str]:
    return [each.problem_id for each in await refetch.due(connection, source_id, at, 10)]


async def test_what_is_asked_for_is_due_at_once_oldest_first(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await refetch.request(connection, [(source_id, "b", "partial", LATER), (source_id, "a", "tie", NOON)])
        assert await ids(connection, source_id, NOON) == ["a"]
        assert await ids(connection, source_id, LATER) == ["a", "b"]
        assert len(await refetch.due(connection, source_id, LATER, 1)) == 1
        assert await refetch.next_due(connection, source_id) == (NOON, 2)
        assert await refetch.next_due(connection, source_id + 1) == (None, 0)


async def test_a_postponed_one_counts_its_tries_where_it_was_the_cause(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await refetch.request(connection, [(source_id, "a", "partial", NOON)])
        [asked] = await refetch.due(connection, source_id, NOON, 10)
        await refetch.postpone(connection, source_id, asked, LATER)
        assert await ids(connection, source_id, NOON) == []
        [again] = await refetch.due(connection, source_id, LATER, 10)
        assert (again.attempts, again.reason) == (asked.attempts + 1, "partial")
        await refetch.postpone(connection, source_id, again, NOON, counted=False)
        [still] = await refetch.due(connection, source_id, LATER, 10)
        assert still.attempts == again.attempts


async def test_a_request_that_came_meanwhile_stays(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await refetch.request(connection, [(source_id, "a", "partial", NOON)])
        [asked] = await refetch.due(connection, source_id, NOON, 10)
        await refetch.request(connection, [(source_id, "a", "tie", LATER)])
        await refetch.drop(connection, source_id, asked)
        assert await ids(connection, source_id, LATER) == ["a"]
        [newer] = await refetch.due(connection, source_id, LATER, 10)
        await refetch.drop(connection, source_id, newer)
        assert await refetch.next_due(connection, source_id) == (None, 0)
