"""Whatever happens between a source and us, after it ends and two reconciles the tables are what the source holds.

The model of the source is a dictionary of problems, the events still on their way and the answers still on their way.
At any call to Postgres within a step (each statement, each BEGIN and COMMIT) the bridge may die, before the call was
carried out or after it: what was not committed is rolled back, and nothing but the tables remains. Between two awaits
nothing else reaches the outside, so these are all the places where dying can make a difference to the tables. Events
whose step died come again, answers are stored again or late, and a pass that died is not gone on with.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

import orjson
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.domain.problem_history import DELETION_REASONS
from bridge.domain.status import normalise
from bridge.http.row import rows_of
from bridge.storage import database as pool
from bridge.storage import list_digest, missing_problem, refetch, retention
from bridge.storage.database import Connection, Database, opened
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
IDS = ("SP-1", "ä/ ?#'\"%💥", "SP 3\\")
STATUSES = ("acknowledged", "inProgress", "held", "resolved")
HOURS = st.sampled_from([-60.0, 0.0, 0.0, 60.0])


@dataclass
class Source:
    """The model: what the source holds and what it has said."""

    clock_minutes: float = 0
    """By how much its clock is ahead of ours."""
    stamps: bool = True
    now: float = 0
    problems: dict[str, dict[str, Any]] = field(default_factory=dict)
    backups: list[dict[str, dict[str, Any]]] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)

    def time(self) -> str:
        return (NOON + timedelta(minutes=self.now + self.clock_minutes)).isoformat()

    def write(self, problem_id: str, status: str, *, keep_stamp: bool) -> None:
        old = self.problems.get(problem_id, {})
        held = {"id": problem_id, "category": "c", "description": "d", "priority": 1, "reason": "r", "status": status}
        if self.stamps:
            held["lastUpdate"] = old.get("lastUpdate", self.time()) if keep_stamp else self.time()
            held["statusChangeDate"] = old.get("statusChangeDate", self.time())
        self.problems = self.problems | {problem_id: held | {"note": [{"text": str(self.now)}]}}

    def delete(self, problem_id: str) -> None:
        self.problems = {key: held for key, held in self.problems.items() if key != problem_id}
        self.say("Delete", {"id": problem_id})

    def send(self, problem_id: str, style: str) -> None:
        held = self.problems.get(problem_id)
        if held is not None:
            names = {"whole": held.keys(), "status": ("id", "status"), "thin": ("id",)}[style]
            self.say("StateChange" if style == "status" else "AttributeValueChange", {key: held[key] for key in names})

    def say(self, change: str, payload: dict[str, Any]) -> None:
        event = {"eventType": f"ServiceProblem{change}Event", "event": {"serviceProblem": payload}}
        self.events.append(orjson.dumps(event | ({"eventTime": self.time()} if self.stamps else {})))


class DiedError(Exception):
    """The bridge is no more."""


@dataclass
class Death:
    """At which call to Postgres, of those that come, the bridge dies: before it or, `carried_out`, after it."""

    call: int
    carried_out: bool


NEVER = Death(0, carried_out=False)


def deaths(calls: int) -> st.SearchStrategy[Death]:
    """A death at one of so many calls (or at none, when the step has fewer), as often as none."""
    return st.just(NEVER) | st.builds(Death, call=st.integers(1, calls), carried_out=st.booleans())


class Fate:
    """Lets the bridge die at a call to Postgres; `met` tells how often it did, by what was called and whether that was
    carried out.
    """

    def __init__(self) -> None:
        self.death, self.calls = NEVER, 0
        self.met: Counter[tuple[str, bool]] = Counter()

    @contextmanager
    def of(self, death: Death) -> Iterator[None]:
        """Within this the death comes, if there are so many calls."""
        self.death, self.calls = death, 0
        try:
            yield
        finally:
            self.death = NEVER

    async def call(self, connection: Any, real: Any, query: str, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls != self.death.call:
            return await real(connection, query, *arguments, **options)
        self.met[query if query in ("BEGIN;", "COMMIT;") else "a statement", self.death.carried_out] += 1
        if self.death.carried_out:
            await real(connection, query, *arguments, **options)
        elif query == "COMMIT;":
            await real(connection, "ROLLBACK;")  # as Postgres does when the connection ends
        raise DiedError

    @contextmanager
    def hangs_over(self, session: Any) -> Iterator[None]:
        """Every statement of the pool's connections is a call while this lasts."""
        statement, query = session._execute, session.execute

        async def statement_or_death(connection: Any, text: str, *arguments: Any, **options: Any) -> Any:
            return await self.call(connection, statement, text, *arguments, **options)

        async def query_or_death(connection: Any, text: str, *arguments: Any, **options: Any) -> Any:
            if arguments:  # it is a statement too
                return await query(connection, text, *arguments, **options)
            return await self.call(connection, query, text, **options)

        session._execute, session.execute = statement_or_death, query_or_death
        try:
            yield
        finally:
            del session._execute, session.execute  # what it inherits is there again


async def nothing_more(_: Connection, __: Sequence[Entry], ___: Stored) -> None:
    """With something to do in the same transaction, as passes have it, a batch is stored in one."""


