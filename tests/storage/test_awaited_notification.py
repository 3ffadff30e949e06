"""A change that was found by asking is missed only when its notification has not come until it is due."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.observation import Observation, Via
from bridge.storage import awaited_notification as awaited
from bridge.storage.awaited_notification import AwaitedNotification, OverdueCount
from bridge.storage.database import Connection, Database
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DUE, CHANGED = NOON + timedelta(minutes=1), NOON - timedelta(minutes=1)


def seen(problem_id: str = "a", status: str = "held", changed: datetime = CHANGED) -> Observation:
    problem = {"id": problem_id, "status": status, "lastUpdate": changed.isoformat()}
    return wire.read_problem(problem, asked_at=NOON, via=Via.POLL)


async def found(connection: Connection, source_id: int, *problem_ids: str) -> None:
    rows = [AwaitedNotification(source_id, seen(each), CHANGED, NOON, DUE) for each in problem_ids]
    await awaited.wait_for(connection, rows)


async def test_what_does_not_come_is_missed_once_it_is_due(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await found(connection, source_id, "a", "b")
        assert await awaited.count_overdue(connection, source_id, NOON) == OverdueCount(0, 0, None)
        assert await awaited.count_overdue(connection, source_id, DUE) == OverdueCount(2, 0, CHANGED)
        assert await awaited.count_overdue(connection, source_id, DUE) == OverdueCount(0, 0, None), "counted once"


async def test_what_comes_in_time_is_late_and_not_missed(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await found(connection, source_id, "a", "b")
        await awaited.mark_arrived(connection, [(source_id, seen("a"))])
        counted = await awaited.count_overdue(connection, source_id, DUE)
        assert (counted.missed, counted.late) == (1, 1)


async def test_another_change_of_the_problem_does_not_stand_for_it(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await found(connection, source_id, "a")
        await awaited.mark_arrived(connection, [(source_id, seen("a", "closed", NOON))])
        await awaited.mark_arrived(connection, [])
        assert (await awaited.count_overdue(connection, source_id, DUE)).missed == 1


async def test_the_same_found_again_is_awaited_once(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await found(connection, source_id, "a")
        await found(connection, source_id, "a")
        await found(connection, source_id)
        assert (await awaited.count_overdue(connection, source_id, DUE)).missed == 1
