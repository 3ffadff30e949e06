"""Values that could not be read: counted, the latest hundred of a source."""

import pytest

from bridge.domain.service_problem import Unmapped
from bridge.storage import source, unmapped_value
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio


async def test_c8_values_are_counted_and_the_most_frequent_comes_first(database: Database) -> None:
    async with database.transaction() as connection:
        row = await source.ensure(connection, "snow", "https://snow.example/v4", "")
        await unmapped_value.add(connection, row.id, {Unmapped("status", "zzz"): 2, Unmapped("priority", "eilig"): 3})
        await unmapped_value.add(connection, row.id, {Unmapped("status", "zzz"): 2})
        found = await unmapped_value.of_source(connection, row.id)
    assert [(each.value, each.times) for each in found] == [
        (Unmapped("status", "zzz"), 4),
        (Unmapped("priority", "eilig"), 3),
    ]


async def test_what_postgres_cannot_hold_is_replaced(database: Database) -> None:
    async with database.transaction() as connection:
        row = await source.ensure(connection, "snow", "https://snow.example/v4", "")
        await unmapped_value.add(connection, row.id, {Unmapped("status", "a\0"): 1, Unmapped("status", "a\ufffd"): 1})
        await unmapped_value.add(connection, row.id, {Unmapped("status", "\ud800"): 1})
        found = await unmapped_value.of_source(connection, row.id)
    assert [(each.value.example, each.times) for each in found] == [("a\ufffd", 2), ("?", 1)]


async def test_only_the_latest_values_are_kept(database: Database) -> None:
    async with database.connection() as connection:
        row = await source.ensure(connection, "snow", "https://snow.example/v4", "")
        await unmapped_value.add(connection, row.id, {Unmapped("status", f"old {n}"): 9 for n in range(60)})
        await unmapped_value.add(connection, row.id, {Unmapped("status", f"new {n}"): 1 for n in range(60)})
        found = [each.value.example for each in await unmapped_value.of_source(connection, row.id)]
    assert len(found) == unmapped_value.KEPT
    assert {f"new {n}" for n in range(60)} <= set(found)