class Tables:
    """The bridge's side, on a real database."""

    def __init__(self, portal: BlockingPortal, database: Database, fate: Fate) -> None:
        self.portal, self.database, self.fate = portal, database, fate
        self.passed_over = 0

    def hear(self, *entries: Entry) -> None:
        """Store notifications, the plain way when that is enough."""
        if entries:
            self.portal.call(store_items, self.database, entries)

    def store(self, *entries: Entry, touch: bool = True) -> None:
        """Store what a pass or a fetch brought."""
        if entries:
            self.portal.call(partial(store_items, self.database, entries, touch=touch, then=nothing_more))

    def pass_over(self, *entries: Entry) -> None:
        """Store rows of a list that was read before, but for those that say word for word what is current."""
        seen = [entry.observation for entry in entries if entry.observation is not None]
        known, _ = self.call(list_digest.current_digests, 1, [each.problem_id for each in seen])
        unknown = [entry for entry in entries if entry.observation is None or entry.observation.listed not in known]
        self.passed_over += len(entries) - len(unknown)
        self.store(*unknown, touch=False)

    def call(self, what: Any, *arguments: Any, **named: Any) -> Any:
        async def run() -> Any:
            async with self.database.transaction() as connection:
                return await what(connection, *arguments, **named)

        return self.portal.call(run)

    def fetch(self, query: str) -> list[Any]:
        async def run(connection: Connection) -> list[Any]:
            return list(await connection.fetch(query))

        return list(self.call(run))


