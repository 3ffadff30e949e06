"""Deletions that wait after a source was given another address."""

import pytest

from bridge.storage import source, source_move
from bridge.storage.database import Connection, Database

pytestmark = pytest.mark.anyio

FIRST, SECOND = "https://one.example/v4", "https://two.example/v4"


async def moved(connection: Connection) -> int:
    await source.ensure(connection, "snow", FIRST)
    return (await source.ensure(connection, "snow", SECOND)).id


async def test_only_another_address_makes_deletions_wait(database: Database) -> None:
    async with database.transaction() as connection:
        row = await source.ensure(connection, "snow", FIRST)
        await source.ensure(connection, "snow", FIRST)
        assert await source_move.find(connection, row.id) is None
        await source.ensure(connection, "snow", SECOND)
        found = await source_move.find(connection, row.id)
        assert found is not None
        assert found.passes == 0
        assert await source_move.every(connection) == {row.id: found}
        await source.ensure(connection, "snow", SECOND)  # another start changes nothing
        assert await source_move.find(connection, row.id) == found


@pytest.mark.parametrize(
    ("passes", "is_over"),
    [
        ([(0, 100)], False),
        ([(10, 100), (10, 100)], True),
        ([(10, 100), (11, 100)], False),
        ([(11, 100), (10, 100), (0, 100)], True),
        ([(10, 100), (11, 100), (10, 100)], False),
        ([(0, 0), (0, 0)], True),
        ([(1, 1), (1, 1), (1, 1)], False),
    ],
)
async def test_two_passes_in_a_row_that_list_nearly_all_end_it(
    database: Database, passes: list[tuple[int, int]], is_over: bool
) -> None:
    async with database.transaction() as connection:
        source_id = await moved(connection)
        over = [await source_move.note_pass(connection, source_id, missing=gone, known=known) for gone, known in passes]
        assert over[-1] is is_over
        assert (await source_move.find(connection, source_id) is None) is is_over


async def test_a_second_move_counts_from_the_start_and_the_word_of_an_operator_ends_it(database: Database) -> None:
    async with database.transaction() as connection:
        source_id = await moved(connection)
        await source_move.note_pass(connection, source_id, missing=0, known=9)
        await source.ensure(connection, "snow", FIRST)
        found = await source_move.find(connection, source_id)
        assert found is not None
        assert found.passes == 0
        assert "snow --accept-deletions" in found.reason("snow")
        await source_move.release(connection, source_id)
        assert await source_move.find(connection, source_id) is None
        assert not await source_move.note_pass(connection, source_id, missing=0, known=9)
