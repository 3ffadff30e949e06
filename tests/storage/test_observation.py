"""The one door: whatever the order, the repetition and the batching, the tables come out the same, and they come
home.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import orjson
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.domain.fact import hash_of
from bridge.domain.observation import Kind, Notification, Via
from bridge.storage.database import Connection, Database, opened
from bridge.storage.errors import ConcurrentUpdateError, RefusedError, TooSlowError
from bridge.storage.observation import Entry, prepare, store, write
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RELAXED = settings(
    max_examples=120,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
STATUSES = ("acknowledged", "inProgress", "held", "resolved", "closed")


def minute(number: float) -> str:
    return (NOON + timedelta(minutes=number)).isoformat()


def event(kind: str, payload: dict[str, Any], at: float, *, event_id: str | None = None) -> bytes:
    body = {"eventType": f"ServiceProblem{kind}Event", "eventTime": minute(at), "event": {"serviceProblem": payload}}
    return orjson.dumps(body | ({"eventId": event_id} if event_id else {}))


def notified(raw: bytes, received: float = 60) -> Entry:
    notification = wire.read_notification(raw, received_at=NOON + timedelta(minutes=received))
    return Entry(1, notification.observation, notification)


def whole(status: str, at: float, **more: Any) -> dict[str, Any]:
    return {
        "id": "SP-1",
        "category": "supplier.originated",
        "description": "no light",
        "priority": 2,
        "reason": "fibre cut",
        "status": status,
        "statusChangeDate": minute(at),
        "lastUpdate": minute(at),
        **more,
    }


def pulled(problem: dict[str, Any], asked: float, via: Via = Via.POLL) -> Entry:
    return Entry(1, wire.read_problem(problem, asked_at=NOON + timedelta(minutes=asked), via=via))


class RolledBackError(Exception):
    """Ends a transaction without keeping it."""


async def tables(connection: Connection) -> dict[str, Any]:
    """Everything that must not depend on order: not when and how something was received."""
    queries = {
        "current": """
            select
                id, status, status_raw, category, priority, updated_at, status_changed_at, resolved_at, deleted_at, body
            from report.service_problem""",
        "facts": """
            select effective_at, content_hash, kind, superseded, status, patch, body
            from bridge.service_problem_version order by effective_at, kind, content_hash""",
        "versions": """
            select valid_from, valid_to, status, changed, body
            from report.service_problem_version order by valid_from, body""",
        "statuses": """
            select effective_at, status, stated_at, partial, superseded
            from bridge.status_change order by effective_at, status""",
        "intervals": """
            select status, entered_at, left_at from report.status_interval order by entered_at, left_at nulls last""",
    }
    return {name: [tuple(row) for row in await connection.fetch(query)] for name, query in queries.items()}


async def result_of(database: Database, batches: Sequence[Sequence[Entry]]) -> dict[str, Any]:
    """Store the batches one after the other in a transaction that is rolled back; return what the tables then held."""
    held: dict[str, Any] = {}
    with pytest.raises(RolledBackError):  # noqa: PT012 -- the transaction is to end in it
        async with database.transaction() as connection:
            await connection.execute("insert into bridge.source (name) values ('snow') on conflict do nothing")
            for batch in batches:
                source_id = await connection.fetchval("select id from bridge.source where name = 'snow'")
                await store(connection, [Entry(source_id, one.observation, one.notification) for one in batch])
            held = await tables(connection)
            raise RolledBackError
    return held


@st.composite
def events(draw: st.DrawFn) -> list[bytes]:
    """Some events about one problem; times and contents collide on purpose."""
    drawn = []
    for number in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, 5))
        status = draw(st.sampled_from(STATUSES))
        kind = draw(st.sampled_from(["whole", "whole", "status", "attribute", "delete"]))
        if kind == "whole":
            raw = event(
                "AttributeValueChange", whole(status, at, note=draw(st.sampled_from([[], [{"text": "x"}]]))), at
            )
        elif kind == "status":
            raw = event("StateChange", {"id": "SP-1", "status": status}, at + 0.5, event_id=str(number))
        elif kind == "attribute":
            patch = draw(st.sampled_from([{"description": None}, {"description": "dark"}, {"vendor": {"a": number}}]))
            raw = event("AttributeValueChange", {"id": "SP-1", **patch}, at, event_id=str(number))
        else:
            raw = event("Delete", {"id": "SP-1"}, at, event_id=str(number))
        drawn.append(raw)
    return drawn


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[bytes], list[list[bytes]]]:
    """Events in turn, and the same events shuffled, some again, in batches."""
    raws = draw(events())
    again = draw(st.lists(st.sampled_from(raws), max_size=3))
    shuffled = draw(st.permutations(raws + again))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(shuffled) - 1)), max_size=3)))
    batches = [list(shuffled[start:end]) for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    return raws, [batch for batch in batches if batch]


@RELAXED
@given(delivery=deliveries())
async def test_any_order_any_repetition_any_batching_give_the_same_tables(
    database: Database, delivery: tuple[list[bytes], list[list[bytes]]]
) -> None:
    raws, batches = delivery
    in_turn = await result_of(database, [[notified(raw)] for raw in raws])

    assert await result_of(database, [[notified(raw) for raw in batch] for batch in batches]) == in_turn


@RELAXED
@given(raws=events())
async def test_the_timeline_ends_where_the_problem_is(database: Database, raws: list[bytes]) -> None:
    held = await result_of(database, [[notified(raw)] for raw in raws])

    times = [fact[0] for fact in held["facts"] if fact[2] != "tombstone"]
    assume(
        len(set(times)) == len(times)
    )  # two statements about one moment contradict each other until the problem is fetched

    (current,) = held["current"]
    deleted_at, body = current[8], current[9]
    if deleted_at is None and held["intervals"]:
        assert held["intervals"][-1][0] == current[1]
    if deleted_at is None and held["versions"]:
        last = [version for version in held["versions"] if version[1] is None]
        assert [version[4] for version in last] == [body]


@dataclass
class Server:
    """The model: what the source holds, and what is still on its way from it."""

    now: float = 0
    problem: dict[str, Any] | None = None
    backups: list[dict[str, Any] | None] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    answers: list[Entry] = field(default_factory=list)
    number: int = 0

    def change(self, status: str, *, stamped: bool) -> None:
        self.backups.append(self.problem)
        self.problem = whole(status, self.now)
        if not stamped:
            del self.problem["lastUpdate"], self.problem["statusChangeDate"]

    def send(self, style: str) -> None:
        if self.problem is None:
            return
        self.number += 1
        name = {"whole": "AttributeValueChange", "partial": "StateChange"}[style]
        payload = self.problem if style == "whole" else {"id": "SP-1", "status": self.problem["status"]}
        self.events.append(event(name, payload, self.now, event_id=str(self.number)))

    def ask(self) -> None:
        if self.problem is not None:
            self.answers.append(pulled(dict(self.problem), self.now))


STEPS = st.sampled_from(
    [
        "tick",
        "change",
        "change unstamped",
        "tell whole",
        "tell partial",
        "ask",
        "hear",
        "hear late",
        "answer",
        "restore",
    ]
)


@settings(parent=RELAXED, max_examples=250)
@given(steps=st.lists(st.tuples(STEPS, st.sampled_from(STATUSES)), min_size=1, max_size=14))
@example(
    steps=[
        ("change", "held"),
        ("tell whole", "held"),
        ("hear", "held"),
        ("tick", "held"),
        ("restore", "held"),
        ("change", "resolved"),
    ]
)
async def test_whatever_happened_two_later_answers_bring_the_current_row_home(
    database: Database, steps: list[tuple[str, str]]
) -> None:
    server = Server(problem=whole("acknowledged", 0))
    batches: list[list[Entry]] = []
    for step, status in steps:
        server.now += 1
        if step.startswith("change"):
            server.change(status, stamped=step == "change")
        elif step.startswith("tell"):
            server.send(step.split()[1])
        elif step == "ask":
            server.ask()
        elif step.startswith("hear") and server.events:
            batches.append([notified(server.events.pop(-1 if step == "hear late" else 0), server.now)])
        elif step == "answer" and server.answers:
            batches.append([server.answers.pop(0)])
        elif step == "restore" and server.backups:
            server.problem = server.backups.pop() or server.problem
    for _ in range(2):
        server.now += 1
        server.ask()
        batches.append([server.answers.pop()])

    held = await result_of(database, batches)

    (current,) = held["current"]
    assert server.problem is not None
    assert orjson.loads(current[9]) == server.problem
    assert current[8] is None
    assert held["intervals"][-1][0] == server.problem["status"]


async def test_a_late_state_finds_its_place_in_the_timeline(database: Database) -> None:
    held = await result_of(
        database,
        [
            [notified(event("Create", whole("acknowledged", 0), 0))],
            [notified(event("StateChange", whole("resolved", 10), 10))],
            [notified(event("StateChange", whole("inProgress", 5), 5))],
        ],
    )

    at = [NOON, NOON + timedelta(minutes=5), NOON + timedelta(minutes=10)]
    assert held["intervals"] == [
        ("acknowledged", at[0], at[1]),
        ("inProgress", at[1], at[2]),
        ("resolved", at[2], None),
    ]
    assert held["current"][0][1] == "resolved"
    assert [(row[0], row[1], row[2]) for row in held["versions"]] == [
        (at[0], at[1], "acknowledged"),
        (at[1], at[2], "inProgress"),
        (at[2], None, "resolved"),
    ]
    assert held["versions"][1][3] == ["lastUpdate", "status", "statusChangeDate"]


async def test_a_page_loses_to_a_notification_that_came_after_the_question(database: Database) -> None:
    held = await result_of(
        database,
        [
            [notified(event("Create", whole("acknowledged", 0), 0), 1)],
            [notified(event("StateChange", whole("resolved", 2), 2), 3)],
            [pulled(whole("acknowledged", 0), 2.5)],
        ],
    )

    assert held["current"][0][1] == "resolved"


async def test_an_older_answer_is_believed_when_it_comes_twice(database: Database) -> None:
    before = [[notified(event("Create", whole("resolved", 10), 10), 11)], [pulled(whole("held", 5), 12)]]

    assert (await result_of(database, before))["current"][0][1] == "resolved"
    held = await result_of(database, [*before, [pulled(whole("held", 5), 13)]])
    assert held["current"][0][1] == "held"
    assert held["intervals"][-1][:2] == ("held", NOON + timedelta(minutes=13))


async def test_a_problem_lives_again_when_the_server_twice_says_so(database: Database) -> None:
    before = [
        [notified(event("Create", whole("held", 1), 1), 1)],
        [notified(event("Delete", {"id": "SP-1"}, 5), 5)],
        [pulled(whole("held", 1), 6)],
    ]

    assert (await result_of(database, before))["current"][0][8] == NOON + timedelta(minutes=5)
    assert (await result_of(database, [*before, [pulled(whole("held", 1), 7)]]))["current"][0][8] is None


async def test_outcomes_name_what_a_notification_did(database: Database) -> None:
    create = event("Create", whole("held", 1), 1, event_id="a")
    older = event("StateChange", whole("acknowledged", 0), 0, event_id="b")
    same = event("AttributeValueChange", whole("held", 1), 1, event_id="c")
    reused = event("StateChange", whole("resolved", 2), 2, event_id="a")
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
        for raw in (create, create, older, same, reused):
            await store(connection, [notified(raw)])
        rows = await connection.fetch(
            "select event_id, outcome from report.notification order by received_at, event_id, outcome"
        )

    assert sorted(tuple(row) for row in rows) == [
        ("a", "applied"),
        ("a", "applied"),
        ("a", "duplicate"),
        ("b", "stale"),
        ("c", "unchanged"),
    ]


async def test_partial_and_tied_problems_are_to_be_fetched_and_an_answer_settles_that(database: Database) -> None:
    async with database.transaction() as connection:
        await store(connection, [notified(event("StateChange", {"id": "SP-1", "status": "held"}, 1), 2)])
        assert await connection.fetchval("select reason from bridge.refetch") == "partial"
        await store(connection, [pulled(whole("held", 1), 1.5)])
        assert await connection.fetchval("select count(*) from bridge.refetch") == 1
        await store(connection, [pulled(whole("held", 1), 3)])
        assert await connection.fetchval("select count(*) from bridge.refetch") == 0
        await store(connection, [notified(event("AttributeValueChange", whole("held", 1, note=[1]), 1), 4)])
        assert await connection.fetchval("select reason from bridge.refetch") == "tie"


async def test_an_answer_is_stored_by_one_statement_and_a_crash_behind_it_leaves_a_question_asked(
    database: Database,
) -> None:
    async with database.transaction() as connection:
        await store(connection, [notified(event("StateChange", {"id": "SP-1", "status": "held"}, 1), 2)])
    async with database.session() as connection:
        assert (await prepare(connection, [pulled(whole("held", 2, id="SP-2"), 3)])).alone
        assert not (await prepare(connection, [pulled(whole("held", 0.5), 3)])).alone  # it overtakes a patch
        await store(connection, [pulled(whole("held", 2, id="SP-2"), 3)])
        await connection.execute("update bridge.refetch set problem_id = 'SP-2'")
    async with database.transaction() as other:
        await other.execute("lock table bridge.refetch in share mode")
        with pytest.raises(TooSlowError):
            async with database.session(limit_seconds=0.5) as connection:
                await store(connection, [pulled(whole("closed", 4, id="SP-2"), 4)])
    async with database.session() as connection:
        status = await connection.fetchval("select status from bridge.service_problem where id = 'SP-2'")
        assert (status, await connection.fetchval("select count(*) from bridge.refetch")) == ("closed", 1)
        await store(connection, [pulled(whole("closed", 4, id="SP-2"), 5)])
        assert await connection.fetchval("select count(*) from bridge.refetch") == 0


async def test_a_writer_that_read_an_older_revision_starts_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.transaction() as first:
        await store(first, [notified(event("Create", whole("held", 1), 1))])
    async with database.connection() as slow, database.connection() as quick:
        prepared = await prepare(slow, [notified(event("StateChange", whole("closed", 4), 4))])
        async with quick.transaction():
            await store(quick, [notified(event("StateChange", whole("resolved", 3), 3))])
    with pytest.raises(ConcurrentUpdateError):
        async with database.session() as slow:
            await write(slow, prepared)
    async with database.connection() as connection:
        assert await connection.fetchval("select status from bridge.service_problem") == "resolved"
        assert await connection.fetchval("select count(*) from bridge.notification") == 2


async def test_a_writer_that_did_not_know_of_an_event_starts_over(database: Database) -> None:
    said = notified(event("Create", whole("held", 1), 1))
    async with database.session() as connection:
        prepared = await prepare(connection, [said])
        await store(connection, [said])
    with pytest.raises(ConcurrentUpdateError):
        async with database.session() as connection:
            await write(connection, prepared)
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.notification") == 1


async def test_a_value_postgres_cannot_keep_is_refused_by_name(database: Database) -> None:
    entry = pulled(whole("held", 1), 2)
    assert entry.observation is not None
    broken = replace(entry.observation, body=b'{"a":"\\u0000"}')
    with pytest.raises(RefusedError, match=r"u0000|unicode"):
        async with database.transaction() as connection:
            await store(connection, [Entry(1, broken)])


async def test_every_table_and_column_is_commented(database: Database) -> None:
    async with database.connection() as connection:
        rows = await connection.fetch(
            """
            select c.oid::regclass::text as relation, a.attname
            from pg_class as c
            inner join pg_attribute as a on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped
            where c.relnamespace::regnamespace::text in ('bridge', 'report', 'bridge_migration')
                and c.relkind in ('r', 'v', 'p')
                and (col_description(c.oid, a.attnum) is null or obj_description(c.oid) is null)
            """
        )
    assert [tuple(row) for row in rows] == []


def test_a_notification_is_read_with_its_observation() -> None:
    entry = notified(event("Create", whole("held", 1), 1))
    assert isinstance(entry.notification, Notification)
    assert entry.observation is not None
    assert entry.observation.status == "held"


async def test_the_current_status_has_the_last_word_in_the_timeline(database: Database) -> None:
    """A source that never moves its status dates leaves facts that cannot be put in order."""
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
        await store(connection, [notified(event("Create", whole("held", 1), 1))])
        await connection.execute("update bridge.service_problem set status = 'closed', status_raw = 'closed'")
        rows = await connection.fetch(
            "select status, entered_at, left_at from report.status_interval order by entered_at"
        )

    at = NOON + timedelta(minutes=1)
    assert [tuple(row) for row in rows] == [("held", at, at), ("closed", at, None)]


def undecidable(entry: Entry) -> Entry:
    """The same with a body that nobody can read: a defect of ours, whatever it is."""
    assert entry.observation is not None
    return replace(entry, observation=replace(entry.observation, body=b"{", kind=Kind.PARTIAL))


async def test_a3_an_item_that_cannot_be_decided_is_isolated_from_its_batch(database: Database) -> None:
    async with database.connection() as connection:
        source_id = await connection.fetchval("insert into bridge.source (name) values ('snow') returning id")
    entries = [notified(event("Create", whole("held", 1, id=f"SP-{number}"), 1)) for number in range(7)]
    entries[4] = undecidable(notified(event("AttributeValueChange", {"id": "SP-4", "status": "held"}, 1)))
    stored = await store_items(database, [replace(entry, source_id=source_id) for entry in entries])
    assert stored.outcomes == ["applied"] * 4 + ["dead_letter"] + ["applied"] * 2
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.service_problem") == 6
        letter = await connection.fetchrow("select reason, problem_id, detail from bridge.dead_letter")
    assert letter is not None
    assert tuple(letter)[:2] == ("undecidable", "SP-4")
    assert "JSONDecodeError" in letter["detail"]


@pytest.mark.parametrize("days", [1, 5000])
async def test_d1_a_day_that_no_partition_is_made_for_keeps_nothing_from_being_stored(
    database: Database, days: int
) -> None:
    """A neighbour is stored; what is from beyond ten years is a dead letter without a line in the log."""
    async with database.connection() as connection:
        source_id = await connection.fetchval("insert into bridge.source (name) values ('snow') returning id")
    near, far = (
        notified(event("Create", whole("held", 1), 1)),
        notified(event("Create", whole("held", 1, id="SP-2"), 1)),
    )
    assert far.notification is not None
    received_at = datetime.now(UTC) + timedelta(days=days)
    far = replace(far, notification=replace(far.notification, received_at=received_at))
    stored = await store_items(database, [replace(entry, source_id=source_id) for entry in (near, far)])
    assert stored.outcomes == ["applied", "applied" if days == 1 else "dead_letter"]
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.dead_letter") == (days > 1)
        assert await connection.fetchval("select count(*) from bridge.notification") == (2 if days == 1 else 1)


async def test_d3_late_notifications_over_ten_connections_do_not_deadlock(dsn: str) -> None:
    """Problems in another order in each batch; each notification came once, so none is a duplicate."""
    ids = [f"SP-{number}" for number in range(40)]
    async with opened(dsn, min_size=10, max_size=10, wait=False) as database:
        async with database.connection() as connection:
            source_id = await connection.fetchval("insert into bridge.source (name) values ('snow') returning id")
        newest = [notified(event("Create", whole("closed", 50, id=name), 50)) for name in ids]
        await store_items(database, [replace(entry, source_id=source_id) for entry in newest])
        outcomes: list[str] = []

        async def late(number: int) -> None:
            order = sorted(ids, key=lambda name: hash_of(f"{number} {name}".encode()))
            said = [
                notified(event("StateChange", whole("held", number + 0.1, id=name), number + 0.1), 60 + number)
                for name in order
            ]
            rows = [answer_row(name, 100 + number) for name in order[::2]]
            stored = await store_items(database, [replace(entry, source_id=source_id) for entry in said])
            outcomes.extend(stored.outcomes)
            await store_items(database, [replace(entry, source_id=source_id) for entry in rows])

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(late, number)
        async with database.connection() as connection:
            await connection.execute("select pg_stat_force_next_flush()")
            deadlocks = await connection.fetchval(
                "select deadlocks from pg_stat_database where datname = current_database()"
            )
            versions = await connection.fetchval("select count(*) from bridge.service_problem_version")
    assert deadlocks == 0
    assert "duplicate" not in outcomes
    assert versions == len(ids) * 21


def answer_row(name: str, asked: float) -> Entry:
    return pulled(whole("closed", 50, id=name), asked)
