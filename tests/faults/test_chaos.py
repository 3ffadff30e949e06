"""A fault at every single call to Postgres or to the server, before it was carried out and after: the same end.

Each run lives through the same day: register, first poll, notifications of every kind (new, changed, partial, repeated,
deleted, unreadable), fetching by id, a poll, three reconciles, pruning. Once in it, at the n-th call, the connection
breaks: before the call, so that nothing of it happened, or after it, so that it happened and nobody knows (of a COMMIT
above all). What failed is tried again, as jobs and senders do. The short form takes every ninth n, before and after in
turns; the long form every one, before and after.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, product
from typing import Any, Literal

import aiohttp
import asyncpg
import orjson
import pytest

from bridge.errors import BridgeError, UnreadableError
from bridge.ingest.group_commit import result_of
from bridge.ingest.receiver import Receiver
from bridge.maintenance.retention import RetentionJob
from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656.background import background
from bridge.sources.state import SourceState
from bridge.storage import database as pool

pytestmark = pytest.mark.anyio

Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]
When = Literal["before", "after"]
WHEN: tuple[When, ...] = ("before", "after")

_STRIDE = 9
_TRIES = 4
_TABLES = """
    bridge.source, bridge.watermark, bridge.service_problem, bridge.service_problem_version,
    bridge.status_change, bridge.notification, bridge.notification_digest, bridge.dead_letter, bridge.refetch,
    bridge.awaited_notification, bridge.change, bridge.subscription, bridge.push_outcome
"""
_LEFT = {
    "current": """
        select p.id, p.status, p.priority, p.content_at, p.deleted_at is not null, n.body, p.body is null
        from bridge.service_problem as p
        inner join bridge.service_problem_with_body as n on p.source_id = n.source_id and p.id = n.id
        order by p.id""",
    "facts": """
        select v.problem_id, v.kind, case when v.kind <> 'tombstone' then v.effective_at end, v.superseded, v.body
        from bridge.service_problem_version as v order by 1, 2, 3, 4, 5""",
    "statuses": """
        select c.problem_id, c.effective_at, c.status, c.superseded from bridge.status_change as c order by 1, 2, 3""",
    "logged": """
        select n.event_id, n.outcome, n.problem_id from bridge.notification as n
        where n.outcome not in ('duplicate', 'dead_letter') order by 1, 2, 3""",
    "letters": "select d.reason, d.raw from bridge.dead_letter as d order by 1, 2",
    "waiting": "select r.problem_id from bridge.refetch as r order by 1",
    "registered": "select count(*) from bridge.subscription as s where s.state = 'active'",
}


@dataclass(slots=True)
class Chaos:
    """Breaks the connection once, at call number `at` (None: never), `before` or `after` it was carried out."""

    at: int | None = None
    when: When = "before"
    calls: int = 0

    def due(self) -> When | None:
        self.calls += 1
        return self.when if self.calls == self.at else None


@contextmanager
def chaotic(monkeypatch: pytest.MonkeyPatch, chaos: Chaos) -> Iterator[None]:
    """Every statement of the pool's connections and every request of the client counts as a call while this lasts."""
    session, client = pool._Session, aiohttp.ClientSession  # the simulator sends nothing here
    real_statement, real_query, real_request = session._execute, session.execute, client._request

    async def statement(self: Any, *arguments: Any, **options: Any) -> Any:
        return await broken(self, real_statement(self, *arguments, **options))

    async def query(self: Any, text: str, *arguments: Any, **options: Any) -> Any:
        call = real_query(self, text, *arguments, **options)
        return await (call if arguments else broken(self, call))  # with arguments it is a statement too

    async def broken(connection: Any, call: Any) -> Any:
        when = chaos.due()
        if when is None:
            return await call
        if when == "after":
            await call
        else:
            call.close()
        connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError(f"chaos {when} call {chaos.calls}")

    async def request(self: Any, *arguments: Any, **options: Any) -> Any:
        when = chaos.due()
        if when == "before":
            raise aiohttp.ClientConnectionError(f"chaos before call {chaos.calls}")
        answer = await real_request(self, *arguments, **options)
        if when == "after":
            answer.close()
            raise aiohttp.ServerDisconnectedError(f"chaos after call {chaos.calls}")
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(session, "_execute", statement)
        patch.setattr(session, "execute", query)
        patch.setattr(client, "_request", request)
        yield


async def insist(step: Callable[[], Awaitable[Any]]) -> Any:
    """Try again as jobs and senders do. What is no error of ours would end the process, and ends the test."""
    for _ in range(_TRIES - 1):
        try:
            return await step()
        except UnreadableError:
            return None
        except BridgeError:
            continue
    return await step()