class Convergence(RuleBasedStateMachine):
    """Random interleaving of what a source, the network, the jobs and the machine do."""

    tables: Tables

    def __init__(self) -> None:
        super().__init__()
        self.source = Source()
        self.answers: list[tuple[Entry, ...]] = []
        for table in ("service_problem", "service_problem_version", "status_change", "notification", "refetch"):
            self.tables.fetch(f"delete from bridge.{table}")  # noqa: S608 -- names of our own
        self.tables.fetch("delete from bridge.notification_digest")

    @initialize(clock=HOURS, stamps=st.booleans())
    def begin(self, clock: float, stamps: bool) -> None:
        self.source = Source(clock_minutes=clock, stamps=stamps)

    def at(self) -> datetime:
        return NOON + timedelta(minutes=self.source.now)

    def notified(self, raw: bytes) -> Entry:
        notification = wire.read_notification(raw, received_at=self.at())
        return Entry(1, notification.observation, notification)

    def answer(self, via: Via, *ids: str) -> tuple[Entry, ...]:
        held = self.source.problems
        return tuple(self.row(held[one], via) for one in ids or held if one in held)

    def row(self, item: dict[str, Any], via: Via) -> Entry:
        digest = None if via is Via.REFETCH else wire.listed(rows_of([item]))[0]
        return Entry(1, wire.read_problem(item, asked_at=self.at(), via=via, digest=digest))

    @rule(
        problem_id=st.sampled_from(IDS),
        status=st.sampled_from(STATUSES),
        keep_stamp=st.booleans(),
        shown=st.lists(st.sampled_from(["whole", "status", "thin"]), max_size=2),
        tick=st.sampled_from([0, 1, 1]),
    )
    def change(self, problem_id: str, status: str, *, keep_stamp: bool, shown: list[str], tick: int) -> None:
        self.source.now += tick
        self.source.backups.append(self.source.problems)
        self.source.write(problem_id, status, keep_stamp=keep_stamp)
        for style in shown:
            self.source.send(problem_id, style)

    @rule(problem_id=st.sampled_from(IDS))
    def delete(self, problem_id: str) -> None:
        self.source.now += 1
        self.source.delete(problem_id)

    @rule(which=st.integers(0, 9))
    def restore(self, which: int) -> None:
        if self.source.backups:
            self.source.problems = self.source.backups[which % len(self.source.backups)]

    @contextmanager
    def mortal(self, death: Death) -> Iterator[None]:
        """The rest of the step is not lived through when death comes."""
        with suppress(DiedError), self.tables.fate.of(death):
            yield

    @rule(picks=st.lists(st.integers(0, 9), min_size=1, max_size=4), again=st.booleans(), death=deaths(4))
    def hear(self, picks: list[int], again: bool, death: Death) -> None:
        self.source.now += 1
        chosen = [self.source.events[pick % len(self.source.events)] for pick in picks if self.source.events]
        with self.mortal(death):
            self.tables.hear(*map(self.notified, chosen))
            if not again:
                self.source.events = [raw for raw in self.source.events if raw not in chosen]

    @rule()
    def ask(self) -> None:
        self.source.now += 1
        self.answers.append(self.answer(Via.POLL))

    @rule(which=st.integers(0, 9), again=st.booleans(), death=deaths(8))
    def answered(self, which: int, again: bool, death: Death) -> None:
        """`again`: it is a whole list, of which most is known."""
        if self.answers:
            entries = self.answers[which % len(self.answers)]
            with self.mortal(death):
                (self.tables.pass_over if again else self.tables.store)(*entries)
                self.answers.remove(entries)

    @rule(death=deaths(10))
    def fetch_by_id(self, death: Death = NEVER) -> None:
        self.source.now += 1
        with self.mortal(death):
            for request in self.tables.call(refetch.due, 1, self.at(), 10):
                answer = self.answer(Via.REFETCH, request.problem_id)
                if answer:
                    self.tables.store(*answer)
                elif request.reason in DELETION_REASONS:
                    self.tables.store(self.tombstone(request.problem_id, Via.REFETCH))
                else:
                    self.tables.call(refetch.drop, 1, request)

    @rule(death=deaths(32))
    def reconcile(self, death: Death = NEVER) -> None:
        """One pass over everything."""
        self.source.now += 1
        started_at = self.at()
        with self.mortal(death):
            seen: set[str] = set()
            for entry in self.answer(Via.RECONCILE):
                assert entry.observation is not None
                self.tables.pass_over(entry)
                seen.add(entry.observation.problem_id)
            missed = self.tables.call(
                missing_problem.mark,
                1,
                started_at=started_at,
                unseen=lambda ids: [each for each in ids if each not in seen],
            )
            for problem_id in missed.twice:
                answer = self.answer(Via.REFETCH, problem_id)
                self.tables.store(*(answer or [self.tombstone(problem_id, Via.REFETCH)]))

    @invariant()
    def every_problem_has_a_body(self) -> None:
        """Its own where patches stand on a whole statement, or there is none; else that statement's version has it."""
        assert not self.tables.fetch(
            """
            select p.id
            from bridge.service_problem as p
            left join bridge.service_problem_version as v
                on
                    p.source_id = v.source_id and p.id = v.problem_id
                    and p.content_at = v.effective_at and p.content_hash = v.content_hash and v.kind = 'full'
            where
                (p.body is null) is distinct from (not p.patched and p.content_at is not null)
                or (p.body is null and v.body is null)"""
        )

    @rule(what=st.sampled_from(["versions", "status_changes"]), age=st.integers(1, 5), death=deaths(3))
    def prune(self, what: str, age: int, death: Death) -> None:
        before = self.at() - timedelta(minutes=age)
        with self.mortal(death):
            self.tables.call(retention.delete, what, before, 2)

    def tombstone(self, problem_id: str, via: Via) -> Entry:
        at = self.at()
        return Entry(1, Observation(problem_id, Kind.TOMBSTONE, via, at, at, False, b"{}", TOMBSTONE_HASH))

    def teardown(self) -> None:
        """The stream ends; two reconciles, and the fetches they ask for, bring the tables home."""
        for entries in self.answers:
            self.tables.store(*entries)
        self.source.now += 1
        for _ in range(2):
            self.reconcile()
            self.fetch_by_id()
        rows = self.tables.fetch("select id, status, body from report.service_problem where deleted_at is null")
        assert {row["id"]: orjson.loads(row["body"]) for row in rows} == self.source.problems
        assert {row["id"]: row["status"] for row in rows} == {
            key: normalise(held["status"]).value for key, held in self.source.problems.items()
        }
        self.the_timeline_ends_here()

    def the_timeline_ends_here(self) -> None:
        last = self.tables.fetch("select id, body from report.service_problem_version where valid_to is null")
        assert {row["id"]: orjson.loads(row["body"]) for row in last} == self.source.problems
        last = self.tables.fetch("select id, status from report.status_interval where left_at is null")
        assert {row["id"]: row["status"] for row in last} == {
            key: held["status"] for key, held in self.source.problems.items()
        }
        assert not self.tables.fetch("select from report.status_interval where left_at < entered_at")
        assert not self.tables.fetch("select from report.service_problem_version where valid_to <= valid_from")


@contextmanager
def tables_on(dsn: str) -> Iterator[Tables]:
    """The tables, with an event loop of their own: the machine's rules are no coroutines."""
    fate = Fate()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened(dsn, wait=False)) as database:
        tables = Tables(portal, database, fate)
        tables.fetch("insert into bridge.source (name) values ('model')")
        with fate.hangs_over(pool._Session):
            yield tables


def converge(dsn: str, examples: int, steps: int, *, explore: bool) -> None:
    """Run the machine; `explore` draws other examples each time, else they are the same on every machine."""
    relaxed = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=not explore,
        suppress_health_check=list(HealthCheck),
    )
    with tables_on(dsn) as tables:

        def machine() -> Convergence:
            Convergence.tables = tables
            return Convergence()

        run_state_machine_as_test(machine, settings=relaxed)
        assert set(tables.fate.met) == set(product(("BEGIN;", "COMMIT;", "a statement"), (False, True)))
        assert tables.fate.met.total() > examples
        assert tables.passed_over > examples // 2


@pytest.mark.early
def test_whatever_happens_the_tables_come_home(dsn: str) -> None:
    converge(dsn, examples=150, steps=30, explore=False)


@pytest.mark.long
def test_whatever_happens_for_long_the_tables_come_home(dsn: str) -> None:
    converge(dsn, examples=1500, steps=50, explore=True)
