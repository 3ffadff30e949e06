"""What is older than the retention goes a batch at a time, and what reports rest on stays."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.observation import Via
from bridge.storage import dead_letter, retention
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def row(source_id: int, minute: int) -> Entry:
    at = NOON + timedelta(minutes=minute)
    problem = {"id": "SP-1", "status": "held", "description": f"{minute}", "lastUpdate": at.isoformat()}
    return Entry(source_id, wire.read_problem(problem, asked_at=at, via=Via.POLL))


async def test_no_more_than_a_batch_goes_at_a_time(database: Database, source_id: int) -> None:
    letters = [DeadLetter(source_id, NOON, b"%d" % number, "not_json", "", via="poll") for number in range(5)]
    async with database.transaction() as connection:
        await dead_letter.keep(connection, letters)
        for number in await dead_letter.waiting(connection, None):
            await dead_letter.settle(connection, number, "discarded")
        before = NOON + timedelta(days=36_500)
        gone = [await retention.delete(connection, "dead_letters", before, 3) for _ in range(3)]
        assert gone == [3, 2, 0]


async def test_the_version_that_held_at_the_edge_stays(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        for minute in (0, 1, 2, 3):
            await store(connection, [row(source_id, minute)])
        assert await retention.delete(connection, "versions", NOON + timedelta(minutes=2), 10) == 1
        left = await connection.fetch("select effective_at from bridge.service_problem_version order by effective_at")
        assert [each["effective_at"] for each in left] == [NOON + timedelta(minutes=minute) for minute in (1, 2, 3)]


@pytest.mark.parametrize("what", retention.WHAT)
async def test_where_nothing_is_old_nothing_goes(what: str, database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await store(connection, [row(source_id, 0)])
    async with database.transaction() as connection:
        assert await retention.delete(connection, what, NOON - timedelta(days=1), 10) == 0
