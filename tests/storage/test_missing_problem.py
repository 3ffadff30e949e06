"""Problems that complete passes missed: marked once, added the second time, and asked for when they are due."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.domain.observation import Via
from bridge.storage import missing_problem
from bridge.storage.database import Connection, Database
from bridge.storage.missing_problem import LastAnswer
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def unseen_but(*seen: str) -> Any:
    return lambda ids: [each for each in ids if each not in seen]


async def seen(connection: Connection, source_id: int, minute: int, *ids: str) -> None:
    entries = [
        Entry(source_id, wire.read_problem({"id": each, "description": str(minute)}, asked_at=at(minute), via=Via.POLL))
        for each in ids
    ]
    await store(connection, entries)


async def a_pass(connection: Connection, source_id: int, minute: int, *returned: str) -> tuple[list[str], list[str]]:
    unseen = unseen_but(*returned)
    missed = await missing_problem.mark(connection, source_id, started_at=at(minute), unseen=unseen)
    await missing_problem.remove_seen(connection, source_id, unseen)
    await missing_problem.add(connection, source_id, missed.twice, at(minute))
    return missed.once, missed.twice


async def due(connection: Connection, source_id: int, minute: int) -> list[str]:
    return [each.problem_id for each in await missing_problem.due(connection, source_id, at(minute), 10)]


async def test_the_second_pass_in_a_row_adds_a_problem(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await seen(connection, source_id, 0, "a", "b", "c")
        assert await a_pass(connection, source_id, 1, "a", "b") == (["c"], [])
        assert await a_pass(connection, source_id, 2, "a", "c") == (["b"], [])
        assert await a_pass(connection, source_id, 3, "a", "c") == ([], ["b"])
        assert await due(connection, source_id, 3) == ["b"]
        assert await missing_problem.all_missed(connection, source_id) == ["b"]
        assert await missing_problem.some_listed(connection, source_id, 9) == ["a", "c"]
        assert await missing_problem.count_living(connection, source_id) == 3
        await a_pass(connection, source_id, 4, "a", "b", "c")
        assert await due(connection, source_id, 9) == []


async def test_what_is_heard_of_a_problem_takes_it_off(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await seen(connection, source_id, 0, "a", "b")
        await a_pass(connection, source_id, 1, "a")
        await a_pass(connection, source_id, 2, "a")
        await seen(connection, source_id, 3, "b")
        assert await due(connection, source_id, 9) == []
        assert await missing_problem.undecided(connection, source_id) == 0
        assert await missing_problem.next_due_at(connection, source_id) is None


async def test_an_answer_says_when_to_ask_again(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        await seen(connection, source_id, 0, "a", "failed", "given", "refused")
        for minute in (1, 2):
            await a_pass(connection, source_id, minute, "a")
        answers = [(each.value, each, at(60)) for each in LastAnswer]
        await missing_problem.write_answers(connection, source_id, answers, at(2))
        assert await due(connection, source_id, 59) == []
        assert (await missing_problem.undecided(connection, source_id)) == 2
        assert (await missing_problem.hidden(connection, source_id)) == 1
        assert await missing_problem.next_due_at(connection, source_id) == at(60)
        await a_pass(connection, source_id, 3, "a")
        assert await due(connection, source_id, 3) == ["failed"]  # the source was away: not their fault
        assert [each.attempts for each in await missing_problem.due(connection, source_id, at(60), 9)] == [1, 1, 1]
        await missing_problem.remove(connection, source_id, ["failed"])
        assert await due(connection, source_id, 3) == []
