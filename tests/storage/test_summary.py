"""Reports say the same with summaries as without, whatever is pushed, pruned, interrupted or removed in between."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
from anyio.streams.memory import MemoryObjectSendStream
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.maintenance import report_summary
from bridge.maintenance.report_summary import Summariser
from bridge.storage import lease, retention, summary
from bridge.storage.database import Connection, Database
from bridge.storage.lease import LEADER, LeaderFence, LeaseLostError
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

FROM_FACTS = Path(__file__).parent / "reports_from_facts.sql"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = 24 * 60
STATUSES = (
    "submitted",
    "acknowledged",
    "inProgress",
    "held",
    "pending",
    "resolved",
    "closed",
    "cancelled",
    "rejected",
    "Brewing",
)
Step = tuple[str, Any]

PURE_OPEN_PROBLEM = """
    create view pure.open_problem as
    select
        p.source, p.id, p.status, p.priority, p.category, k.created_at,
        array(
            select distinct coalesce(a.name, a.service_id) as word from report.affected_service as a
            where a.source = p.source and a.id = p.id and coalesce(a.name, a.service_id) is not null order by word
        ) as services,
        array(
            select distinct coalesce(a.name, a.resource_id) as word from report.affected_resource as a
            where a.source = p.source and a.id = p.id and coalesce(a.name, a.resource_id) is not null order by word
        ) as resources,
        array(
            select distinct coalesce(a.name, a.location_id) as word from report.affected_location as a
            where a.source = p.source and a.id = p.id and coalesce(a.name, a.location_id) is not null order by word
        ) as places
    from report.service_problem as p
    inner join bridge.source as s on p.source = s.name
    inner join pure.problem as k on s.id = k.source_id and p.id = k.id
    where p.deleted_at is null and p.status not in ('resolved', 'closed', 'cancelled', 'rejected')"""
"""What report.open_problem tells, asked of the views over the lists."""


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def notified(kind: str, payload: dict[str, Any], minute: float, source_id: int = 1) -> Entry:
    body = {
        "eventType": f"ServiceProblem{kind}Event",
        "eventTime": at(minute).isoformat(),
        "event": {"serviceProblem": payload},
    }
    return Entry(source_id, wire.read_notification(orjson.dumps(body), received_at=at(minute + 1)).observation)


def pushed(status: str, minute: float, problem_id: str = "SP-1", source_id: int = 1, **more: Any) -> Entry:
    problem = {
        "id": problem_id,
        "description": "no light",
        "category": "supplier.originated",
        "priority": 2,
        "reason": "cut",
        "status": status,
        "creationDate": at(0).isoformat(),
        "statusChangeDate": at(minute).isoformat(),
        "lastUpdate": at(minute).isoformat(),
        **more,
    }
    named = {name: value for name, value in problem.items() if value is not None}
    return notified("AttributeValueChange", named, minute, source_id)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """Two sources, and schema `pure` with the reports as they were before there were summaries."""
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow'), ('oss')")
        await connection.execute("create schema pure")
        await connection.execute(FROM_FACTS.read_text())
        await connection.execute(PURE_OPEN_PROBLEM)
        yield connection


async def both(connection: Connection, view: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of a report with summaries and without, as of one moment; seconds in whole microseconds."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        found = [await connection.fetch(f"select * from {name}.{view} order by 1, 2") for name in ("report", "pure")]  # noqa: S608 -- our names
    with_summaries, pure = ([tuple(map(_rounded, row)) for row in rows] for rows in found)
    return with_summaries, pure


def _rounded(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value


async def agree(connection: Connection) -> None:
    for view in ("resolution", "daily_flow", "open_problem"):
        with_summaries, pure = await both(connection, view)
        assert with_summaries == pure


async def do(database: Database, connection: Connection, steps: Sequence[Step]) -> None:
    """Do each step, and compare the reports after it."""
    job = Summariser(database)
    for what, detail in steps:
        if what == "tell":
            async with connection.transaction():
                await store(connection, detail)
        elif what == "prune":
            async with connection.transaction():
                await retention.delete(connection, detail[0], at(detail[1]), 2)
        elif what == "begin":
            await job.begin()
        elif what == "pass":
            await job.run_once()
        elif what == "scan":
            await connection.execute(
                "update bridge.summary set scanned_at = null, scanned_id = '', scanned_source_id = 0"
            )
        await agree(connection)


ENTRIES = st.one_of(
    st.builds(
        pushed,
        st.sampled_from(STATUSES),
        st.integers(0, 6).map(lambda half_days: half_days * DAY / 2),
        st.sampled_from(["SP-1", "SP-1", "SP-2"]),
        st.sampled_from([1, 1, 2]),
        creationDate=st.sampled_from([at(0).isoformat(), at(0).isoformat(), at(2 * DAY).isoformat(), None]),
        resolutionDate=st.sampled_from([None, None, at(DAY).isoformat()]),
        priority=st.sampled_from([1, 2]),
        affectedService=st.sampled_from(
            [None, [], [{"id": "S1", "name": "One"}, {"id": "S2"}, {"id": "S1", "name": "One"}], "S9", [None, {}]]
        ),
        affectedLocation=st.sampled_from([None, [{"name": "north", "role": "region"}], [{"id": "L1"}]]),
    ),
    st.builds(
        notified,
        st.just("AttributeValueChange"),
        st.sampled_from([{"id": "SP-1", "status": "held"}, {"id": "SP-2", "status": "closed"}, {"id": "SP-1", "x": 1}]),
        st.integers(0, 6).map(lambda half_days: half_days * DAY / 2),
    ),
    st.builds(
        notified,
        st.just("Delete"),
        st.sampled_from([{"id": "SP-1"}, {"id": "SP-2"}]),
        st.integers(1, 7).map(lambda half_days: half_days * DAY / 2),
    ),
)
STEPS = st.one_of(
    st.tuples(st.just("tell"), st.lists(ENTRIES, min_size=1, max_size=4)),
    st.tuples(st.just("tell"), st.lists(ENTRIES, min_size=1, max_size=4)),
    st.tuples(st.just("pass"), st.none()),
    st.tuples(st.just("begin"), st.none()),
    st.tuples(st.just("scan"), st.none()),
    st.tuples(
        st.just("prune"),
        st.tuples(
            st.sampled_from(["status_changes", "tombstones", "versions", "changes"]),
            st.integers(0, 8).map(lambda half_days: half_days * DAY / 2),
        ),
    ),
)


@settings(
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=2, max_size=9))
@example(  # a late statement changes what was summarised
    steps=[
        ("tell", [pushed("acknowledged", 0), pushed("resolved", DAY)]),
        ("begin", None),
        ("pass", None),
        ("pass", None),
        ("tell", [pushed("held", DAY / 2)]),
        ("pass", None),
        ("tell", [pushed("inProgress", 2 * DAY), pushed("closed", 3 * DAY)]),
        ("pass", None),
    ]
)
@example(steps=[("tell", [pushed("Brewing", 0)]), ("begin", None), ("pass", None)])  # no status that is known
@example(  # raised later than can be meant
    steps=[("tell", [pushed("held", 0, creationDate=at(2 * DAY).isoformat())]), ("begin", None), ("pass", None)]
)
@example(  # what is pruned leaves the summaries
    steps=[
        ("tell", [pushed("acknowledged", 0), pushed("resolved", DAY), notified("Delete", {"id": "SP-1"}, 2 * DAY)]),
        ("begin", None),
        ("pass", None),
        ("pass", None),
        ("prune", ("status_changes", 4 * DAY)),
        ("pass", None),
        ("prune", ("tombstones", 4 * DAY)),
        ("prune", ("changes", 10_000_000)),
        ("pass", None),
    ]
)
async def test_reports_are_the_same_with_summaries(
    database: Database, connection: Connection, steps: list[Step]
) -> None:
    await connection.execute(
        """
        truncate bridge.service_problem, bridge.service_problem_version, bridge.status_change, bridge.refetch,
            bridge.change, bridge.resolution, bridge.daily_flow;
        update bridge.summary set complete = false, committed = '0', maintained_at = null, scanned_at = null"""
    )
    await do(database, connection, steps)
    job = Summariser(database)
    await job.begin()
    await job.run_once()
    await job.run_once()
    assert await summary.usable(connection)
    await agree(connection)
    assert await connection.fetchval("select count(*) from bridge.unsummarised()") == 0


async def summarised(database: Database, connection: Connection) -> Summariser:
    """Tell two lives, and summarise them."""
    async with connection.transaction():
        await store(connection, [pushed("acknowledged", 0), pushed("resolved", DAY), pushed("held", DAY, "SP-2")])
    job = Summariser(database)
    await job.begin()
    while not await job.run_once():
        pass
    assert await summary.usable(connection)
    assert await connection.fetchval("select count(*) from bridge.resolution") == 2
    return job


async def test_what_changed_since_is_told_before_it_is_summarised(database: Database, connection: Connection) -> None:
    await summarised(database, connection)
    async with connection.transaction():
        await store(connection, [pushed("closed", 2 * DAY)])
        assert await connection.fetchval("select status from report.resolution where id = 'SP-1'") == "closed"
    assert await connection.fetchval("select status from bridge.resolution where id = 'SP-1'") == "resolved"
    await agree(connection)


async def test_what_breaks_off_before_the_commit_is_done_again(database: Database, connection: Connection) -> None:
    job = await summarised(database, connection)
    async with connection.transaction():
        await store(connection, [pushed("closed", 2 * DAY)])
    before = await summary.lock(connection)
    transaction = connection.transaction()
    await transaction.start()
    assert (await summary.follow(connection, before, problems=10)).computed == 1
    await transaction.rollback()
    assert await summary.lock(connection) == before
    await agree(connection)
    await job.run_once()
    assert await connection.fetchval("select status from bridge.resolution where id = 'SP-1'") == "closed"
    await agree(connection)


async def test_who_lost_the_lease_writes_nothing(database: Database, connection: Connection) -> None:
    await summarised(database, connection)
    async with connection.transaction():
        await store(connection, [pushed("closed", 2 * DAY)])
    token = await lease.take(connection, LEADER, "somebody", seconds=60)
    assert token is not None
    with pytest.raises(LeaseLostError):
        await Summariser(database, LeaderFence(token - 1)).run_once()
    assert await connection.fetchval("select status from bridge.resolution where id = 'SP-1'") == "resolved"


async def test_writes_of_a_release_that_notes_no_changes_are_told_and_found(
    database: Database, connection: Connection
) -> None:
    job = await summarised(database, connection)
    async with connection.transaction():
        await store(connection, [pushed("closed", 2 * DAY), pushed("acknowledged", 0, "SP-3")])
        await connection.execute("delete from bridge.service_problem where id = 'SP-2'")
        await connection.execute("delete from bridge.change")
        await connection.execute("update bridge.source set last_push_at = now() + interval '6 minutes'")
    assert not await summary.usable(connection)
    await agree(connection)
    await job.begin()
    await connection.execute("update bridge.source set last_push_at = now()")
    while not await job.run_once():
        await agree(connection)
    assert await summary.usable(connection)
    await agree(connection)
    assert {row["id"] for row in await connection.fetch("select id from bridge.resolution")} == {"SP-1", "SP-3"}


async def test_what_open_problems_affect_is_told_each_once_by_name_or_else_by_id(
    database: Database, connection: Connection
) -> None:
    named = [{"id": "S2", "name": "Voice"}, {"id": "S1"}, {"id": "S2", "name": "Voice"}, {"id": "S3", "name": None}]
    lists = {"affectedService": named, "affectedResource": "R7", "affectedLocation": [{"name": "north"}, {"id": "L4"}]}
    gone = notified("Delete", {"id": "SP-4"}, DAY)
    entries = [
        pushed("held", DAY, **lists),
        pushed("resolved", DAY, "SP-2", **lists),
        pushed("Brewing", DAY, "SP-3"),
        pushed("held", 0, "SP-4", **lists),
        gone,
    ]
    wanted = [
        ("snow", "SP-1", "held", 2, "supplier.originated", NOON, ["S1", "S3", "Voice"], ["R7"], ["L4", "north"]),
        ("snow", "SP-3", "unknown", 2, "supplier.originated", NOON, [], [], []),
    ]

    async def found() -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await connection.fetch("select * from report.open_problem order by id")]

    async with connection.transaction():
        await store(connection, entries)
    assert await found() == wanted, "nothing is summarised"
    job = Summariser(database)
    await job.begin()
    while not await job.run_once():
        pass
    assert await summary.usable(connection)
    assert await connection.fetchval("select count(*) from bridge.resolution where services is not null") == 2
    assert await found() == wanted
    async with connection.transaction():
        await store(connection, [pushed("closed", 2 * DAY), pushed("held", 2 * DAY, "SP-3", affectedService="S8")])
    assert [(row[1], row[6]) for row in await found()] == [("SP-3", ["S8"])], "changed since"


async def test_summaries_of_a_release_that_knows_no_names_are_told_and_filled_in(
    database: Database, connection: Connection
) -> None:
    job = await summarised(database, connection)
    async with connection.transaction():
        await store(
            connection, [pushed("held", 2 * DAY, "SP-2", affectedService="S8"), pushed("held", 2 * DAY, "SP-3")]
        )
    # what that release does with them: all but the names and their revision
    await connection.execute(
        """
        insert into bridge.resolution (
            source_id, id, revision, status, priority, category, created_at, seconds_held, seconds_pending,
            times_reopened, flow
        )
        select n.source_id, n.id, n.revision, n.status, n.priority, n.category, n.created_at, 0, 0, 0, '{}'
        from bridge.computed_resolution as n where n.id in ('SP-2', 'SP-3')
        on conflict (source_id, id) do update set revision = excluded.revision, status = excluded.status;
        update bridge.summary set (committed, change_id) = (
            select c.committed, c.id from bridge.change as c order by c.committed desc, c.id desc limit 1
        )"""
    )
    assert await connection.fetchval("select count(*) from bridge.unsummarised()") == 0
    both_rows = await both(connection, "open_problem")
    assert both_rows[0] == both_rows[1]
    assert [row[6] for row in both_rows[0]] == [["S8"], []]
    await connection.execute("update bridge.summary set scanned_source_id = 0, scanned_id = '', scanned_at = null")
    while await connection.fetchval("select scanned_at is null from bridge.summary"):
        await job.run_once()
        assert await summary.usable(connection), "summaries stay in use meanwhile"
    told_now = await connection.fetch("select id, services from bridge.resolution where id <> 'SP-1' order by id")
    assert [tuple(row) for row in told_now] == [("SP-2", ["S8"]), ("SP-3", [])]
    await agree(connection)


async def test_the_dump_of_another_server_is_summarised_anew(database: Database, connection: Connection) -> None:
    job = await summarised(database, connection)
    await connection.execute("update bridge.summary set committed = '999999999'")
    async with connection.transaction():
        await store(connection, [pushed("closed", 2 * DAY)])
    assert not await summary.usable(connection)
    await agree(connection)
    await job.begin(again=False)
    assert await connection.fetchval("select count(*) from bridge.resolution") == 0
    while not await job.run_once():
        await agree(connection)
    await agree(connection)
    assert await summary.usable(connection)


async def test_a_change_that_is_not_summarised_is_not_pruned(database: Database, connection: Connection) -> None:
    job = await summarised(database, connection)
    for status, days in (("closed", 2), ("inProgress", 3)):
        async with connection.transaction():
            await store(connection, [pushed(status, days * DAY)])
    later = datetime.now(UTC) + timedelta(days=2)
    await retention.delete(connection, "changes", later, 100)
    kept = (
        "select count(*) from bridge.change where (committed, id) > (select committed, change_id from bridge.summary)"
    )
    assert await connection.fetchval(kept) == 2
    await job.run_once()
    await retention.delete(connection, "changes", later, 100)
    assert await connection.fetchval("select count(*) from bridge.change") == 1, "the last one stays"


@dataclass(slots=True)
class Watched(Summariser):
    """Tells after each pass whether the summaries are complete."""

    passes: MemoryObjectSendStream[bool] = field(kw_only=True)

    async def run_once(self) -> bool:
        complete = await Summariser.run_once(self)
        await self.passes.send(complete)
        return complete


async def test_the_leader_makes_and_keeps_the_summaries(database: Database, connection: Connection) -> None:
    async with connection.transaction():
        await store(connection, [pushed("acknowledged", 0, f"SP-{number}") for number in range(50)])
    send, passes = anyio.create_memory_object_stream[bool]()
    async with send, passes, anyio.create_task_group() as group:
        group.start_soon(Watched(database, every_seconds=0.01, passes=send).run)
        with anyio.fail_after(30):
            while not await passes.receive():
                pass
            assert await summary.usable(connection)
            async with connection.transaction():
                await store(connection, [pushed("closed", DAY, "SP-7")])
            while await connection.fetchval("select status from bridge.resolution where id = 'SP-7'") != "closed":
                await passes.receive()
        group.cancel_scope.cancel()
    await agree(connection)


async def test_who_follows_more_slowly_than_it_changes_still_says_that_the_summaries_are_tended(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await summarised(database, connection)
    step, told_of = Summariser._step, 0

    async def after_one_more(self: Summariser, how: Any) -> summary.SummaryStep:
        nonlocal told_of
        told_of += 1
        async with connection.transaction():
            await store(connection, [pushed("held", 2 * DAY, f"SP-new-{told_of}")])
        return await step(self, how)

    monkeypatch.setattr(Summariser, "_step", after_one_more)
    monkeypatch.setattr(summary, "_CHANGES", 1)
    await connection.execute("update bridge.summary set maintained_at = maintained_at - interval '1 hour'")
    before = await connection.fetchval("select maintained_at from bridge.summary")
    ticks = itertools.count()
    monkeypatch.setattr(
        report_summary, "monotonic", lambda: next(ticks) / 1000
    )  # a step takes some of them, whatever the machine
    job.pass_seconds = 0.02
    with anyio.fail_after(30):
        assert await job.run_once()
    assert told_of > 2
    assert await connection.fetchval("select maintained_at from bridge.summary") > before
    await agree(connection)


async def test_a_step_is_as_large_as_is_done_in_a_moment(
    database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await summarised(database, connection)
    job, follow, clock, sizes = Summariser(database), summary.follow, 0.0, list[int]()
    cost_seconds = 0.0001

    async def timed(connection: Connection, state: summary.SummaryState, *, problems: int) -> summary.SummaryStep:
        nonlocal clock
        step = await follow(connection, state, problems=problems)
        clock += cost_seconds * step.compared
        if step.compared:
            sizes.append(step.compared)
        return step

    async def change(problems: int, minute: float) -> None:
        for first in range(0, problems, 10):
            async with connection.transaction():
                await store(connection, [pushed("held", minute, f"SP-new-{first + more}") for more in range(10)])

    monkeypatch.setattr(report_summary, "monotonic", lambda: clock)
    monkeypatch.setattr(report_summary, "_SHARE", 0)
    monkeypatch.setattr(summary, "follow", timed)
    await change(150, DAY)
    assert await job.run_once()
    assert sizes == [10, 20, 40, 40, 40], "2.5 to 5 ms are as they should be"
    sizes.clear()
    cost_seconds = 0.001
    await change(100, 2 * DAY)
    assert await job.run_once()
    assert sizes == [40, 20, 10, 10, 10, 10], "nor is it ever less than ten"
    sizes.clear()
    cost_seconds = 0.00001
    await change(260, 3 * DAY)
    assert await job.run_once()
    assert sizes == [10, 20, 40, 80, 100, 10], "or more than a hundred"
    await agree(connection)
