"""What a process remembers is only a guess: the tables come out as if everything had been read."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.domain.observation import Via
from bridge.storage import observation, observation_store
from bridge.storage.database import Connection, Database, opened
from bridge.storage.observation import Entry, cached, prepare
from bridge.storage.observation_store import row_cache_of, store_items
from bridge.storage.row_cache import RowCache
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
STATUSES = ("acknowledged", "inProgress", "held", "resolved")


@pytest.fixture
async def processes(dsn: str) -> AsyncIterator[list[Database]]:
    """Two that write to the same database, each with a memory of its own."""
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(opened(dsn, min_size=1, max_size=2)) for _ in range(2)]
        async with made[0].connection() as connection:
            await connection.execute("insert into bridge.source (name) values ('snow')")
        yield made


def minute(number: float) -> str:
    return (NOON + timedelta(minutes=number)).isoformat()


def problem(status: str, at: float, name: str = "SP-1", **more: Any) -> dict[str, Any]:
    required = {"category": "a", "description": "b", "priority": 1, "reason": "c"}
    return {"id": name, "status": status, "statusChangeDate": minute(at), "lastUpdate": minute(at), **required, **more}


def notified(kind: str, payload: dict[str, Any], at: float, received: float = 60) -> Entry:
    body = {"eventType": f"ServiceProblem{kind}Event", "eventTime": minute(at), "event": {"serviceProblem": payload}}
    notification = wire.read_notification(orjson.dumps(body), received_at=NOON + timedelta(minutes=received))
    return Entry(1, notification.observation, notification)


def pulled(payload: dict[str, Any], asked: float) -> Entry:
    return Entry(1, wire.read_problem(payload, asked_at=NOON + timedelta(minutes=asked), via=Via.POLL))


class NoQuestions:
    """Stands for a connection that nothing may be read over."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called: something was read")


def start_over(database: Database, careful: int) -> RowCache:
    """Remember nothing, and be so careful after a wrong guess."""
    cache = RowCache(careful)
    observation_store._caches[database] = (database.connections_made, cache)
    return cache


async def guessed(database: Database, *entries: Entry) -> bool:
    """Would these be decided without reading anything?"""
    cache = row_cache_of(database)
    try:
        await prepare(NoQuestions(), entries, cache=cache)
    except AssertionError:
        return False
    return True


async def current(database: Database, name: str = "SP-1") -> tuple[str, int]:
    """Status and revision."""
    async with database.connection() as connection:
        row = await connection.fetchrow("select status, revision from bridge.service_problem where id = $1", name)
    assert row is not None
    return row["status"], row["revision"]


async def outcome(database: Database, entry: Entry) -> str:
    return (await store_items(database, [entry])).outcomes[0]


async def test_a_life_is_followed_without_reading_it_again(processes: list[Database]) -> None:
    database, other = processes
    created = notified("Create", problem("acknowledged", 1), 1)
    assert await guessed(database, created)
    assert await outcome(database, created) == "applied"
    resolved = notified("StateChange", problem("resolved", 2), 2)
    assert await guessed(database, resolved)
    assert not await guessed(other, resolved)
    assert await outcome(database, resolved) == "applied"
    assert await current(database) == ("resolved", 2)
    assert not await guessed(database, resolved)  # an event that came before is looked up
    assert await outcome(database, resolved) == "duplicate"
    assert not await guessed(database, pulled(problem("resolved", 2), 70))  # so is what an answer is about


async def test_another_process_was_faster(processes: list[Database]) -> None:
    one, two = processes
    await outcome(one, notified("Create", problem("acknowledged", 1), 1))
    assert await outcome(two, notified("StateChange", problem("inProgress", 2), 2)) == "applied"
    late = notified("StateChange", problem("held", 1.5), 1.5)
    assert await guessed(one, late)  # and wrongly so
    assert await outcome(one, late) == "stale"
    assert await current(one) == ("inProgress", 3)
    again = notified("StateChange", problem("resolved", 3), 3)
    assert not await guessed(one, again)  # it has learnt its lesson
    assert await outcome(one, again) == "applied"


async def test_what_is_announced_as_new_may_be_known(processes: list[Database]) -> None:
    one, two = processes
    await outcome(one, pulled(problem("held", 2), 3))
    created = notified("Create", problem("acknowledged", 1), 1)
    assert await guessed(two, created)
    assert await outcome(two, created) == "stale"
    assert await current(two) == ("held", 2)


async def test_what_another_process_heard_is_a_duplicate(processes: list[Database]) -> None:
    one, two = processes
    created, other = notified("Create", problem("held", 1), 1), notified("Create", problem("held", 1, "SP-2"), 1)
    await outcome(one, created)
    stored = await store_items(two, [created, other])
    assert stored.outcomes == ["duplicate", "applied"]


async def test_a_row_that_was_deleted_by_hand_begins_anew(processes: list[Database]) -> None:
    database = processes[0]
    await outcome(database, notified("Create", problem("held", 1), 1))
    await outcome(database, notified("StateChange", problem("inProgress", 2), 2))
    async with database.connection() as connection:
        await connection.execute("delete from bridge.service_problem")
    changed = notified("StateChange", problem("resolved", 3), 3)
    assert await guessed(database, changed)
    assert await outcome(database, changed) == "applied"
    assert await current(database) == ("resolved", 1)


async def test_nothing_is_remembered_over_a_new_connection(processes: list[Database]) -> None:
    database = processes[0]
    await outcome(database, notified("Create", problem("held", 1), 1))
    changed = notified("StateChange", problem("resolved", 2), 2)
    async with database.connection() as connection:
        assert await guessed(database, changed)
        async with database.connection():  # the first one is lent: it takes another
            assert not await guessed(database, changed)
        await connection.execute("select 1")


