"""Times, counts and days against the lives of problems worked out by hand."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from bridge.domain.observation import Via
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = 60
DAY = 24 * HOUR

Step = tuple[str, float]
"""A status and the minute after NOON in which the problem came into it."""
Live = Callable[..., Awaitable[None]]


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def pushed(status: str | None, minute: float, problem_id: str = "SP-1", **more: Any) -> Entry:
    """What a notification says of the whole problem."""
    problem = {"id": problem_id, "creationDate": at(0).isoformat(), "lastUpdate": at(minute).isoformat(), **more}
    if status is not None:
        problem |= {"status": status, "statusChangeDate": at(minute).isoformat()}
    return notified(
        "AttributeValueChange", {name: value for name, value in problem.items() if value is not None}, minute
    )


def notified(kind: str, payload: dict[str, Any], minute: float) -> Entry:
    body = {
        "eventType": f"ServiceProblem{kind}Event",
        "eventTime": at(minute).isoformat(),
        "event": {"serviceProblem": payload},
    }
    return Entry(1, wire.read_notification(orjson.dumps(body), received_at=at(minute + 0.5)).observation)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A connection in a transaction, so that now() stands still; source 1 is `snow`, source 2 `oss`."""
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow'), ('oss')")
        yield connection


@pytest.fixture
def live(connection: Connection) -> Live:
    """Tell a life, one statement after the other."""

    async def push(steps: Sequence[Step], problem_id: str = "SP-1", **more: Any) -> None:
        for status, minute in steps:
            await store(connection, [pushed(status, minute, problem_id, **more)])

    return push


async def resolution(connection: Connection, problem_id: str = "SP-1") -> asyncpg.Record:
    """The row of one problem; times as minutes after NOON, durations as minutes."""
    row = await connection.fetchrow(
        """
        select
            status, created_at, deleted_at, times_reopened, now() as now,
            extract(epoch from acknowledged_at - $2)::float8 / 60 as acknowledged,
            extract(epoch from resolved_at - $2)::float8 / 60 as resolved,
            extract(epoch from closed_at - $2)::float8 / 60 as closed,
            seconds_to_acknowledge / 60 as to_acknowledge, seconds_to_resolve / 60 as to_resolve,
            seconds_to_close / 60 as to_close, seconds_held / 60 as held, seconds_pending / 60 as pending
        from report.resolution where source = 'snow' and id = $1""",
        problem_id,
        NOON,
    )
    assert row is not None
    return row


def took(row: asyncpg.Record) -> tuple[Any, ...]:
    return tuple(
        row[name] for name in ("to_acknowledge", "to_resolve", "to_close", "held", "pending", "times_reopened")
    )


async def test_a_straight_life(connection: Connection, live: Live) -> None:
    await live([("submitted", 0), ("acknowledged", 10), ("inProgress", 20), ("resolved", 90), ("closed", 200)])
    row = await resolution(connection)
    assert took(row) == (10, 90, 200, 0, 0, 0)
    assert (row["status"], row["created_at"], row["deleted_at"]) == ("closed", NOON, None)


async def test_pauses_add_up_by_kind_and_belong_to_the_time_to_resolve(connection: Connection, live: Live) -> None:
    await live(
        [
            ("acknowledged", 0),
            ("held", 10),
            ("inProgress", 25),
            ("pending", 30),
            ("held", 37),
            ("inProgress", 40),
            ("resolved", 60),
        ]
    )
    assert took(await resolution(connection)) == (0, 60, None, 15 + 3, 7, 0)


async def test_a_pause_that_goes_on_counts_up_to_now(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 0), ("held", 10)])
    row = await resolution(connection)
    assert row["held"] == pytest.approx((row["now"] - at(10)).total_seconds() / 60)
    assert took(row)[:3] == (0, None, None)


async def test_a_repeated_status_is_one_stay(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 0), ("held", 10), ("held", 15), ("held", 18), ("inProgress", 30)])
    assert (await resolution(connection))["held"] == 20


