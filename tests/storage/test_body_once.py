"""A body is kept once: the current row refers to the version that has it, and that version is always there."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import asyncpg
import orjson
import pytest

from bridge.domain.observation import Kind, Via
from bridge.storage import change, observation, retention
from bridge.storage.database import Connection, Database, translated
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.observation import Entry, Stored
from bridge.tmf656 import wire
from tests.locks import blocked

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
AFTER_ALL = NOON + timedelta(days=1)
StoreEach = Callable[..., Awaitable[Stored]]


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def whole(status: str, minute: float | None, **more: Any) -> dict[str, Any]:
    stamp = {} if minute is None else {"lastUpdate": at(minute).isoformat()}
    return {
        "id": "SP-1",
        "category": "c",
        "description": "d",
        "priority": 2,
        "reason": "r",
        "status": status,
        **stamp,
    } | (more)


def notified(
    problem: dict[str, Any], received: float, *, change: str = "StateChange", event: float | None = None
) -> Entry:
    body: dict[str, Any] = {"eventType": f"ServiceProblem{change}Event", "event": {"serviceProblem": problem}}
    if event is not None:
        body["eventTime"] = at(event).isoformat()
    notification = wire.read_notification(orjson.dumps(body), received_at=at(received))
    return Entry(1, notification.observation, notification)


def pulled(problem: dict[str, Any], asked: float, via: Via = Via.POLL) -> Entry:
    return Entry(1, wire.read_problem(problem, asked_at=at(asked), via=via))


def patch(status: str, minute: float) -> dict[str, Any]:
    return {"id": "SP-1", "status": status, "lastUpdate": at(minute).isoformat()}


@pytest.fixture
async def connection(database: Database) -> Any:
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name) values ('snow')")
        yield connection


@pytest.fixture
def store_each(connection: Connection) -> StoreEach:
    """Store each entry in a transaction of its own."""

    async def store_all(*entries: Entry) -> Stored:
        stored = Stored()
        for entry in entries:
            async with connection.transaction():
                stored = await observation.store(connection, [entry])
        return stored

    return store_all


async def own_body(connection: Connection) -> Any:
    """The body in the current row itself, None when it refers to its version."""
    raw = await connection.fetchval("select body from bridge.service_problem")
    return None if raw is None else orjson.loads(raw)


async def current_body(connection: Connection) -> Any:
    """The body as reports and followers have it."""
    reported = await connection.fetchval("select body from report.service_problem")
    followed = (await change.current(connection, [(1, "SP-1")]))[1, "SP-1"]["body"]
    assert reported == followed
    return orjson.loads(reported)


async def test_a_problem_as_its_last_whole_statement_has_it_is_kept_once(
    connection: Connection, store_each: StoreEach
) -> None:
    for entry, problem in (
        (notified(whole("held", 1), 2), whole("held", 1)),
        (pulled(whole("resolved", 3), 4), whole("resolved", 3)),
        (pulled(whole("closed", None), 6), whole("closed", None)),
        (notified(whole("held", 2), 7), whole("closed", None)),
        (notified({"id": "SP-1"}, 8, change="Delete", event=8), whole("closed", None)),
    ):
        await store_each(entry)
        assert await own_body(connection) is None
        assert await current_body(connection) == problem


async def test_a_patched_problem_has_its_own_body_until_the_source_says_the_whole_again(
    connection: Connection, store_each: StoreEach
) -> None:
    patched = whole("held", 1) | patch("resolved", 3)
    await store_each(notified(patch("held", 1), 1))
    assert await own_body(connection) == await current_body(connection) == patch("held", 1)
    await store_each(notified(whole("held", 1), 2), notified(patch("resolved", 3), 4))
    assert await own_body(connection) == await current_body(connection) == patched
    await store_each(pulled(whole("held", 1), 5, Via.REFETCH))
    assert await own_body(connection) is None
    assert await current_body(connection) == whole("held", 1)
    await store_each(notified(patch("closed", 6), 6), pulled(whole("closed", 6), 7, Via.REFETCH))
    assert await own_body(connection) is None
    assert await current_body(connection) == whole("closed", 6)


async def test_what_had_come_as_a_patch_and_is_the_whole_problem_becomes_a_whole_version(
    connection: Connection, store_each: StoreEach
) -> None:
    """The same words at the same time: one version, whichever way they came."""
    await store_each(
        notified(whole("held", 1), 2), notified(patch("resolved", 3), 4), pulled(whole("held", 1), 5, Via.REFETCH)
    )
    assert await current_body(connection) == whole("held", 1)
    await store_each(pulled(patch("resolved", 3), 6))
    assert await own_body(connection) is None
    assert await current_body(connection) == patch("resolved", 3)
    last = await connection.fetchrow("select body, status from report.service_problem_version where valid_to is null")
    assert last is not None
    assert (orjson.loads(last["body"]), last["status"]) == (patch("resolved", 3), "resolved")


async def test_a_row_with_a_body_of_its_own_is_told_by_that(connection: Connection, store_each: StoreEach) -> None:
    """As an older release writes it."""
    await store_each(notified(whole("held", 1), 2))
    await connection.execute("update bridge.service_problem set body = jsonb_build_object('id', id)")
    assert await current_body(connection) == {"id": "SP-1"}
    await store_each(pulled(whole("closed", 3), 4))
    assert await own_body(connection) is None
    assert await current_body(connection) == whole("closed", 3)


async def test_a_version_pruned_since_it_was_read_is_there_again(connection: Connection, store_each: StoreEach) -> None:
    """Known before, and referred to again: the patch on top of it is overtaken."""
    await store_each(notified(whole("held", 1), 2), notified(patch("resolved", 3), 4))
    async with connection.transaction():
        prepared = await observation.prepare(connection, [pulled(whole("held", 1), 5, Via.REFETCH)])
        await connection.execute("delete from bridge.service_problem_version")
        await observation.write(connection, prepared)
    assert await own_body(connection) is None
    assert await current_body(connection) == whole("held", 1)


async def test_a_problem_deleted_since_it_was_read_is_decided_anew(
    connection: Connection, store_each: StoreEach
) -> None:
    await store_each(notified(whole("held", 1), 2))
    said = [pulled(whole("resolved", 3), 5, Via.REFETCH)]
    prepared = await observation.prepare(connection, said)
    await connection.execute("delete from bridge.service_problem_version")
    await connection.execute("delete from bridge.service_problem")
    with pytest.raises(ConcurrentUpdateError), translated():
        await observation.write(connection, prepared)
    await store_each(*said)
    assert await current_body(connection) == whole("resolved", 3)
    assert await connection.fetchval("select revision from bridge.service_problem") == 1


@pytest.fixture
async def old(store_each: StoreEach, connection: Connection) -> Connection:
    """A problem deleted long ago, of which its source, doubted, has said since what was so at minutes 2 and 3."""
    await store_each(
        notified(whole("held", 1), 1),
        notified({"id": "SP-1"}, 10, change="Delete", event=10),
        pulled(whole("pending", 2), 20),
    )
    await store_each(pulled(whole("resolved", 3), 21))
    return connection


async def versions(connection: Connection) -> list[str]:
    rows = await connection.fetch("select status, kind from bridge.service_problem_version order by effective_at")
    return [row["status"] for row in rows if row["kind"] != Kind.TOMBSTONE]


async def test_the_version_that_the_current_row_refers_to_is_never_pruned(old: Connection) -> None:
    """Not either when later whole statements have not become what is current."""
    assert await versions(old) == ["held", "pending", "resolved"]
    assert await retention.delete(old, "versions", AFTER_ALL, 100) == 1
    assert await versions(old) == ["held", "resolved"]
    assert await current_body(old) == whole("held", 1)


async def test_a_version_that_is_being_referred_to_is_not_pruned(
    old: Connection, dsn: str, store_each: StoreEach
) -> None:
    """The pruner saw it unused and comes to it while the door writes."""
    pruning = await asyncpg.connect(dsn)
    try:
        async with anyio.create_task_group() as tasks, old.transaction():
            await observation.store(old, [notified(whole("pending", 2), 30)])
            tasks.start_soon(partial(retention.delete, pruning, "versions", AFTER_ALL, 100))
            await blocked(old, pruning.get_server_pid())
        assert "pending" in await versions(old)
        assert await current_body(old) == whole("pending", 2)
    finally:
        await pruning.close()


async def test_a_version_that_is_being_pruned_is_written_anew(old: Connection, dsn: str, store_each: StoreEach) -> None:
    """The door refers to it while the pruner takes it away."""
    pruning = await asyncpg.connect(dsn)
    watching = await asyncpg.connect(dsn)
    try:
        async with anyio.create_task_group() as tasks, pruning.transaction():
            assert await retention.delete(pruning, "versions", AFTER_ALL, 100) == 1
            pid = old.get_server_pid()
            tasks.start_soon(store_each, notified(whole("pending", 2), 30))
            await blocked(watching, pid)
        assert "pending" in await versions(old)
        assert await current_body(old) == whole("pending", 2)
    finally:
        await pruning.close()
        await watching.close()