@dataclass(slots=True)
class Day:
    """The same day again and again, on a server whose clock starts over."""

    sim: Simulator
    rig_for: RigFor
    admin: "asyncpg.Connection[asyncpg.Record]"
    morning: datetime
    before: Any

    def at(self, seconds: float) -> str:
        return (self.morning + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")

    async def live(self) -> dict[str, Any]:
        """Live through it; return what is left in the tables."""
        await self.admin.execute(f"truncate {_TABLES} restart identity cascade")
        *first, last = sorted(self.before)
        self.sim.restore({problem_id: self.before[problem_id] for problem_id in first})
        self.sim.forget_subscriptions()
        rig = await insist(lambda: self.rig_for(self.sim))  # a process that fails here is started again
        sim = self.sim
        await insist(lambda: rig.subscriber.run_once("start"))
        await insist(rig.poller.run_once)
        await self._notifications(rig, first, last)
        await insist(lambda: self._refetched(rig))
        await sim.patch(first[2], priority=3, lastUpdate=self.at(50))
        await insist(rig.poller.run_once)
        await sim.delete(first[3])
        for _ in range(3):  # two bury; a doubt whether it is really gone leaves it to the next
            await insist(rig.reconciler.run_once)
        await insist(RetentionJob(rig.database).run_once)
        await insist(lambda: rig.subscriber.run_once("renewal"))
        await insist(rig.subscriber._lost)  # the look after the registration that comes every minute
        assert len(sim.subscriptions) == 1, "one registration at the hub"
        return {name: [tuple(row) for row in await self.admin.fetch(query)] for name, query in _LEFT.items()}

    async def _notifications(self, rig: Any, first: list[str], last: str) -> None:
        sim = self.sim
        created = self.before[last]
        sim.restore(sim.snapshot() | {last: created})
        changed = await sim.patch(first[0], description="pushed as a whole", lastUpdate=self.at(10))
        await sim.patch(first[1], priority=1, lastUpdate=self.at(20))
        await sim.delete(first[4])
        said = [
            self._event(1, "Create", created, 1),
            self._event(2, "AttributeValueChange", changed, 10),
            self._event(3, "AttributeValueChange", {"id": first[1], "priority": 1, "lastUpdate": self.at(20)}, 20),
            self._event(2, "AttributeValueChange", changed, 10),
            self._event(4, "Delete", {"id": first[4]}, 30),
            b"this is no JSON",
        ]
        receiver = rig.receiver()
        async with background() as tasks:
            tasks.start_soon(receiver.writer.run)
            for raw in said:
                await insist(lambda raw=raw: _submitted(receiver, rig.source, raw))

    def _event(self, number: int, kind: str, problem: dict[str, Any], seconds: float) -> bytes:
        head = {"eventId": f"e{number}", "eventTime": self.at(seconds), "eventType": f"ServiceProblem{kind}Event"}
        return orjson.dumps(head | {"event": {"serviceProblem": problem}})

    async def _refetched(self, rig: Any) -> None:
        await self.admin.execute("update bridge.refetch set due_at = '-infinity'")
        await rig.refetcher.run_once()


async def _submitted(receiver: Receiver, source: SourceState, raw: bytes) -> str:
    return result_of(await receiver.submit(source, raw, None, datetime.now(UTC)))


@pytest.fixture
async def day(rig_for: RigFor, dsn: str) -> AsyncIterator[Day]:
    """A day on a server with eight problems."""
    admin = await asyncpg.connect(dsn)
    await admin.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=orjson.loads)
    async with Simulator(population=8, seed=1, faults=Faults(lose=1.0, hub_readable=True)) as sim:
        yield Day(sim, rig_for, admin, datetime.now(UTC), sim.snapshot())
    await admin.close()


async def undisturbed(day: Day, monkeypatch: pytest.MonkeyPatch, shown: Shown) -> tuple[dict[str, Any], int]:
    chaos = Chaos()
    with chaotic(monkeypatch, chaos):
        left = await day.live()
    alive = {row[0]: row[5] for row in left["current"] if not row[4]}
    assert alive == shown(day.sim)
    assert [(row[0], row[1]) for row in left["logged"] if row[0]] == [(f"e{n}", "applied") for n in (1, 2, 3, 4)]
    assert chaos.calls > 80
    return left, chaos.calls


async def held(
    day: Day, monkeypatch: pytest.MonkeyPatch, shown: Shown, chosen: Callable[[int], Iterable[tuple[int, When]]]
) -> None:
    left, calls = await undisturbed(day, monkeypatch, shown)
    tried = came = 0
    for number, when in chosen(calls):
        chaos = Chaos(number, when)
        with chaotic(monkeypatch, chaos):
            assert await day.live() == left, f"{when} call {number} of {calls}"
        tried, came = tried + 1, came + (chaos.calls >= number)
    assert came > 0.9 * tried, "one day differs from the next by a few calls: how many notifications make a batch"


@pytest.mark.early
async def test_a_fault_at_any_ninth_call_changes_nothing(
    day: Day, monkeypatch: pytest.MonkeyPatch, shown: Shown
) -> None:
    await held(day, monkeypatch, shown, lambda calls: zip(range(1, calls + 1, _STRIDE), cycle(WHEN), strict=False))


@pytest.mark.long
async def test_a_fault_at_any_call_changes_nothing(day: Day, monkeypatch: pytest.MonkeyPatch, shown: Shown) -> None:
    await held(day, monkeypatch, shown, lambda calls: product(range(1, calls + 1), WHEN))
