"""The tables stay in bounds, and what was true at any time that is kept can still be reported."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest

from bridge.domain.observation import Via
from bridge.maintenance.retention import RetentionJob
from bridge.settings import RetentionSettings
from bridge.storage import partition
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

TODAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


def event(source_id: int, age_days: float, status: str, problem_id: str = "SP-1", kind: str = "StateChange") -> Entry:
    at = TODAY - timedelta(days=age_days)
    problem = {
        "id": problem_id,
        "status": status,
        "lastUpdate": at.isoformat(),
        "description": "d",
        "category": "c",
        "priority": 1,
        "reason": "r",
    }
    body = {
        "eventType": f"ServiceProblem{kind}Event",
        "eventTime": at.isoformat(),
        "event": {"serviceProblem": problem},
    }
    notification = wire.read_notification(orjson.dumps(body), received_at=at)
    return Entry(source_id, notification.observation, notification)


async def value(database: Database, query: str, *arguments: object) -> Any:
    async with database.connection() as connection:
        return await connection.fetchval(query, *arguments)


async def test_days_are_made_ahead_and_old_ones_dropped_whole(database: Database, source_id: int) -> None:
    await store_items(database, [event(source_id, 40, "held")])
    await store_items(database, [event(source_id, 1, "resolved")])
    pruned = await RetentionJob(database, RetentionSettings(notifications_days=30)).run_once()
    async with database.connection() as connection:
        days = await partition.held(connection)
    today = datetime.now(UTC).date()
    assert {today + timedelta(days=day) for day in range(-1, 4)} <= set(days)
    assert min(days) >= today - timedelta(days=30)
    assert pruned["notification_days"] >= 1
    assert pruned["digests"] == 1
    assert await value(database, "select count(*) from report.notification") == 1


async def test_a_day_nobody_made_is_made_when_something_arrives(database: Database, source_id: int) -> None:
    stored = await store_items(database, [event(source_id, 400, "held"), event(source_id, 200, "resolved")])
    assert stored.outcomes == ["applied", "applied"]
    assert await value(database, "select count(*) from report.notification") == 2


async def test_versions_go_but_never_the_one_that_held_at_the_edge(database: Database, source_id: int) -> None:
    for age, status in ((50, "acknowledged"), (45, "inProgress"), (35, "held"), (5, "resolved")):
        await store_items(database, [event(source_id, age, status)])
    pruned = await RetentionJob(database, RetentionSettings(versions_days=30)).run_once()
    assert (pruned["versions"], pruned["status_changes"]) == (2, 2)
    async with database.connection() as connection:
        rows = await connection.fetch("select status from report.service_problem_version order by valid_from")
        intervals = await connection.fetch("select status from report.status_interval order by entered_at")
    assert [row["status"] for row in rows] == [row["status"] for row in intervals] == ["held", "resolved"]
    assert await value(database, "select status from report.service_problem") == "resolved"


async def test_deleted_problems_go_with_all_that_is_known_of_them_and_living_ones_stay(
    database: Database, source_id: int
) -> None:
    for problem_id in ("gone", "lives"):
        await store_items(database, [event(source_id, 100, "held", problem_id)])
    await store_items(database, [event(source_id, 60, "held", "gone", "Delete")])
    keep = RetentionSettings(deleted_days=30)
    assert (await RetentionJob(database, keep).run_once())["tombstones"] == 1
    for query in (
        "select array_agg(distinct id) from bridge.service_problem",
        "select array_agg(distinct problem_id) from bridge.service_problem_version",
        "select array_agg(distinct problem_id) from bridge.status_change",
    ):
        assert await value(database, query) == ["lives"]


async def test_dead_letters_go_after_their_time(database: Database, source_id: int) -> None:
    for age in (100, 10):
        at = TODAY - timedelta(days=age)
        await store_items(database, [DeadLetter(source_id, at, b"%d" % age, "not_json", "x")])
    assert (await RetentionJob(database).run_once())["dead_letters"] == 1
    assert await value(database, "select raw from bridge.dead_letter") == b"10"


async def test_by_default_facts_are_kept_for_ever(database: Database, source_id: int) -> None:
    row = {"id": "SP-1", "status": "held", "lastUpdate": "2001-01-01T00:00:00Z"}
    seen = wire.read_problem(row, asked_at=TODAY, via=Via.POLL)
    await store_items(database, [Entry(source_id, seen)])
    await store_items(database, [event(source_id, 0, "resolved")])
    pruned = await RetentionJob(database).run_once()
    assert pruned["versions"] == pruned["status_changes"] == pruned["tombstones"] == 0
    assert await value(database, "select min(effective_at)::date from bridge.service_problem_version") == date(
        2001, 1, 1
    )


async def test_pruning_goes_on_where_more_is_to_go_than_a_batch_holds(
    database: Database, source_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.maintenance.retention._BATCH", 2)
    for number in range(5):
        await store_items(
            database, [DeadLetter(source_id, TODAY - timedelta(days=200), b"%d" % number, "not_json", "x")]
        )
    assert (await RetentionJob(database).run_once())["dead_letters"] == 5
