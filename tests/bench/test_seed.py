"""The seeded tables are what the door makes of the same statements."""

import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
from rich.progress import Progress

from bridge.domain.observation import Via
from bridge.storage import source as source_table
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire
from tests.bench.copies import copied_id
from tests.bench.histories import Population, Step, entry_of, midnight
from tests.bench.seed import fill
from tests.terminal import on_terminal

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
UNTIL = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIVES, COPIES = 60, 2
LOGGED_SINCE = midnight(UNTIL) - timedelta(days=30)


def population() -> Population:
    return Population(LIVES, 5 * LIVES, UNTIL)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    with Progress(disable=True) as progress:
        await fill(database, population(), progress, copies=COPIES)
    async with database.connection() as connection:
        yield connection


def test_the_same_seed_tells_the_same_and_there_is_something_of_everything() -> None:
    histories = list(Population(3000, 15_000, UNTIL).histories())
    assert histories == list(Population(3000, 15_000, UNTIL).histories())
    assert sum(len(step) for _, _, step in histories) == pytest.approx(15_000, rel=0.1)
    ends = {step[-1].problem["status"] if step[-1].problem else "deleted" for _, _, step in histories}
    assert {"closed", "held", "pending", "cancelled", "rejected", "deleted"} <= ends
    assert {one.via for _, _, step in histories for one in step} == set(Via) - {Via.WRITE}


def test_what_is_made_without_the_wire_is_what_the_wire_makes() -> None:
    for index, problem_id, steps in population().histories():
        for step in steps:
            made = entry_of(step, index, problem_id, logged_since=UNTIL + timedelta(days=9)).observation
            if step.via is Via.PUSH:
                assert made == entry_of(step, index, problem_id, logged_since=UNTIL - timedelta(days=900)).observation
            else:
                assert made == wire.read_problem(step.problem, asked_at=step.arrives_at, via=step.via)


def renamed(step: Step, problem_id: str, new_id: str) -> Step:
    """The same said of another problem."""
    if step.problem is None:
        return step
    return replace(step, problem=orjson.loads(orjson.dumps(step.problem).replace(problem_id.encode(), new_id.encode())))


async def rows(connection: Connection, source_id: int, problem_id: str) -> list[list[dict[str, Any]]]:
    """All that is kept of a problem, but for the source and what Postgres or the batch decided."""
    found = []
    for query in (
        "select * from bridge.service_problem where source_id = $1 and id = $2",
        "select * from bridge.service_problem_version where source_id = $1 and problem_id = $2 order by 3, 6, 11",
        "select * from bridge.status_change where source_id = $1 and problem_id = $2 order by 4, 9",
        "select * from bridge.notification where source_id = $1 and problem_id = $2 order by 1, 5",
    ):
        kept = [dict(row) for row in await connection.fetch(query, source_id, problem_id)]
        found.append([{name: value for name, value in row.items() if name != "source_id"} for row in kept])
    return found


async def test_a_copy_is_what_the_door_makes_of_it(connection: Connection) -> None:
    other = (await source_table.ensure(connection, "other", "https://other.example", "")).id
    compared = 0
    for index, problem_id, steps in population().histories():
        new_id = copied_id(problem_id, 2)
        if not await connection.fetchval("select count(*) from bridge.service_problem where id = $1", new_id):
            continue
        step = sorted((renamed(one, problem_id, new_id) for one in steps), key=lambda one: one.arrives_at)
        async with connection.transaction():
            await store(connection, [entry_of(one, other, new_id, logged_since=LOGGED_SINCE) for one in step])
        assert await rows(connection, index + 1, new_id) == await rows(connection, other, new_id)
        compared += 1
    assert compared > LIVES / 2
    strange = """
        select count(*) from bridge.notification_digest as o
        where o.source_id = $1 and not exists (
            select from bridge.notification_digest as c where c.source_id <> o.source_id and c.digest = o.digest
        )"""
    assert await connection.fetchval("select count(*) from bridge.notification_digest where source_id = $1", other) > 0
    assert await connection.fetchval(strange, other) == 0


async def test_as_many_are_made_as_were_asked_for_though_not_every_life_can_be_copied(database: Database) -> None:
    with Progress(disable=True) as progress:
        await fill(database, Population(300, 1500, UNTIL), progress, copies=9)
    async with database.connection() as connection:
        made = await connection.fetchval("select count(*) from bridge.service_problem")
        left_out = await connection.fetchval("select count(distinct problem_id) from bridge.refetch")
    assert left_out > 0, "some lives cannot be copied"
    assert made == pytest.approx(3000, rel=0.03)


async def test_a_bar_fills_on_a_terminal(dsn: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.bench.seed", "--problems", "40", "--versions", "200", dsn]
    status, seen = await anyio.to_thread.run_sync(lambda: on_terminal(command, cwd=tmp_path, env=env))
    assert status == 0, seen
    assert "40/40" in seen
    assert "━" in seen


async def test_what_is_said_again_of_seeded_problems_is_unchanged(connection: Connection) -> None:
    found = await connection.fetch(
        """
        select n.source_id, n.id, n.body
        from bridge.service_problem_with_body as n
        inner join bridge.service_problem as p on n.source_id = p.source_id and n.id = p.id
        where p.deleted_at is null and p.doubt_hash is null"""
    )
    asked_at = datetime.now(UTC)
    entries = [
        Entry(row["source_id"], wire.read_problem(orjson.loads(row["body"]), asked_at=asked_at, via=Via.POLL))
        for row in found
    ]
    assert len(entries) > LIVES
    stored = await store(connection, entries)
    assert set(stored.outcomes) == {"unchanged"}