async def test_a_late_statement_finds_its_place(connection: Connection, live: Live) -> None:
    await live(
        [("submitted", 0), ("resolved", 60), ("closed", 90), ("held", 30), ("acknowledged", 12), ("inProgress", 45)]
    )
    assert took(await resolution(connection)) == (12, 60, 90, 15, 0, 0)


async def test_work_that_began_was_acknowledged_even_when_nothing_told_so(connection: Connection, live: Live) -> None:
    await live([("submitted", 0), ("inProgress", 20)])
    assert took(await resolution(connection))[:2] == (20, None)


async def test_what_was_closed_was_resolved_even_when_nothing_told_so(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 5), ("closed", 80)])
    assert took(await resolution(connection)) == (5, 80, 80, 0, 0, 0)


async def test_a_resolution_date_tells_of_a_resolving_that_was_missed(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 5)])
    await live([("closed", 80)], resolutionDate=at(50).isoformat())
    assert took(await resolution(connection)) == (5, 50, 80, 0, 0, 0)


@pytest.mark.parametrize("minute", [-30, 3, 90])
async def test_a_resolution_date_that_does_not_fit_is_not_believed(
    connection: Connection, live: Live, minute: int
) -> None:
    """Before it was raised, before the work that came before, after it was closed."""
    await live([("acknowledged", 5)])
    await live([("closed", 80)], resolutionDate=at(minute).isoformat())
    assert (await resolution(connection))["to_resolve"] == 80


async def test_a_problem_first_met_when_closed_has_its_resolution_date(connection: Connection, live: Live) -> None:
    await live([("closed", 300)], resolutionDate=at(250).isoformat())
    assert took(await resolution(connection)) == (None, 250, 300, None, None, None)


@pytest.mark.parametrize("done", ["resolved", "closed"])
async def test_while_reopened_it_is_neither_resolved_nor_closed(connection: Connection, live: Live, done: str) -> None:
    await live([("acknowledged", 0), ("resolved", 30), (done, 35), ("inProgress", 50)])
    assert took(await resolution(connection)) == (0, None, None, 0, 0, 1)


async def test_after_a_reopening_the_later_times_count(connection: Connection, live: Live) -> None:
    await live(
        [
            ("acknowledged", 0),
            ("resolved", 30),
            ("closed", 40),
            ("inProgress", 50),
            ("resolved", 70),
            ("acknowledged", 75),
            ("resolved", 80),
            ("closed", 95),
        ]
    )
    assert took(await resolution(connection)) == (0, 80, 95, 0, 0, 2)


async def test_a_resolution_date_left_over_from_before_a_reopening_is_not_believed(
    connection: Connection, live: Live
) -> None:
    old = at(28).isoformat()
    await live([("acknowledged", 0)])
    await live([("resolved", 30), ("inProgress", 50), ("resolved", 70)], resolutionDate=old)
    assert took(await resolution(connection)) == (0, 70, None, 0, 0, 1)


async def test_closed_after_resolved_and_back_is_no_reopening(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 0), ("resolved", 30), ("closed", 40), ("resolved", 45)])
    assert took(await resolution(connection)) == (0, 30, None, 0, 0, 0)


@pytest.mark.parametrize("end", ["cancelled", "rejected"])
async def test_what_was_cancelled_or_rejected_was_not_resolved(connection: Connection, live: Live, end: str) -> None:
    await live([("acknowledged", 8), ("held", 10), (end, 30)])
    assert took(await resolution(connection)) == (8, None, None, 20, 0, 0)
    await live([("submitted", 0), (end, 30)], "SP-2")
    assert took(await resolution(connection, "SP-2")) == (None, None, None, 0, 0, 0)


async def test_taken_up_again_after_cancelling_is_no_reopening(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 0), ("cancelled", 30), ("acknowledged", 40), ("resolved", 50)])
    assert took(await resolution(connection)) == (0, 50, None, 0, 0, 0)


