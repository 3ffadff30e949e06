"""Following the changes: each is sent, in order, whatever becomes of queues, connections and the order of commits."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import asyncpg
import orjson
import pytest

from bridge.domain.observation import Via
from bridge.domain.stream_event import Position, StreamFilter, StreamStep
from bridge.errors import TransientError
from bridge.storage import change, retention
from bridge.storage.database import Database
from bridge.storage.observation import Entry, store
from bridge.stream import broadcaster as broadcaster_module
from bridge.stream import follower
from bridge.stream.broadcaster import Broadcaster
from bridge.stream.follower import Follower
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire
from tests.changes import changed

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIMIT_SECONDS = 20.0


def listed(problem_id: str, status: str = "inProgress", minute: float = 0, **more: Any) -> Entry:
    when = (NOON + timedelta(minutes=minute)).isoformat()
    said = {"id": problem_id, "category": "x", "status": status, "statusChangeDate": when, "lastUpdate": when} | more
    return Entry(1, wire.read_problem(said, asked_at=NOON + timedelta(minutes=60 + minute), via=Via.POLL))


async def keep(database: Database, *entries: Entry) -> None:
    async with database.transaction() as connection:
        await store(connection, entries)


@pytest.fixture
async def broadcaster(database: Database) -> AsyncIterator[Broadcaster]:
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
    one = Broadcaster(database, Metrics())
    async with anyio.create_task_group() as group:
        group.start_soon(one.run)
        yield one
        group.cancel_scope.cancel()


async def received(follower: Follower, count: int, wish: StreamFilter | None = None) -> list[dict[str, Any]]:
    """The next so many events."""
    arrived: list[dict[str, Any]] = []
    with anyio.fail_after(LIMIT_SECONDS):
        while len(arrived) < count:
            step = await follower.next(LIMIT_SECONDS)
            assert step is not None
            arrived += map(orjson.loads, step.wanted(wish or follower.wish))
    return arrived


async def test_what_is_committed_is_told_as_it_is_now(database: Database, broadcaster: Broadcaster) -> None:
    async with broadcaster.follow(StreamFilter()) as follower:
        await keep(database, listed("a"), listed("b", "held", priority=2))
        one, two = sorted(await received(follower, 2), key=lambda event: str(event["id"]))
        assert (one["id"], one["status"], one["deleted"]) == ("a", "inProgress", False)
        assert (two["source"], two["id"], two["status"], two["priority"]) == ("snow", "b", "held", 2)
        assert "body" not in two
        await keep(database, listed("a", "resolved", 1))
        wish = StreamFilter(bodies=True)
        (again,) = await received(follower, 1, wish)
        assert (again["status"], again["body"]["status"], again["body"]["id"]) == ("resolved", "resolved", "a")


async def test_all_followers_hear_the_same_and_each_what_it_wants(database: Database, broadcaster: Broadcaster) -> None:
    wishes = [StreamFilter(), StreamFilter(statuses=frozenset(["held"])), StreamFilter(sources=frozenset(["oss"]))]
    async with (
        broadcaster.follow(wishes[0]) as every,
        broadcaster.follow(wishes[1]) as held,
        broadcaster.follow(wishes[2]) as other,
    ):
        await keep(database, listed("a"), listed("b", "held"), listed("c", "held"))
        assert sorted(one["id"] for one in await received(every, 3)) == ["a", "b", "c"]
        assert sorted(one["id"] for one in await received(held, 2)) == ["b", "c"]
        with anyio.fail_after(LIMIT_SECONDS):
            step = await other.next(LIMIT_SECONDS)
        assert step is not None
        assert step.wanted(wishes[2]) == []
        assert other.position == every.position


async def test_who_comes_back_hears_what_it_missed_once_and_then_what_comes(
    database: Database, broadcaster: Broadcaster
) -> None:
    async with broadcaster.follow(StreamFilter()) as follower:
        await keep(database, listed("a"))
        await received(follower, 1)
        left_at = follower.position
    await keep(database, listed("b"))
    await keep(database, listed("c"))
    async with broadcaster.follow(StreamFilter(after=left_at)) as follower:
        await keep(database, listed("d"))
        assert [one["id"] for one in await received(follower, 3)] == ["b", "c", "d"]
        assert not follower.reset


async def test_who_comes_back_too_late_is_told_to_begin_anew(database: Database, broadcaster: Broadcaster) -> None:
    async with broadcaster.follow(StreamFilter()) as follower:
        for problem_id in "abc":
            await keep(database, listed(problem_id))
        await received(follower, 3)
        left_at = follower.position
    for problem_id in "def":
        await keep(database, listed(problem_id))
    async with database.transaction() as connection:
        await connection.execute("update bridge.summary set committed = '1000000000', change_id = 0")
        assert await retention.delete(connection, "changes", datetime.now(UTC) + timedelta(seconds=1), 3) == 3
        assert await change.complete(connection, left_at) is False
        first = await connection.fetchrow(
            "select committed::text, id from bridge.change order by committed, id limit 1"
        )
        assert first is not None
        assert await change.complete(connection, Position(int(first[0]), first[1])) is True
        assert await retention.delete(connection, "changes", datetime.now(UTC) + timedelta(seconds=1), 100) == 2
    async with broadcaster.follow(StreamFilter(after=left_at)) as follower:
        assert follower.reset
        await keep(database, listed("g"))
        arrived = ""
        while arrived != "g":  # what was sent already may be sent again
            [one] = await received(follower, 1)
            assert one["id"] in {"f", "g"}
            arrived = str(one["id"])
    async with broadcaster.follow(StreamFilter(after=Position(2**62, 1))) as follower:
        assert follower.reset, "the position is of another server"


async def test_a_slow_one_loses_its_queue_and_nothing_else(
    database: Database, broadcaster: Broadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "QUEUE_BYTES", 20_000)
    overflows = broadcaster.metrics.stream_overflows
    async with broadcaster.follow(StreamFilter()) as slow, broadcaster.follow(StreamFilter()) as quick:
        for number in range(30):
            await keep(database, listed(f"p{number:02}", description="x" * 2000))
            assert [one["id"] for one in await received(quick, 1)] == [f"p{number:02}"]
        assert overflows._value.get() >= 1
        await keep(database, listed("last"))
        arrived = [one["id"] for one in await received(slow, 31)]
        assert arrived == [*(f"p{number:02}" for number in range(30)), "last"]


async def test_a_large_change_is_told_in_parts_and_left_only_at_its_end(
    database: Database, broadcaster: Broadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcaster_module, "_PROBLEMS", 4)
    async with broadcaster.follow(StreamFilter()) as follower:
        stood_at = follower.position
        await keep(database, *(listed(f"p{number}") for number in range(10)))
        steps: list[StreamStep] = []
        with anyio.fail_after(LIMIT_SECONDS):
            while not steps or not steps[-1].last:
                assert follower.position == stood_at
                step = await follower.next(LIMIT_SECONDS)
                assert step is not None
                steps.append(step)
        assert [len(step.events) for step in steps] == [4, 4, 2]
        assert follower.position == steps[-1].position > stood_at
    async with broadcaster.follow(StreamFilter(after=stood_at)) as follower:
        assert sorted(one["id"] for one in await received(follower, 10)) == sorted(f"p{number}" for number in range(10))


async def test_a_commit_that_was_overtaken_is_told_as_well(
    dsn: str, database: Database, broadcaster: Broadcaster
) -> None:
    slow = await asyncpg.connect(dsn)
    async with broadcaster.follow(StreamFilter()) as follower:
        await keep(database, listed("slow"))
        await received(follower, 1)
        transaction = slow.transaction()
        await transaction.start()
        await changed(slow, [(1, "slow")])
        await keep(database, listed("quick"))
        await transaction.commit()
        assert {one["id"] for one in await received(follower, 2)} == {"slow", "quick"}
    await slow.close()


async def test_followers_stay_while_postgres_drops_connections(
    dsn: str, database: Database, broadcaster: Broadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await asyncpg.connect(dsn)
    async with broadcaster.follow(StreamFilter()) as follower:
        await keep(database, listed("a"))
        await received(follower, 1)
        await admin.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'tmf656%'"
        )
        while True:
            try:
                await keep(database, listed("b"))
                break
            except TransientError:
                await anyio.lowlevel.checkpoint()
        assert [one["id"] for one in await received(follower, 1)] == ["b"]
    await admin.close()


async def test_stopping_ends_all_and_lets_nobody_in(database: Database) -> None:
    one = Broadcaster(database, Metrics())
    async with anyio.create_task_group() as group:
        group.start_soon(one.run)
        async with one.follow(StreamFilter()) as follower:
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True), anyio.fail_after(LIMIT_SECONDS), follower.scope:
                await anyio.sleep(math.inf)
    assert follower.scope.cancel_called
    with pytest.raises(TransientError):
        async with one.follow(StreamFilter()):
            pass


async def test_there_is_an_end_to_how_many_follow(
    database: Database, broadcaster: Broadcaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcaster_module, "MOST_FOLLOWERS", 1)
    async with broadcaster.follow(StreamFilter()):
        with pytest.raises(TransientError, match="follow already"):
            async with broadcaster.follow(StreamFilter()):
                pass
    async with broadcaster.follow(StreamFilter()):
        pass


async def test_nobody_holds_a_connection_when_nobody_follows(database: Database, broadcaster: Broadcaster) -> None:
    async with broadcaster.follow(StreamFilter()):
        assert database.figures()["used"] == 1
    await keep(database, listed("a"))
    with anyio.fail_after(LIMIT_SECONDS):
        while database.figures()["used"]:  # noqa: ASYNC110 -- another task makes it true
            await anyio.sleep(0.01)
