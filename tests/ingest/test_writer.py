"""Group commit: everybody is answered after the commit, and nobody suffers for a neighbour."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import orjson
import pytest

from bridge.domain.observation import Via
from bridge.errors import DatabaseUnavailableError, TransientError
from bridge.ingest.group_commit import OverloadedError
from bridge.ingest.writer import Writer
from bridge.simulator.tmf656.background import background
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.observation import Entry
from bridge.storage.observation_store import Item, store_items
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def problem(problem_id: str, *, minute: int = 0, status: str = "held", description: str = "no light") -> dict[str, Any]:
    return {
        "id": problem_id,
        "status": status,
        "description": description,
        "category": "supplier.originated",
        "priority": 1,
        "reason": "cut",
        "lastUpdate": (NOON + timedelta(minutes=minute)).isoformat(),
    }


def event(source_id: int, body: dict[str, Any], event_id: str | None = None) -> Entry:
    envelope = {
        "eventType": "ServiceProblemAttributeValueChangeEvent",
        "eventId": event_id or f"{body['id']}-{body['lastUpdate']}",
        "event": {"serviceProblem": body},
    }
    notification = wire.read_notification(orjson.dumps(envelope), received_at=datetime.now(UTC))
    return Entry(source_id, notification.observation, notification)


async def put_all(writer: Writer, items: list[Item]) -> list[Any]:
    """Put all at once; return outcomes, or what was raised, in their order."""
    results: list[Any] = [None] * len(items)

    async def put(place: int) -> None:
        try:
            results[place] = await writer.put(items[place])
        except TransientError as error:
            results[place] = error

    async with anyio.create_task_group() as group:
        for place in range(len(items)):
            group.start_soon(put, place)
    return results


async def test_an_answer_comes_after_the_commit(database: Database, source_id: int) -> None:
    writer = Writer(database, Metrics())
    async with background() as tasks:
        tasks.start_soon(writer.run)
        assert await writer.put(event(source_id, problem("SP-1"))) == "applied"
        async with database.connection() as connection:
            assert await connection.fetchval("select id from report.service_problem") == "SP-1"


async def test_what_waits_together_is_committed_together(
    database: Database, source_id: int, eventually: Eventually
) -> None:
    metrics = Metrics()
    writer = Writer(database, metrics, max_rows=40)
    items: list[Item] = [event(source_id, problem(f"SP-{number}")) for number in range(100)]
    async with background() as tasks:
        results: list[Any] = []

        async def put() -> None:
            results.extend(await put_all(writer, items))

        tasks.start_soon(put)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(writer.run)
        await eventually(lambda: len(results) == 100)
    assert Counter(results) == {"applied": 100}
    assert metrics.registry.get_sample_value("tmf656_bridge_commit_rows_sum") == 100
    assert metrics.registry.get_sample_value("tmf656_bridge_commit_rows_count") in (3, 4)  # two lanes, of full batches
    assert metrics.registry.get_sample_value("tmf656_bridge_writer_waiting") == 0


async def test_a_row_postgres_refuses_becomes_a_dead_letter_and_its_neighbours_are_stored(
    database: Database, source_id: int, refuse_poison: Callable[[Database], Awaitable[None]]
) -> None:
    await refuse_poison(database)
    bodies = [problem(f"SP-{number}", description="poison" if number in (7, 20) else "fine") for number in range(33)]
    writer = Writer(database, Metrics())
    async with background() as tasks:
        tasks.start_soon(writer.run)
        outcomes = await put_all(writer, [event(source_id, body) for body in bodies])

    assert [number for number, outcome in enumerate(outcomes) if outcome == "dead_letter"] == [7, 20]
    assert Counter(outcomes) == {"applied": 31, "dead_letter": 2}
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.service_problem") == 31
        letters = await connection.fetch(
            "select problem_id, reason, detail, via, raw from bridge.dead_letter order by length(problem_id)"
        )
    assert [(row["problem_id"], row["reason"], row["via"]) for row in letters] == [
        ("SP-7", "refused_by_postgres", "push"),
        ("SP-20", "refused_by_postgres", "push"),
    ]
    assert "no_poison" in letters[0]["detail"]
    assert orjson.loads(letters[0]["raw"])["event"]["serviceProblem"] == bodies[7]


async def test_a_pulled_row_postgres_refuses_is_kept_too(
    database: Database, source_id: int, refuse_poison: Callable[[Database], Awaitable[None]]
) -> None:
    await refuse_poison(database)
    rows = [problem("SP-1"), problem("SP-2", description="poison")]
    items: list[Item] = [Entry(source_id, wire.read_problem(row, asked_at=NOON, via=Via.POLL)) for row in rows]

    stored = await store_items(database, items)

    assert stored.outcomes == ["new", "dead_letter"]
    async with database.connection() as connection:
        assert await connection.fetchval("select via || ' ' || problem_id from bridge.dead_letter") == "poll SP-2"


async def test_letters_and_entries_of_one_batch_keep_their_places(database: Database, source_id: int) -> None:
    letter = DeadLetter(source_id, NOON, b"{", "not_json", "cut off")
    items: list[Item] = [letter, event(source_id, problem("SP-1")), letter, event(source_id, problem("SP-2"))]

    stored = await store_items(database, items)

    assert stored.outcomes == ["dead_letter", "applied", "dead_letter", "applied"]
    async with database.connection() as connection:
        assert await connection.fetchval("select raw from bridge.dead_letter") == b"{"


async def test_more_than_may_wait_is_refused_at_once(
    database: Database, source_id: int, eventually: Eventually
) -> None:
    writer = Writer(database, Metrics(), max_waiting=3)
    async with background() as tasks:
        results: list[Any] = []

        async def put() -> None:
            results.extend(await put_all(writer, [event(source_id, problem(f"SP-{number}")) for number in range(3)]))

        tasks.start_soon(put)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(OverloadedError) as caught:
            await writer.put(event(source_id, problem("SP-9")))
        assert caught.value.retry_after_seconds == 1
        tasks.start_soon(writer.run)
        await eventually(lambda: results)
        assert results == ["applied"] * 3
        assert await writer.put(event(source_id, problem("SP-9"))) == "applied"


async def test_a_failed_commit_is_told_to_everybody_in_the_batch(
    database: Database, source_id: int, no_connections: Callable[[], Awaitable[None]]
) -> None:
    writer = Writer(database, Metrics())
    items: list[Item] = [event(source_id, problem(f"SP-{number}")) for number in range(5)]
    await no_connections()
    async with background() as tasks:
        tasks.start_soon(writer.run)
        results = await put_all(writer, items)
    assert [type(one) for one in results] == [DatabaseUnavailableError] * 5


async def test_a_waiter_that_leaves_hurts_nobody(database: Database, source_id: int, eventually: Eventually) -> None:
    writer = Writer(database, Metrics())
    outcomes: list[str] = []

    async def put(number: int) -> None:
        outcomes.append(await writer.put(event(source_id, problem(f"SP-{number}"))))

    async with background() as tasks:
        async with anyio.create_task_group() as leaving:
            tasks.start_soon(put, 1)
            leaving.start_soon(put, 2)
            tasks.start_soon(put, 3)
            await anyio.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        tasks.start_soon(writer.run)
        await eventually(lambda: len(outcomes) == 2)
        assert await writer.put(event(source_id, problem("SP-2"))) == "duplicate"
    assert outcomes == ["applied", "applied"]


async def test_a_writer_that_is_stopped_leaves_nobody_waiting(
    database: Database, source_id: int, eventually: Eventually
) -> None:
    writer = Writer(database, Metrics(), max_rows=2)
    items: list[Item] = [event(source_id, problem(f"SP-{number}")) for number in range(7)]
    results: list[Any] = []

    async def put() -> None:
        results.extend(await put_all(writer, items))

    async with background() as tasks:
        async with anyio.create_task_group() as writing:
            tasks.start_soon(put)
            await anyio.wait_all_tasks_blocked()
            writing.start_soon(writer.run)
            writing.cancel_scope.cancel()
        await eventually(lambda: results)
        assert {type(one) for one in results} == {TransientError}
        with pytest.raises(TransientError, match="stopping"):
            await writer.put(items[0])


async def test_two_writers_on_the_same_problems_end_right(database: Database, source_id: int) -> None:
    """Each knows half of what happened to every problem; both decide on what they read, and one has to decide again."""
    problems, minutes = range(12), range(16)

    def of_parity(parity: int) -> list[Item]:
        return [
            event(source_id, problem(f"SP-{number}", minute=minute, status="held" if minute % 2 else "resolved"))
            for minute in minutes
            if minute % 2 == parity
            for number in problems
        ]

    first, second = Writer(database, Metrics(), max_rows=8), Writer(database, Metrics(), max_rows=8)
    async with background() as tasks:
        tasks.start_soon(first.run)
        tasks.start_soon(second.run)
        async with anyio.create_task_group() as group:
            results: list[list[Any]] = []

            async def put(writer: Writer, items: list[Item]) -> None:
                results.append(await put_all(writer, items))

            group.start_soon(put, first, of_parity(0))
            group.start_soon(put, second, of_parity(1) + of_parity(0))

    outcomes = Counter(outcome for each in results for outcome in each)
    assert outcomes["duplicate"] == len(problems) * len(minutes) // 2
    assert outcomes["applied"] + outcomes["stale"] == len(problems) * len(minutes)
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.service_problem_version") == 12 * 16
        rows = await connection.fetch("select distinct status, updated_at from report.service_problem")
    assert [tuple(row) for row in rows] == [("held", NOON + timedelta(minutes=15))]
