"""Rows of a list that are passed over unread: only such as would have changed nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.domain.observation import Via
from bridge.http.row import rows_of
from bridge.storage import list_digest, missing_problem, refetch
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.storage.queries import queries
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
STATUSES = ("acknowledged", "held", "resolved")
PASS = {"via": Via.RECONCILE}


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def problem(status: str = "held", changed: int | None = 0, **more: Any) -> dict[str, Any]:
    body = {"id": "SP-1", "category": "c", "description": "d", "priority": 1, "reason": "r", "status": status}
    return body | ({} if changed is None else {"lastUpdate": at(changed).isoformat()}) | more


def row(item: dict[str, Any], asked: int, via: Via = Via.RECONCILE) -> Entry:
    """A row of a list, or the answer to a question for this problem alone."""
    digest = listed_as(item) if via is not Via.REFETCH else None
    return Entry(1, wire.read_problem(item, asked_at=at(asked), via=via, digest=digest))


def listed_as(item: dict[str, Any]) -> bytes:
    (digest,) = wire.listed(rows_of([item]))
    return digest


def pushed(kind: str, payload: dict[str, Any], received: int) -> Entry:
    event = {"eventType": f"ServiceProblem{kind}Event", "eventTime": at(received).isoformat()}
    raw = orjson.dumps(event | {"event": {"serviceProblem": payload}})
    notification = wire.read_notification(raw, received_at=at(received))
    return Entry(1, notification.observation, notification)


async def passed_over(connection: Connection, item: dict[str, Any]) -> bool:
    known, _ = await list_digest.current_digests(connection, 1, ["SP-1"])
    return listed_as(item) in known


EVERYTHING = (
    "select * from bridge.service_problem order by id",
    "select * from bridge.service_problem_version order by effective_at, content_hash",
    "select * from bridge.status_change order by effective_at, status",
    "select * from bridge.refetch order by problem_id",
    "select * from bridge.change order by 1",
    "select * from bridge.notification order by received_at",
)


async def everything(connection: Connection) -> list[Any]:
    return [[tuple(each) for each in await connection.fetch(query)] for query in EVERYTHING]


@pytest.fixture
async def connection(database: Database) -> Any:
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('sim')")
        yield connection


async def test_a_row_is_passed_over_once_it_was_read_word_for_word(connection: Connection) -> None:
    assert not await passed_over(connection, problem())
    await store(connection, [row(problem(), 1)], touch=False)
    assert await list_digest.current_digests(connection, 1, ["SP-2", "SP-1"]) == ({listed_as(problem())}, at(0))
    assert not await passed_over(connection, problem() | {"note": []})
    assert await list_digest.current_digests(connection, 2, ["SP-1"]) == (frozenset(), None)
    assert await list_digest.current_digests(connection, 1, []) == (frozenset(), None)


async def test_what_was_pushed_is_read_once_more_and_then_passed_over(connection: Connection) -> None:
    await store(connection, [pushed("Create", problem(), 1)])
    assert not await passed_over(connection, problem())
    stored = await store(connection, [row(problem(), 2)], touch=False)
    assert stored.outcomes == ["unchanged"]
    assert await passed_over(connection, problem())


async def test_what_changed_and_changed_back_is_not_taken_for_what_is_current(connection: Connection) -> None:
    await store(connection, [row(problem("held"), 1)], touch=False)
    await store(connection, [pushed("StateChange", problem("resolved", changed=2), 2)])
    assert not await passed_over(connection, problem("held"))


async def test_a_row_without_a_time_is_passed_over_and_moves_no_mark(connection: Connection) -> None:
    await store(connection, [row(problem(changed=None), 1)], touch=False)
    assert await list_digest.current_digests(connection, 1, ["SP-1"]) == ({listed_as(problem(changed=None))}, None)


async def test_an_id_that_holds_the_separator_is_read_and_hides_no_other(connection: Connection) -> None:
    odd, plain = problem(id="SP-2\x1fSP-1"), problem()
    await store(connection, [row(odd, 1), row(plain, 1)], touch=False)
    assert await list_digest.current_digests(connection, 1, [odd["id"]]) == ({listed_as(plain)}, at(0))
    assert await list_digest.current_digests(connection, 1, [odd["id"], plain["id"]]) == ({listed_as(plain)}, at(0))


async def test_a_memo_waits_for_nobody(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('sim')")
        await store(connection, [pushed("Create", problem(), 1)])
    async with database.transaction() as other, database.transaction() as connection:
        await other.execute("select 1 from bridge.service_problem for update")
        await connection.execute("set local lock_timeout = '10s'")
        stored = await store(connection, [row(problem(), 2)], touch=False)
        assert stored.outcomes == ["unchanged"]
        assert not await passed_over(connection, problem())
    async with database.transaction() as connection:
        await store(connection, [row(problem(), 3)], touch=False)
        assert await passed_over(connection, problem())


async def test_the_memo_outlives_a_write_for_another_reason(connection: Connection) -> None:
    await store(connection, [row(problem(), 1)], touch=False)
    await store(connection, [row(problem("resolved", changed=-5), 2)], touch=False)  # doubted
    assert not await passed_over(connection, problem())
    await store(connection, [row(problem(), 3, Via.REFETCH)])
    assert await passed_over(connection, problem())


@pytest.mark.parametrize("against", ["patch", "deletion", "doubt", "missed", "request"])
async def test_a_problem_that_something_speaks_against_is_read(connection: Connection, against: str) -> None:
    await store(connection, [row(problem(), 1)], touch=False)
    if against == "patch":
        await store(connection, [pushed("AttributeValueChange", {"id": "SP-1", "priority": 2}, 3)])
    elif against == "deletion":
        await store(connection, [pushed("Delete", {"id": "SP-1"}, 3)])
    elif against == "doubt":
        await store(connection, [row(problem("resolved", changed=-5), 3)], touch=False)
    elif against == "missed":
        await missing_problem.mark(connection, 1, started_at=at(4), unseen=list)
    if against == "request":
        await refetch.request(connection, [(1, "SP-1", "partial", at(3))])
    else:
        await refetch.drop(connection, 1, refetch.RefetchRequest("SP-1", "", at(5), 0))  # nothing was learned by asking
    assert not await passed_over(connection, problem())


ITEMS = st.builds(problem, st.sampled_from(STATUSES), st.sampled_from([None, -2, 0, 2]))
STEPS = st.one_of(
    st.tuples(st.just("row"), ITEMS, st.sampled_from([Via.RECONCILE, Via.RECONCILE, Via.POLL, Via.REFETCH])),
    st.tuples(st.sampled_from(["Create", "StateChange", "Delete"]), ITEMS, st.none()),
    st.tuples(
        st.just("AttributeValueChange"), st.fixed_dictionaries({"id": st.just("SP-1"), "priority": st.integers(1, 2)}),
        st.none(),
    ),
    st.tuples(st.sampled_from(["missed", "gave up"]), st.none(), st.none()),
)  # fmt: skip


class RolledBackError(Exception):
    """Ends a transaction without keeping it."""


@settings(
    max_examples=250,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=1, max_size=8), late=st.integers(0, 4))
async def test_what_is_passed_over_would_have_left_nothing_behind(database: Database, steps: Any, late: int) -> None:
    """`late`: by how many minutes the question is older than the last step."""
    with pytest.raises(RolledBackError):
        await live(database, steps, asked=len(steps) - late)


async def live(database: Database, steps: Any, asked: int) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (id, name) overriding system value values (1, 'sim')")
        for minute, (kind, item, via) in enumerate(steps):
            if kind == "missed":
                await missing_problem.mark(connection, 1, started_at=at(minute), unseen=list)
            elif kind == "gave up":
                await refetch.drop(connection, 1, refetch.RefetchRequest("SP-1", "partial", at(minute), 0))
            elif kind == "row":
                await store(connection, [row(item, minute, via)], touch=False)
            else:
                await store(connection, [pushed(kind, item, minute)])
        for item in [item for kind, item, _ in steps if kind == "row"]:
            if await passed_over(connection, item):
                before = await everything(connection)
                stored = await store(connection, [row(item, asked)], touch=False)
                assert stored.outcomes == ["unchanged"]
                assert await everything(connection) == before
        raise RolledBackError


async def test_rows_of_a_new_source_are_found_by_their_key(connection: Connection) -> None:
    """Before the table was analysed the planner took another index, and each page read all problems of the source."""
    ids = [f"SP-{number}" for number in range(3000)]
    for start in range(0, len(ids), 500):
        async with connection.transaction():
            await store(connection, [row(problem(id=each), 1) for each in ids[start : start + 500]])
    question = queries("list_digest")["current"].replace("$1", "1").replace("$2", f"'{chr(31).join(ids[:500])}'")
    plan = "\n".join(each[0] for each in await connection.fetch(f"explain (costs off) {question}"))
    assert "service_problem_pkey" in plan, plan
