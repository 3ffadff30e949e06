"""The one door under suspicion: what hard looks at it brought up, each with the rule that keeps it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import asyncpg
import orjson
import pytest

from bridge.domain.observation import Via
from bridge.storage import partition, refetch, row_builder
from bridge.storage.database import Connection, Database
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.observation import Entry, Stored, lock, prepare, store, write
from bridge.storage.queries import queries
from bridge.tmf656 import wire
from tests.locks import blocked

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def whole(status: str, minute: float | None, **more: Any) -> dict[str, Any]:
    """A whole problem; without a minute it has no times."""
    problem = {
        "id": "SP-1",
        "category": "supplier.originated",
        "description": "no light",
        "priority": 2,
        "reason": "fibre cut",
        "status": status,
    }
    if minute is not None:
        problem |= {"statusChangeDate": at(minute).isoformat(), "lastUpdate": at(minute).isoformat()}
    return problem | more


def notified(
    kind: str, payload: dict[str, Any], received: float, *, event: float | None = None, number: str = ""
) -> Entry:
    """A notification of some change, received at a minute; `event`: the minute of its own time, if it has one."""
    body: dict[str, Any] = {"eventType": f"ServiceProblem{kind}Event", "event": {"serviceProblem": payload}}
    if event is not None:
        body["eventTime"] = at(event).isoformat()
    if number:
        body["eventId"] = number
    notification = wire.read_notification(orjson.dumps(body), received_at=at(received))
    return Entry(1, notification.observation, notification)


def pulled(problem: dict[str, Any], asked: float, via: Via = Via.POLL) -> Entry:
    return Entry(1, wire.read_problem(problem, asked_at=at(asked), via=via))


StoreEach = Callable[..., Awaitable[Stored]]


@pytest.fixture
async def store_each(database: Database) -> StoreEach:
    """Store each entry in a transaction of its own."""
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")

    async def store_all(*entries: Entry) -> Stored:
        stored = Stored()
        for entry in entries:
            async with database.transaction() as connection:
                stored = await store(connection, [entry])
        return stored

    return store_all


@pytest.fixture
def value(database: Database) -> Callable[..., Awaitable[Any]]:
    """The first column of the first row."""

    async def fetch(query: str, *arguments: object) -> Any:
        async with database.connection() as connection:
            return await connection.fetchval(query, *arguments)

    return fetch


REASON = "select reason from bridge.refetch"
STATUS = "select status from report.service_problem"
LAST = "select status from report.status_interval where left_at is null"
TIMELINE = "select array_agg(status order by entered_at, left_at) from report.status_interval"


async def test_an_event_that_names_a_problem_and_says_nothing_has_it_fetched(store_each: StoreEach, value: Any) -> None:
    await store_each(pulled(whole("held", 1), 2), notified("AttributeValueChange", {"id": "SP-1"}, 4, event=3))
    assert await value(REASON) == "partial"


async def test_a_patch_that_seems_older_than_what_is_known_and_came_later_has_the_problem_fetched(
    store_each: StoreEach, value: Any
) -> None:
    await store_each(
        pulled(whole("held", 1.9), 2), notified("StateChange", {"id": "SP-1", "status": "resolved"}, 4, event=1.5)
    )
    assert await value(REASON) == "partial"


async def test_a_whole_statement_that_seems_older_and_came_later_has_the_problem_fetched(
    store_each: StoreEach, value: Any
) -> None:
    await store_each(notified("StateChange", whole("held", 5), 6), notified("StateChange", whole("resolved", 4), 7))
    assert await value(STATUS) == "held"
    assert await value(REASON) == "late"


async def test_what_was_received_before_the_last_answer_was_asked_for_is_not_asked_for_again(
    store_each: StoreEach, value: Any
) -> None:
    await store_each(
        pulled(whole("held", 5), 6),
        notified("StateChange", whole("resolved", 4), 5.5),
        notified("StateChange", {"id": "SP-1", "status": "closed"}, 5.5, event=4.5),
    )
    assert await value(REASON) is None


async def test_an_unstamped_statement_that_waited_in_the_journal_does_not_win_over_a_later_answer(
    store_each: StoreEach, value: Any
) -> None:
    await store_each(
        pulled(whole("held", None), 1),
        pulled(whole("resolved", None), 5),
        notified("AttributeValueChange", whole("held", None, note=[1]), 3),
    )
    assert await value(STATUS) == "resolved"
    assert await value(LAST) == "resolved"


async def test_columns_say_what_the_body_says_also_where_the_time_is_ours(store_each: StoreEach, value: Any) -> None:
    column = "select status_changed_at from report.service_problem"
    frozen = {"statusChangeDate": at(-9).isoformat()}
    await store_each(pulled(whole("held", None, **frozen), 1))
    assert await value(column) == at(-9)
    await store_each(pulled(whole("resolved", None, **frozen), 2))
    assert await value(column) == at(-9)
    assert await value(LAST) == "resolved"


async def test_a_status_date_that_never_moves_does_not_hide_a_return_to_an_earlier_status(
    store_each: StoreEach, value: Any
) -> None:
    stale = {"statusChangeDate": at(0).isoformat()}
    first, then, again = (
        notified("StateChange", whole(status, minute, **stale), 20)
        for status, minute in (("held", 0), ("inProgress", 5), ("held", 10))
    )
    await store_each(again, first, then)
    assert await value(TIMELINE) == ["held", "inProgress", "held"]
    assert await value(STATUS) == await value(LAST) == "held"


async def test_an_overtaken_patch_leaves_the_timeline_also_with_a_status_date_that_never_moves(
    store_each: StoreEach, value: Any
) -> None:
    stale = {"statusChangeDate": at(0).isoformat()}
    await store_each(
        notified("Create", whole("acknowledged", 0), 0.5),
        notified(
            "StateChange", {"id": "SP-1", "status": "closed", **stale, "lastUpdate": at(5).isoformat()}, 6, event=5
        ),
        pulled(whole("held", 4), 7),
        pulled(whole("held", 4), 8),
    )
    assert await value(STATUS) == "held"
    assert await value(LAST) == "held"


async def test_of_two_statuses_told_of_one_moment_the_confirmed_one_is_the_timeline(
    store_each: StoreEach, value: Any
) -> None:
    early = {"statusChangeDate": at(3).isoformat()}
    await store_each(notified("StateChange", whole("held", 5), 6), pulled(whole("resolved", 5, **early), 7))
    assert await value(STATUS) == "resolved"
    assert await value(LAST) == "resolved"


async def test_last_changed_via_is_the_way_the_last_change_came(store_each: StoreEach, value: Any) -> None:
    await store_each(
        notified("StateChange", {"id": "SP-1", "status": "held"}, 5, event=5),
        pulled(whole("held", 6), 7, Via.REFETCH),
        notified("StateChange", {"id": "SP-1", "status": "closed"}, 8, event=1),
    )
    assert await value("select last_changed_via from report.service_problem") == "refetch"


async def test_a_burst_of_patches_for_one_problem_is_weighed_in_time_proportional_to_it(
    store_each: StoreEach, monkeypatch: pytest.MonkeyPatch, database: Database, value: Any
) -> None:
    read = 0
    loads = orjson.loads

    def counted(encoded: bytes) -> Any:
        nonlocal read
        read += 1
        return loads(encoded)

    monkeypatch.setattr(orjson, "loads", counted)  # of the patch, each time it is merged
    await store_each(pulled(whole("held", 0), 0))
    burst = [
        notified("AttributeValueChange", {"id": "SP-1", "n": number}, 60, event=1 + number / 1000)
        for number in range(500)
    ]
    async with database.transaction() as connection:
        await store(connection, burst)
    assert await value("select body ->> 'n' from report.service_problem") == "499"
    assert await value("select count(*) from report.service_problem_version") == 501
    assert len(burst) <= read <= 4 * len(burst)


class Counting:
    """A connection that counts the facts that are read through it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.facts = 0

    async def fetch(self, query: str, *arguments: Any) -> Any:
        rows = await self.connection.fetch(query, *arguments)
        if query == queries("service_problem_version")["history_range"]:
            self.facts += len(rows)
        return rows


