"""What changed is announced with the commit and never without it, in bounds; a follower of the table misses nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.postgres.embedded import Embedded
from bridge.storage import change, retention
from bridge.storage.change import CHANNEL, Position
from bridge.storage.database import Connection, Database, opened
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire
from tests.changes import changed

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FROM_THE_START = Position(0, 0)


def problem(number: int | str, status: str = "inProgress", at: float = 0) -> dict[str, Any]:
    when = (NOON + timedelta(minutes=at)).isoformat()
    return {"id": str(number), "category": "x", "status": status, "statusChangeDate": when, "lastUpdate": when}


def listed(source_id: int, said: dict[str, Any], *, asked: float = 60, via: Via = Via.POLL) -> Entry:
    return Entry(source_id, wire.read_problem(said, asked_at=NOON + timedelta(minutes=asked), via=via))


def pushed(source_id: int, said: dict[str, Any], *, kind: str = "StateChange", received: float = 60) -> Entry:
    raw = orjson.dumps({"eventType": f"ServiceProblem{kind}Event", "event": {"serviceProblem": said}})
    notification = wire.read_notification(raw, received_at=NOON + timedelta(minutes=received))
    return Entry(source_id, notification.observation, notification)


def gone(problem_id: str, *, asked: float) -> Observation:
    at = NOON + timedelta(minutes=asked)
    return Observation(problem_id, Kind.TOMBSTONE, Via.RECONCILE, at, at, False, b"{}", TOMBSTONE_HASH)


class Listener:
    """A connection of its own that listens, as anybody's would."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.connection = connection
        self.payloads: asyncio.Queue[str] = asyncio.Queue()

    async def payloads_until_now(self) -> list[dict[str, Any]]:
        """All that was announced by commits before this call: Postgres delivers in the order of commits, so what
        stands before our own word is all of it.
        """
        await self.connection.execute(f"notify {CHANNEL}, 'end'")
        payloads = []
        with anyio.fail_after(10):
            while (payload := await self.payloads.get()) != "end":
                assert len(payload.encode()) < 8000
                payloads.append(orjson.loads(payload))
        return payloads


@pytest.fixture
async def listener(dsn: str) -> AsyncIterator[Listener]:
    connection = await asyncpg.connect(dsn)
    listener = Listener(connection)
    await connection.add_listener(CHANNEL, lambda *given: listener.payloads.put_nowait(str(given[3])))
    yield listener
    await connection.close()


@pytest.fixture
async def sources(database: Database) -> dict[str, int]:
    async with database.connection() as connection:
        rows = await connection.fetch("insert into bridge.source (name) values ('snow'), ('oss') returning name, id")
    return {row["name"]: row["id"] for row in rows}


async def keep(database: Database, *entries: Entry) -> None:
    async with database.transaction() as connection:
        await store(connection, entries)


async def noted(database: Database) -> list[tuple[int, list[str]]]:
    async with database.connection() as connection:
        return [(row.source_id, row.problem_ids) for row in await change.after(connection, FROM_THE_START)]


async def test_each_commit_tells_its_problems_once_a_source(
    database: Database, listener: Listener, sources: dict[str, int]
) -> None:
    snow, oss = sources["snow"], sources["oss"]
    await keep(database, *(listed(snow, problem(number)) for number in (2, 1)), listed(oss, problem(1)))
    payloads_until_now = await listener.payloads_until_now()
    assert sorted(payloads_until_now, key=lambda one: one["source"]) == [
        {"source": "oss", "ids": ["1"]},
        {"source": "snow", "ids": ["1", "2"]},
    ]
    await keep(database, listed(snow, problem(2, "resolved", 1)))
    assert await listener.payloads_until_now() == [{"source": "snow", "ids": ["2"]}]
    assert sorted(await noted(database)) == sorted([(snow, ["1", "2"]), (oss, ["1"]), (snow, ["2"])])


async def test_a_rollback_announces_nothing(database: Database, listener: Listener, sources: dict[str, int]) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 -- the transaction is to end in it
        async with database.transaction() as connection:
            await store(connection, [listed(sources["snow"], problem(1))])
            raise ZeroDivisionError
    assert await listener.payloads_until_now() == []
    assert await noted(database) == []


async def test_seeing_a_problem_again_is_no_change(
    database: Database, listener: Listener, sources: dict[str, int]
) -> None:
    snow = sources["snow"]
    await keep(database, listed(snow, problem(1)))
    await listener.payloads_until_now()
    await keep(database, listed(snow, problem(1), asked=70))
    event = pushed(snow, problem(1, "resolved", 1))
    await keep(database, event, event)
    assert await listener.payloads_until_now() == [{"source": "snow", "ids": ["1"]}]
    await keep(database, event)
    assert await listener.payloads_until_now() == []


async def test_what_comes_late_and_alters_only_the_past_is_a_change(
    database: Database, listener: Listener, sources: dict[str, int]
) -> None:
    snow = sources["snow"]
    await keep(database, pushed(snow, problem(1, "resolved", 10)))
    await listener.payloads_until_now()
    await keep(database, pushed(snow, problem(1, "acknowledged", 5), received=61))
    async with database.connection() as connection:
        current = await connection.fetchval("select status from report.service_problem")
    assert current == "resolved"
    assert await listener.payloads_until_now() == [{"source": "snow", "ids": ["1"]}]


