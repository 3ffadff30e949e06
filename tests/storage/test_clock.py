"""Times of our clock that lie ahead of it are dated to now, and only those."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.observation import Via
from bridge.storage import clock, refetch, watermark
from bridge.storage.database import Database
from bridge.storage.observation import Entry, store
from bridge.storage.watermark import Watermark
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(hour: int) -> datetime:
    return NOON + timedelta(hours=hour)


def row(source_id: int, problem_id: str, hour: int) -> Entry:
    problem = {"id": problem_id, "status": "held", "lastUpdate": at(-9).isoformat()}
    return Entry(source_id, wire.read_problem(problem, asked_at=at(hour), via=Via.POLL))


async def test_the_latest_time_is_that_of_the_last_pass(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        assert await clock.latest(connection) is None
        await watermark.advance(connection, source_id, "poll", Watermark(None, None, at(1), at(2), 0))
        assert await clock.latest(connection) == at(2)


async def test_what_claims_to_be_from_later_is_from_now(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await store(connection, [row(source_id, "ahead", 3), row(source_id, "before", -1)])
        await refetch.request(connection, [(source_id, "ahead", "tie", at(3))])
        await watermark.advance(connection, source_id, "poll", Watermark(None, None, at(1), at(2), 0))
        assert await clock.correct_future_times(connection, NOON) == 1
        found = await connection.fetch("select id, observed_at, last_seen_at from bridge.service_problem order by id")
        assert [tuple(each) for each in found] == [("ahead", NOON, NOON), ("before", at(-1), at(-1))]
        assert len(await refetch.due(connection, source_id, NOON, 10)) == 1
        mark = await watermark.find(connection, source_id, "poll")
        assert mark is not None
        assert max(mark.started_at, mark.finished_at) <= NOON


async def test_where_nothing_is_ahead_nothing_changes(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await store(connection, [row(source_id, "before", -1)])
        before = await connection.fetch("select * from bridge.service_problem")
        assert await clock.correct_future_times(connection, NOON) == 0
        assert await connection.fetch("select * from bridge.service_problem") == before