async def test_a_transaction_that_is_rolled_back_leaves_nothing_to_remember(processes: list[Database]) -> None:
    database = processes[0]

    async def refuses(*_: Any) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store_items(database, [notified("Create", problem("held", 1), 1)], then=refuses)
    assert not await guessed(database, notified("StateChange", problem("resolved", 2), 2))


def current_row(name: str) -> tuple[Any, ...]:
    times = [NOON, NOON, NOON, NOON, None, None, None, NOON, None, None, None, None]
    return (1, name, 0, False, False, *times, None, None, Via.PUSH, Via.PUSH, "held", None, None, b"hash", None, None)


def test_only_the_last_ones_are_remembered() -> None:
    cache = RowCache()
    rows = [current_row(f"SP-{number}") for number in range(10_001)]
    cache.update(rows, [], [])
    cache.update(rows[1:2], [], [(1, b"%d" % number) for number in range(20_001)])
    assert cache.row((1, "SP-0")) is None
    known = cache.row((1, "SP-1"))
    assert known is not None
    assert known.revision == 1
    assert not cache.has_event((1, b"0"))
    assert cache.has_event((1, b"1"))
    cache.update([current_row("SP-new")], [], [])
    assert cache.row((1, "SP-1")) is not None  # written again a moment ago
    assert cache.row((1, "SP-2")) is None
    cache.update([], [(1, "SP-3")], [])  # what it holds now is not at hand
    assert cache.row((1, "SP-3")) is None


Step = tuple[int, list[Entry]]


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Batches of events and answers about two problems, each for one of two processes, some of them twice."""
    drawn: list[Step] = []
    for number in range(draw(st.integers(2, 7))):
        entries = []
        for place in range(draw(st.integers(1, 3))):
            at, status = draw(st.integers(0, 5)), draw(st.sampled_from(STATUSES))
            name = draw(st.sampled_from(("SP-1", "SP-2")))
            received = 60 + 10 * number + place
            kind = draw(st.sampled_from(["Create", "StateChange", "StateChange", "patch", "Delete", "answer"]))
            if kind == "answer":
                entries.append(pulled(problem(status, at, name), received))
            elif kind == "patch":
                entries.append(notified("AttributeValueChange", {"id": name, "description": status}, at, received))
            elif kind == "Delete":
                entries.append(notified("Delete", {"id": name}, at, received))
            else:
                entries.append(notified(kind, problem(status, at, name), at, received))
        drawn.append((draw(st.integers(0, 1)), entries))
    again = draw(st.lists(st.sampled_from(drawn), max_size=2))
    return drawn + [(draw(st.integers(0, 1)), [one for one in entries if one.notification]) for _, entries in again]


async def tables(connection: Connection) -> list[Any]:
    """Everything the door writes but for the times of the log's partitions."""
    queries = (
        "select to_jsonb(p) from bridge.service_problem as p order by p.id",
        "select to_jsonb(v) from bridge.service_problem_version as v order by problem_id, effective_at, content_hash",
        "select to_jsonb(c) from bridge.status_change as c order by problem_id, effective_at, status",
        "select to_jsonb(n) from bridge.notification as n order by received_at, problem_id, n.body::text",
        "select to_jsonb(r) - 'due_at' from bridge.refetch as r order by problem_id",
    )
    return [[row[0] for row in await connection.fetch(query)] for query in queries]


async def result_of(databases: Sequence[Database], drawn: Sequence[Step]) -> tuple[list[str], list[Any]]:
    outcomes = []
    for place, entries in drawn:
        if entries:
            outcomes += (await store_items(databases[place], entries)).outcomes
    async with databases[0].connection() as connection:
        held = await tables(connection)
        await connection.execute(
            "truncate bridge.service_problem, bridge.service_problem_version, bridge.status_change,"
            " bridge.notification, bridge.notification_digest, bridge.refetch, bridge.change"
        )
    return outcomes, held


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=steps(), careful=st.sampled_from((0, 1, 100)))
async def test_processes_that_remember_write_what_one_that_reads_everything_does(
    processes: list[Database], drawn: list[Step], careful: int
) -> None:
    for database in processes:
        start_over(database, careful)
    guessing = await result_of(processes, drawn)
    start_over(processes[0], 1_000_000).invalidate([], guessed=True)

    assert guessing == await result_of(processes[:1] * 2, drawn)


async def test_events_that_overtake_each_other_in_one_process(processes: list[Database]) -> None:
    database = processes[0]
    first = notified("Create", problem("acknowledged", 1), 1)
    async with database.session() as connection:
        prepared = await prepare(connection, [first], cache=row_cache_of(database))
        await observation.write(connection, prepared)
    second = notified("StateChange", problem("held", 2), 2)
    await outcome(database, second)
    cached(row_cache_of(database), prepared)  # its task was slower to go on
    assert await outcome(database, notified("StateChange", problem("resolved", 3), 3)) == "applied"
    assert await current(database) == ("resolved", 3)


EMPTIED = {
    "an event that would change nothing": ("notification_digest", problem("held", 1), "held"),
    "a patch": ("service_problem_version", {"id": "SP-1", "status": "resolved"}, "resolved"),
}


@pytest.mark.parametrize(("also", "payload", "status"), EMPTIED.values(), ids=EMPTIED)
async def test_what_would_not_be_checked_is_weighed_on_what_the_tables_hold(
    processes: list[Database], also: str, payload: dict[str, Any], status: str
) -> None:
    database = processes[0]
    await outcome(database, notified("Create", problem("held", 1), 1))
    async with database.connection() as connection:
        await connection.execute(f"truncate bridge.service_problem, bridge.{also}")
    assert await outcome(database, notified("StateChange", payload, 1)) == "applied"
    assert await current(database) == (status, 1)