async def test_an_unknown_status_says_nothing(connection: Connection, live: Live) -> None:
    await live([("Brewing", 5)])
    assert took(await resolution(connection)) == (None, None, None, None, None, None)
    await live([("acknowledged", 10), ("resolved", 30), ("Brewing", 35), ("closed", 40), ("Brewing", 50)])
    assert took(await resolution(connection)) == (10, 30, 40, 0, 0, 0)
    await live([("inProgress", 60)])
    assert took(await resolution(connection)) == (10, None, None, 0, 0, 1)


async def test_a_problem_without_any_status_has_a_row(connection: Connection) -> None:
    await store(connection, [pushed(None, 3)])
    row = await resolution(connection)
    assert (row["status"], *took(row)) == ("unknown", None, None, None, None, None, None)


async def test_without_a_creation_date_there_are_times_but_no_durations(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 5), ("resolved", 20)], creationDate=None)
    row = await resolution(connection)
    assert took(row)[:3] == (None, None, None)
    assert (row["acknowledged"], row["resolved"]) == (5, 20)


async def test_no_duration_is_below_zero_when_the_source_dates_a_status_before_the_creation(
    connection: Connection, live: Live
) -> None:
    await live([("acknowledged", -5), ("resolved", 20)])
    assert took(await resolution(connection))[:2] == (0, 20)


async def test_a_deletion_ends_a_pause(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 0), ("held", 10)])
    await store(connection, [notified("Delete", {"id": "SP-1"}, 25)])
    row = await resolution(connection)
    assert (row["held"], row["deleted_at"]) == (15, at(25))


async def test_a_page_is_as_good_as_a_notification(connection: Connection) -> None:
    problem = {"id": "SP-1", "creationDate": at(0).isoformat()}
    for status, minute in (("acknowledged", 4), ("resolved", 44)):
        row = problem | {
            "status": status,
            "lastUpdate": at(minute).isoformat(),
            "statusChangeDate": at(minute).isoformat(),
        }
        await store(connection, [Entry(1, wire.read_problem(row, asked_at=at(minute + 2), via=Via.POLL))])
    assert took(await resolution(connection)) == (4, 44, None, 0, 0, 0)


# -- days


Flow = dict[date, tuple[int, ...]]

COUNTS = ("created", "resolved", "closed", "reopened", "cancelled", "deleted", "open")


async def flow(connection: Connection, source: str = "snow") -> Flow:
    rows = await connection.fetch("select * from report.daily_flow where source = $1 order by day", source)
    return {row["day"]: tuple(row[name] for name in COUNTS) for row in rows}


def june(day: int) -> date:
    return date(2026, 6, day)


async def test_days_are_counted_in_utc_and_those_without_events_too(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 0), ("resolved", 12 * HOUR - 1), ("closed", 2 * DAY)])
    await live([("acknowledged", 0), ("resolved", 12 * HOUR)], "SP-2")
    days = await flow(connection)
    assert days[june(1)] == (2, 1, 0, 0, 0, 0, 1)
    assert days[june(2)] == (0, 1, 0, 0, 0, 0, 0)
    assert days[june(3)] == (0, 0, 1, 0, 0, 0, 0)
    today = (await connection.fetchval("select now()")).date()
    assert list(days) == [june(1) + timedelta(days=n) for n in range((today - june(1)).days + 1)]
    assert {counts for day, counts in days.items() if day > june(3)} == {(0,) * 7}


async def test_the_days_of_a_life_with_everything_in_it(connection: Connection, live: Live) -> None:
    steps = [
        "acknowledged",
        "held",
        "Brewing",
        "resolved",
        "closed",
        "inProgress",
        "closed",
        "acknowledged",
        "cancelled",
    ]
    await live([(status, number * DAY) for number, status in enumerate(steps)])
    days = await flow(connection)
    assert [days[june(1 + number)] for number in range(9)] == [
        (1, 0, 0, 0, 0, 0, 1),
        (0, 0, 0, 0, 0, 0, 1),
        (0, 0, 0, 0, 0, 0, 1),
        (0, 1, 0, 0, 0, 0, 0),
        (0, 0, 1, 0, 0, 0, 0),
        (0, 0, 0, 1, 0, 0, 1),
        (0, 1, 1, 0, 0, 0, 0),
        (0, 0, 0, 1, 0, 0, 1),
        (0, 0, 0, 0, 1, 0, 0),
    ]