async def test_weighing_a_patch_reads_its_stretch_of_the_history_and_no_more(
    store_each: StoreEach, database: Database
) -> None:
    for number in range(0, 40, 2):
        await store_each(
            notified("AttributeValueChange", {"id": "SP-1", "n": number}, number + 0.5, event=number + 0.5),
            pulled(whole("held", number + 1), number + 1.5),
        )
    late = {"id": "SP-1", "statusChangeDate": at(2.2).isoformat(), "status": "closed"}
    async with database.session() as connection:
        counting: Any = Counting(connection)
        await prepare(counting, [notified("StateChange", late, 50)])
    assert 0 < counting.facts <= 6


async def test_two_late_patches_at_once_are_both_folded(store_each: StoreEach, database: Database, value: Any) -> None:
    await store_each(
        notified("Create", whole("held", 0), 0),
        notified("AttributeValueChange", {"id": "SP-1", "a": 1}, 2, event=2),
        notified("StateChange", whole("closed", 10), 10),
    )
    first = notified("AttributeValueChange", {"id": "SP-1", "b": 1}, 20, event=3)
    second = notified("AttributeValueChange", {"id": "SP-1", "c": 1}, 20, event=4)
    async with database.session() as connection:
        prepared = await prepare(connection, [second])
        async with database.transaction() as other:
            await store(other, [first])
    with pytest.raises(ConcurrentUpdateError):
        async with database.transaction() as connection:
            await write(connection, prepared)
    await store_each(second)
    folded = await value("select body from report.service_problem_version where valid_from = $1", at(4))
    assert orjson.loads(folded).items() >= {"a": 1, "b": 1, "c": 1}.items()


async def test_a_problem_made_again_in_the_moment_of_its_deletion_lives(store_each: StoreEach, value: Any) -> None:
    await store_each(
        notified("Create", whole("held", 0), 0, event=0),
        notified("Delete", {"id": "SP-1"}, 5, event=5),
        notified("Create", whole("acknowledged", 5), 5.1, event=5),
        pulled(whole("acknowledged", 5), 6),
        pulled(whole("acknowledged", 5), 7, Via.REFETCH),
    )
    assert await value("select status from report.service_problem where deleted_at is null") == "acknowledged"


