"""Attributes of a source's own are columns of report.service_problem_extra."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from bridge.domain.observation import Via
from bridge.storage import extra_column
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await connection.execute("insert into bridge.source (name) values ('noc'), ('desk')")
        yield connection


async def say(connection: Connection, source_id: int, **more: Any) -> None:
    problem = {"id": "P", "status": "held", "lastUpdate": NOON.isoformat()} | more
    await store(connection, [Entry(source_id, wire.read_problem(problem, asked_at=NOON, via=Via.POLL))])


async def write(connection: Connection, columns: dict[str, dict[str, str]]) -> bool:
    async with connection.transaction():
        return await extra_column.write(connection, columns)


async def test_g4_attributes_of_a_source_are_typed_columns(connection: Connection) -> None:
    await say(
        connection, 1, x_team="Field", x={"cost": "12.50", "vip": "yes"}, x_due="2026-06-02T00:00:00Z", tags=[1, 2]
    )
    await say(connection, 2, team={"na'me": "Front"}, x={"cost": "high"})
    assert await write(
        connection,
        {
            "noc": {
                "team": "x_team",
                "cost": "$.x.cost::numeric",
                "vip": "x.vip::boolean",
                "due": "x_due::timestamptz",
                "tags": "tags::jsonb",
            },
            "desk": {"team": "team.na'me", "cost": "x.cost::numeric"},
        },
    )
    row = await connection.fetchrow(
        "select team, cost::text, vip, due, tags::text from report.service_problem_extra where source = 'noc'"
    )
    assert row is not None
    assert tuple(row) == ("Field", "12.50", True, datetime(2026, 6, 2, tzinfo=UTC), "[1, 2]")
    other = await connection.fetchrow("select team, cost, vip from report.service_problem_extra where source = 'desk'")
    assert other is not None
    assert tuple(other) == ("Front", None, None)


async def test_g4_the_same_columns_again_change_nothing_and_readers_read_them(connection: Connection) -> None:
    assert not await write(connection, {})
    columns = {"noc": {"team": "x_team"}}
    assert await write(connection, columns)
    assert not await write(connection, columns)
    await connection.execute("set role bridge_reader")
    assert await connection.fetch("select team from report.service_problem_extra") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await write(connection, {})


async def test_g4_a_view_of_others_stays_while_columns_are_added(connection: Connection) -> None:
    await write(connection, {"noc": {"team": "x_team"}})
    await connection.execute("create view public.theirs as select id, team from report.service_problem_extra")
    assert await write(connection, {"noc": {"team": "x_team", "area": "x_area"}})
    assert await connection.fetch("select team from public.theirs") == []
    with pytest.raises(asyncpg.DependentObjectsStillExistError):
        await write(connection, {"noc": {"area": "x_area"}})
    assert await connection.fetch("select team, area from report.service_problem_extra") == []
    await connection.execute("drop view public.theirs")
    assert await write(connection, {"noc": {"area": "x_area"}})
    assert await write(connection, {"noc": {"area": "x_area::numeric"}}), "another type"
    assert await write(connection, {}), "none at all"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"noc": {"id": "x"}}, r"sources\.noc\.columns\.id: the name is taken"),
        ({"noc": {"a": "x"}, "desk": {"a": "x::numeric"}}, r"columns\.a has several types \(numeric, text\)"),
    ],
)
async def test_g4_columns_that_cannot_be_made_are_named(
    connection: Connection, columns: dict[str, dict[str, str]], message: str
) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match=message):
        await write(connection, columns)


async def test_g4_a_path_that_is_none_is_refused(connection: Connection) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await write(connection, {"noc": {"a": "$.x[ ?"}})