async def test_a_problem_is_open_from_its_creation_not_from_its_first_known_status(
    connection: Connection, live: Live
) -> None:
    await live([("closed", 3 * DAY)], resolutionDate=at(2 * DAY).isoformat())
    days = await flow(connection)
    assert [days[june(day)] for day in (1, 2, 3, 4)] == [
        (1, 0, 0, 0, 0, 0, 1),
        (0, 0, 0, 0, 0, 0, 1),
        (0, 1, 0, 0, 0, 0, 0),
        (0, 0, 1, 0, 0, 0, 0),
    ]


async def test_without_a_creation_date_it_is_open_from_what_was_first_known(connection: Connection, live: Live) -> None:
    await live([("Brewing", DAY), ("resolved", 2 * DAY)], creationDate=None)
    await store(connection, [pushed(None, 2 * DAY, "SP-2", creationDate=None)])
    days = await flow(connection)
    assert list(days.values())[:2] == [(1, 0, 0, 0, 0, 0, 1), (1, 1, 0, 0, 0, 0, 1)]
    assert min(days) == june(2)


async def test_a_deletion_takes_an_open_problem_away_and_a_closed_one_was_gone_already(
    connection: Connection, live: Live
) -> None:
    await live([("acknowledged", 0)])
    await live([("acknowledged", 0), ("closed", DAY)], "SP-2")
    await store(connection, [pushed(None, 1, "SP-3")])
    for problem_id in ("SP-1", "SP-2", "SP-3"):
        await store(connection, [notified("Delete", {"id": problem_id}, 2 * DAY)])
    days = await flow(connection)
    assert [days[june(day)] for day in (1, 2, 3, 4)] == [
        (3, 0, 0, 0, 0, 0, 3),
        (0, 1, 1, 0, 0, 0, 2),
        (0, 0, 0, 0, 0, 2, 0),
        (0, 0, 0, 0, 0, 0, 0),
    ]


async def test_sources_are_counted_apart(connection: Connection, live: Live) -> None:
    await live([("acknowledged", 0)])
    other = pushed("acknowledged", DAY, "SP-1").observation
    await store(connection, [Entry(2, other)])
    snow, oss = await flow(connection), await flow(connection, "oss")
    assert snow[june(1)] == oss[june(1)] == (1, 0, 0, 0, 0, 0, 1)
    assert snow[june(30)] == (0, 0, 0, 0, 0, 0, 1)
    assert await flow(connection, "nobody") == {}


async def test_the_open_ones_of_a_day_are_those_that_were_not_done_at_its_end(
    connection: Connection, live: Live
) -> None:
    """Two ways to the same number: counting comings and goings, and looking at what was true at midnight."""
    done = {"resolved", "closed", "cancelled", "rejected"}
    words = [
        "acknowledged",
        "resolved",
        "inProgress",
        "closed",
        "held",
        "cancelled",
        "pending",
        "rejected",
        "submitted",
    ]
    for number in range(12):
        history = [
            (words[(number * 5 + step * (1 + number % 4)) % 9], (number % 5 + step * (1 + number % 3)) * DAY)
            for step in range(5)
        ]
        await live(history, f"SP-{number}", creationDate=at(history[0][1]).isoformat())
    await store(connection, [notified("Delete", {"id": f"SP-{number}"}, 14 * DAY) for number in (2, 5, 8)])

    for day, counts in (await flow(connection)).items():
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        if midnight > at(20 * DAY):
            break
        rows = await connection.fetch("select status from report.service_problem_at($1)", midnight)
        assert counts[-1] == sum(row["status"] not in done for row in rows), day