async def test_a_deletion_and_what_is_pruned_of_it_are_changes(
    database: Database, listener: Listener, sources: dict[str, int]
) -> None:
    snow = sources["snow"]
    await keep(database, listed(snow, problem(1)))
    await keep(database, Entry(snow, gone("1", asked=70)))
    assert await listener.payloads_until_now() == [{"source": "snow", "ids": ["1"]}] * 2
    async with database.transaction() as connection:
        assert await retention.delete(connection, "tombstones", datetime.now(UTC), 10) == 1
    assert await noted(database) == [(snow, ["1"])] * 3


LONG = [[letter * 240 + str(number) for number in range(count)] for letter, count in (("x", 40), ("é", 20), ('"', 20))]


@pytest.mark.parametrize("ids", LONG)
async def test_a_payload_that_would_be_too_long_says_more(
    database: Database, listener: Listener, sources: dict[str, int], ids: list[str]
) -> None:
    await keep(database, *(listed(sources["snow"], problem(one)) for one in ids))
    assert await listener.payloads_until_now() == [{"source": "snow", "more": True}]
    assert await noted(database) == [(sources["snow"], sorted(ids))]


async def test_the_largest_payload_that_fits_holds_the_ids(
    database: Database, listener: Listener, sources: dict[str, int]
) -> None:
    frame = len('{"source" : "snow", "ids" : [""]}')
    for size, holds in ((7999 - frame, True), (8000 - frame, False)):
        async with database.transaction() as connection:
            await changed(connection, [(sources["snow"], "x" * size)])
        assert ["ids" in one for one in await listener.payloads_until_now()] == [holds]


async def test_a_follower_waits_for_a_transaction_that_began_before(
    dsn: str, database: Database, sources: dict[str, int]
) -> None:
    """Two writers whose commits overtake each other: reading by id alone would lose the slow one for ever."""
    snow = sources["snow"]
    slow = await asyncpg.connect(dsn)
    try:
        transaction = slow.transaction()
        await transaction.start()
        await changed(slow, [(snow, "slow")])
        await keep(database, listed(snow, problem("fast")))
        assert await noted(database) == []
        await transaction.commit()
        assert await noted(database) == [(snow, ["slow"]), (snow, ["fast"])]
    finally:
        await slow.close()


STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["write", "commit", "rollback", "read"])), max_size=30)


@given(steps=STEPS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_however_writers_interleave_a_follower_sees_each_commit_once(dsn: str, steps: list[Any]) -> None:
    async with opened(dsn, min_size=1, max_size=2, wait=False) as database, database.connection() as follower:
        await follower.execute("insert into bridge.source (name) values ('snow') on conflict do nothing")
        writers = [await asyncpg.connect(dsn) for _ in range(4)]
        position = await change.horizon(follower)
        seen: list[str] = []
        committed: set[str] = set()
        under_way: dict[int, tuple[Any, list[str]]] = {}
        try:
            for number, (writer, step) in enumerate(steps):
                if step == "write":
                    if writer not in under_way:
                        transaction = writers[writer].transaction()
                        await transaction.start()
                        under_way[writer] = (transaction, [])
                    await changed(writers[writer], [(1, str(number))])
                    under_way[writer][1].append(str(number))
                elif step == "read":
                    position = await _follow(follower, position, seen)
                elif writer in under_way:
                    transaction, wrote = under_way.pop(writer)
                    await (transaction.commit() if step == "commit" else transaction.rollback())
                    committed.update(wrote if step == "commit" else ())
        finally:
            for one in writers:
                await one.close()
        with anyio.fail_after(10):
            while len(seen) < len(committed):
                position = await _follow(follower, position, seen)
        await _follow(follower, position, seen)
        assert sorted(seen) == sorted(committed)


async def _follow(follower: Connection, position: Position, seen: list[str]) -> Position:
    for one in await change.after(follower, position, limit=2):
        assert one.position > position
        position = one.position
        seen += one.problem_ids
    return position


async def test_what_is_older_than_a_day_is_pruned_but_the_last_of_it_and_what_another_server_numbered(
    database: Database, sources: dict[str, int]
) -> None:
    snow = sources["snow"]
    async with database.transaction() as connection:
        await changed(connection, [(snow, "new")])
        await connection.execute(
            """
            insert into bridge.change (committed, changed_at, source_id, problem_ids)
            select x.committed::text::xid8, now() - x.age, $1, array['old']
            from (values (3, '25 h'::interval), (4, '26 h'), (5, '23 h'), (1000000000000, '0')) as x (committed, age)
            """,
            snow,
        )
    async with database.transaction() as connection:
        await connection.execute("update bridge.summary set committed = '1000000000', change_id = 0")
        assert await retention.delete(connection, "changes", datetime.now(UTC) - timedelta(days=1), 100) == 2
    assert await noted(database) == [(snow, ["old"]), (snow, ["old"]), (snow, ["new"])]


async def test_d7_a_transaction_in_another_database_that_holds_changes_back_is_named(
    database: Database, sources: dict[str, int], postgres: Embedded
) -> None:
    async with database.connection() as connection:
        assert await change.held_back(connection) == (0.0, None)
    elsewhere = await asyncpg.connect(postgres.dsn, server_settings={"application_name": "forgotten"})
    async with elsewhere.transaction():
        await elsewhere.execute("select pg_current_xact_id()")
        await keep(database, listed(sources["snow"], problem("SP-1")))
        async with database.connection() as connection:
            seconds, holder = await change.held_back(connection)
        assert seconds > 0
        assert holder is not None
        assert "forgotten" in holder
        assert "idle in transaction" in holder
    await elsewhere.close()
    async with database.connection() as connection:
        with anyio.fail_after(20):
            while await change.held_back(connection) != (0.0, None):  # noqa: ASYNC110 -- an autovacuum may be under way
                await anyio.sleep(0.02)