async def test_that_a_deletion_was_told_is_not_forgotten_for_another_reason_to_fetch(
    store_each: StoreEach, value: Any
) -> None:
    await store_each(
        notified("Create", whole("held", 6), 6.1),
        notified("Delete", {"id": "SP-1"}, 7, event=5),
        notified("AttributeValueChange", {"id": "SP-1", "n": 1}, 8, event=8),
    )
    assert await value(REASON) == "deleted"


async def test_an_old_answer_about_a_deleted_problem_does_not_make_forget_that_a_deletion_was_told(
    store_each: StoreEach, value: Any
) -> None:
    await store_each(
        notified("Delete", {"id": "SP-1"}, 1),
        notified("StateChange", {"id": "SP-1", "status": "held"}, 1),
        pulled(whole("held", None), 2),
    )
    assert await value(REASON) == "after_delete"


async def test_a_request_made_anew_while_the_answer_was_on_its_way_stands(database: Database, value: Any) -> None:
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
        await refetch.request(connection, [(1, "SP-1", "partial", at(0))])
        (asked,) = await refetch.due(connection, 1, at(1), 10)
        await refetch.request(connection, [(1, "SP-1", "tie", at(2))])
        await refetch.drop(connection, 1, asked)
        await refetch.postpone(connection, 1, asked, at(9))
        assert [one.attempts for one in await refetch.due(connection, 1, at(3), 10)] == [0]


async def test_a_partition_whose_removal_broke_off_is_removed_by_the_next_round(database: Database, dsn: str) -> None:
    days = [datetime(2020, 1, day, tzinfo=UTC).date() for day in (1, 2)]
    async with database.transaction() as connection:
        await partition.ensure(connection, days)
    reader = await asyncpg.connect(dsn)
    try:
        async with database.connection() as connection:
            # broken off between the two steps of detaching: a reader of the log kept it from ending
            async with reader.transaction():
                await reader.fetch("select from bridge.notification")
                await connection.execute("set lock_timeout = '100ms'")
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await connection.execute(
                        "alter table bridge.notification detach partition bridge.notification_20200101 concurrently"
                    )
            # broken off between detaching and dropping
            await connection.execute("alter table bridge.notification detach partition bridge.notification_20200102")
            assert await partition.drop_before(connection, days[1] + timedelta(days=1)) == days
            assert await connection.fetchval("select to_regclass('bridge.notification_20200101')") is None
            assert await connection.fetchval("select to_regclass('bridge.notification_20200102')") is None
    finally:
        await reader.close()


async def _store(connection: Connection, entries: list[Entry]) -> None:
    await store(connection, entries)


async def _lock(connection: Connection, entries: list[Entry]) -> None:
    await lock(connection, [entry.key for entry in entries if entry.key])


@pytest.mark.parametrize("take", [_store, _lock])
async def test_problems_are_locked_in_the_order_of_their_ids(
    take: Callable[[Connection, list[Entry]], Awaitable[None]], database: Database, store_each: StoreEach
) -> None:
    """Received in any order: of two who want the same ones, one waits and none is refused."""
    ids = ["\u00e9", "9", "10", "b", "B"]
    entries = [notified("AttributeValueChange", whole("held", 2, id=problem_id), 2) for problem_id in ids]
    for problem_id in ids:
        await store_each(notified("Create", whole("submitted", 1, id=problem_id), 1))
    *first, last = sorted(ids)
    free = "select id from bridge.service_problem order by id for update skip locked"

    async def wanted(connection: Connection) -> None:
        async with connection.transaction():
            await take(connection, entries)

    async with database.connection() as holder, database.connection() as other, database.connection() as third:
        async with anyio.create_task_group() as tasks, holder.transaction():
            await holder.execute("select 1 from bridge.service_problem where id = $1 for update", last)
            tasks.start_soon(wanted, other)
            await blocked(third, other.get_server_pid())
            assert await third.fetch(free) == [], f"{first} come before {last}"
        assert len(await third.fetch(free)) == len(ids)


async def test_facts_are_written_in_the_order_of_their_keys(database: Database, store_each: StoreEach) -> None:
    """Received in any order, also of one problem."""
    async with database.connection() as connection:
        entries = [
            notified("StateChange", whole(status, minute, id=problem_id), 10)
            for problem_id, status, minute in (
                ("b", "resolved", 3),
                ("a", "held", 2),
                ("b", "submitted", 1),
                ("a", "pending", 1),
                ("b", "held", 2),
            )
        ]
        prepared = await prepare(connection, entries)
    written, versions, statuses = (
        prepared.current.written,
        prepared.current.versions,
        row_builder.statuses(prepared.decision.histories),
    )
    assert [row[1] for row in written] == ["a", "b"]
    order = [("a", at(1)), ("a", at(2)), ("b", at(1)), ("b", at(2)), ("b", at(3))]
    assert [row[1:3] for row in versions] == order
    assert [row[1:3] for row in statuses] == order
