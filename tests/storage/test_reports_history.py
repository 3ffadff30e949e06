"""What reports say of the time before the bridge first read a source, of other time zones, and of impossible dates."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import orjson
import pytest

from bridge.domain.observation import Via
from bridge.maintenance.report_summary import Summariser
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

SYNCED = datetime(2026, 6, 10, 12, tzinfo=UTC)
"""When the bridge first read the source."""
OPEN = "status not in ('resolved', 'closed', 'cancelled', 'rejected')"


def day(number: float) -> datetime:
    return SYNCED + timedelta(days=number)


def found(
    problem_id: str, status: str, *, raised: float | str | None, entered: float | str | None, **more: Any
) -> dict[str, Any]:
    """A problem as the source lists it: raised and in this status since so many days from the first reading."""
    dates = {"creationDate": raised, "statusChangeDate": entered, "lastUpdate": more.pop("updated", entered)}
    written = {name: at if isinstance(at, str) else day(at).isoformat() for name, at in dates.items() if at is not None}
    return {"id": problem_id, "status": status} | written | more


async def read(connection: Connection, problems: Sequence[dict[str, Any]], at: float = 0) -> None:
    """The bridge lists these problems so many days after it first read the source."""
    await store(connection, [Entry(1, wire.read_problem(one, asked_at=day(at), via=Via.POLL)) for one in problems])


async def deleted(connection: Connection, problem_id: str, at: float) -> None:
    """A notification says that the source has deleted it."""
    event = {
        "eventType": "ServiceProblemDeleteEvent",
        "eventTime": day(at).isoformat(),
        "event": {"serviceProblem": {"id": problem_id}},
    }
    notification = wire.read_notification(orjson.dumps(event), received_at=day(at))
    await store(connection, [Entry(1, notification.observation)])


BACKLOG = (
    found("waiting", "held", raised=-9, entered=-3),
    found("new", "acknowledged", raised=-2, entered=-2),
    found("done", "resolved", raised=-8, entered=-2, updated=-1),
    found("shut", "closed", raised=-8, entered=-4, resolutionDate=day(-5).isoformat(), updated=-0.5),
    found("gone", "cancelled", raised=-7, entered=-6),
    found("undated", "inProgress", raised=-5, entered=None, updated=-1),
)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name, created_at) values ('snow', $1)", SYNCED)
        yield connection


async def summarised(database: Database) -> None:
    summariser = Summariser(database)
    await summariser.begin()
    while not await summariser.run_once():
        pass


async def resolution(connection: Connection) -> dict[str, asyncpg.Record]:
    return {row["id"]: row for row in await connection.fetch("select * from report.resolution")}


async def flow(connection: Connection) -> dict[date, int]:
    return {row["day"]: row["open"] for row in await connection.fetch("select day, open from report.daily_flow")}


async def test_g1_as_many_are_open_at_a_past_moment_as_the_daily_flow_says(
    connection: Connection, database: Database
) -> None:
    await read(connection, BACKLOG)
    await read(
        connection, [found("waiting", "resolved", raised=-9, entered=1), found("later", "held", raised=1, entered=1)], 2
    )
    await deleted(connection, "new", 2)
    for step in ("computed", "summarised"):
        if step == "summarised":
            await summarised(database)
        by_day = await flow(connection)
        for at in [SYNCED.date() + timedelta(days=number) for number in range(-10, 4)]:
            end = datetime.combine(at + timedelta(days=1), datetime.min.time(), UTC) - timedelta(microseconds=1)
            count = await connection.fetchval(
                f"select count(*) from report.service_problem_at($1) where {OPEN}",  # noqa: S608 -- from above
                end,
            )
            assert count == by_day.get(at, 0), (step, at)
    assert by_day[day(-6).date()] == 3


async def test_g1_what_is_not_known_of_a_past_moment_is_null_and_says_since_when_it_is(connection: Connection) -> None:
    await read(connection, BACKLOG)
    rows = {row["id"]: row for row in await connection.fetch("select * from report.service_problem_at($1)", day(-4.5))}
    assert {name: row["status"] for name, row in rows.items()} == {
        "waiting": "unknown",
        "done": "unknown",
        "shut": "resolved",
        "gone": "cancelled",
        "undated": "unknown",
    }
    assert (rows["waiting"]["created_at"], rows["waiting"]["known_since"]) == (day(-9), day(-3))
    assert rows["waiting"]["body"] is None
    assert rows["waiting"]["description"] is None
    assert rows["gone"]["known_since"] == day(-6)
    assert rows["gone"]["body"] is not None
    later = {row["id"]: row for row in await connection.fetch("select * from report.service_problem_at($1)", day(-1.5))}
    assert later["done"]["status"] == "resolved", (
        "its status is dated, though its attributes are known a day later only"
    )
    assert later["done"]["known_since"] == day(-1)


async def test_g1_times_that_lie_before_the_first_reading_are_null_not_invented(
    connection: Connection, database: Database
) -> None:
    await read(connection, BACKLOG)
    for step in ("computed", "summarised"):
        if step == "summarised":
            await summarised(database)
        by_id = await resolution(connection)
        unknown = ("acknowledged_at", "seconds_to_acknowledge", "seconds_held", "seconds_pending", "times_reopened")
        for name in ("done", "shut", "gone", "undated"):
            assert [by_id[name][column] for column in unknown] == [None] * 5, (step, name)
        assert by_id["done"]["known_since"] == day(-2)
        assert by_id["done"]["resolved_at"] == day(-2)
        assert by_id["done"]["seconds_to_resolve"] == 6 * 86400
        assert by_id["shut"]["resolved_at"] == day(-5)
        waiting, new = by_id["waiting"], by_id["new"]
        assert (waiting["acknowledged_at"], waiting["seconds_pending"]) == (None, None)
        assert waiting["seconds_held"] > 3 * 86400, "that it is held now is known"
        assert (new["known_since"], new["acknowledged_at"]) == (day(-2), day(-2))
        assert (new["seconds_held"], new["seconds_pending"], new["times_reopened"]) == (0, 0, 0)


async def test_g1_of_a_problem_raised_after_the_first_reading_everything_is_known(connection: Connection) -> None:
    await read(connection, [found("later", "inProgress", raised=1, entered=1.01)], 2)
    row = (await resolution(connection))["later"]
    assert (row["known_since"], row["acknowledged_at"]) == (day(1), day(1.01))
    assert (row["seconds_held"], row["seconds_pending"], row["times_reopened"]) == (0, 0, 0)


async def test_g1_a_known_reopening_of_a_problem_with_an_unknown_past_is_counted(connection: Connection) -> None:
    await read(connection, [found("done", "resolved", raised=-8, entered=-2)])
    await read(connection, [found("done", "inProgress", raised=-8, entered=1)], 2)
    row = (await resolution(connection))["done"]
    assert (row["times_reopened"], row["acknowledged_at"], row["known_since"]) == (1, None, day(-2))


async def test_g1_every_historical_report_says_since_when_it_knows(connection: Connection) -> None:
    await read(connection, BACKLOG)
    for report in ("report.resolution", "report.daily_flow", f"report.service_problem_at('{day(0)}')"):
        rows = await connection.fetch(f"select known_since from {report}")  # noqa: S608 -- names from above
        assert rows
        assert None not in {row["known_since"] for row in rows}, report
    assert {row[0] for row in await connection.fetch("select known_since from report.daily_flow")} == {SYNCED}


async def test_g2_days_begin_in_the_time_zone_that_was_set(connection: Connection, database: Database) -> None:
    """Raised at 00:30 of 2 June and resolved a day later, by the clocks of Paris; in UTC it is the day before."""
    raised, done = datetime(2026, 6, 1, 22, 30, tzinfo=UTC), datetime(2026, 6, 2, 22, 30, tzinfo=UTC)
    await read(
        connection,
        [found("one", "resolved", raised=raised.isoformat(), entered=done.isoformat(), updated=done.isoformat())],
    )
    columns = "select day, created, resolved, open from report.daily_flow where created + resolved > 0 order by day"
    utc = [(date(2026, 6, 1), 1, 0, 1), (date(2026, 6, 2), 0, 1, 0)]
    paris = [(date(2026, 6, 2), 1, 0, 1), (date(2026, 6, 3), 0, 1, 0)]

    async def days() -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await connection.fetch(columns)]

    for step in ("computed", "summarised"):
        if step == "summarised":
            await summarised(database)
        assert await days() == utc, step
        await connection.execute("set report.time_zone = 'Europe/Paris'")
        assert await days() == paris, step
        await connection.execute("reset report.time_zone")
    assert await connection.fetchval("select report.set_time_zone('Europe/Paris')") == "Europe/Paris"
    assert await days() == paris, "before the leader has summed up the days again"
    await summarised(database)
    assert await connection.fetchval("select bridge.daily_flow_usable()")
    assert await days() == paris
    await connection.execute("set report.time_zone = 'UTC'")
    assert await days() == utc


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "Pacific/Kiritimati"])
async def test_g2_sums_are_of_the_same_days_as_facts_in_zones_off_the_hour(
    connection: Connection, database: Database, zone: str
) -> None:
    await read(connection, BACKLOG)
    await connection.fetchval("select report.set_time_zone($1)", zone)
    computed = await connection.fetch("select * from report.daily_flow order by day")
    await summarised(database)
    assert await connection.fetch("select * from report.daily_flow order by day") == computed
    local = day(-9).astimezone(ZoneInfo(zone)).date()
    assert computed[0]["day"] == local


async def test_g2_an_unknown_time_zone_is_refused_and_named(connection: Connection) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="there is no time zone 'Mars/Olympus'"):
        await connection.fetchval("select report.set_time_zone('Mars/Olympus')")
    assert await connection.fetchval("select report.time_zone()") == "UTC"


async def test_g2_who_reads_may_set_the_time_zone_of_the_session_only(connection: Connection) -> None:
    await connection.execute("set role bridge_reader")
    await connection.execute("set report.time_zone = 'Europe/Paris'")
    assert await connection.fetchval("select report.time_zone()") == "Europe/Paris"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetchval("select report.set_time_zone('Europe/Paris')")


@pytest.mark.parametrize(
    "odd", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2099-01-01T00:00:00Z"]
)
@pytest.mark.parametrize("attribute", ["creationDate", "statusChangeDate", "resolutionDate", "lastUpdate"])
async def test_e8_a_date_that_cannot_be_meant_makes_no_million_days(
    connection: Connection, database: Database, odd: str, attribute: str
) -> None:
    fine = found("one", "resolved", raised=-3, entered=-1, resolutionDate=day(-1).isoformat())
    await read(connection, [fine | {attribute: odd}])
    for step in ("computed", "summarised"):
        if step == "summarised":
            await summarised(database)
        days = [row["day"] for row in await connection.fetch("select day from report.daily_flow order by day")]
        assert days[0] >= day(-3).date(), step
        assert days[-1] <= datetime.now(UTC).date() + timedelta(days=1), step
        row = (await resolution(connection))["one"]
        for column in ("seconds_to_resolve", "seconds_to_close", "seconds_to_acknowledge"):
            assert row[column] is None or 0 <= row[column] < 10 * 86400, (step, column)
        for column in ("created_at", "resolved_at", "known_since"):
            assert row[column] is None or day(-4) < row[column] <= day(1), (step, column)
    spent = await connection.fetch("select seconds from report.status_interval where left_at is not null")
    assert all(0 <= row["seconds"] < 10 * 86400 for row in spent)
