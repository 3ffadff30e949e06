"""Each value that lost, or needs a person, is kept once; a choice holds until what follows from it was written."""

import pytest

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.word_map import Side
from bridge.storage import conflict
from bridge.storage.conflict import NewConflict
from bridge.storage.database import Connection, Database
from tests.link_tables import NOON, add_links, add_rule

pytestmark = pytest.mark.anyio


def both(link_id: int, left: str, right: str) -> NewConflict:
    return NewConflict(link_id, "title", ConflictKind.BOTH_CHANGED, left, right, "base", "base")


def lost(link_id: int, left: str, right: str) -> NewConflict:
    return NewConflict(link_id, "title", ConflictKind.OVERRULED, left, right, "base", "base", winner=Side.LEFT)


async def outcomes(connection: Connection, link_id: int) -> list[tuple[str | None, str | None, str]]:
    found = await conflict.of_links(connection, [link_id])
    return [(one.left_value, one.right_value, one.outcome) for one in found.get(link_id, [])]


async def test_one_conflict_a_field_waits_and_says_what_the_sides_say_now(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        assert await conflict.keep(connection, [both(number, "a", "b")]) == 1
        assert await conflict.keep(connection, [both(number, "a", "b")]) == 0
        assert await conflict.keep(connection, [both(number, "a", "c")]) == 1
        assert await outcomes(connection, number) == [("a", "c", "waiting")]
        assert await conflict.waiting(connection) == {"dma-snow": 1}


async def test_a_value_that_lost_is_kept_once_until_its_write_was_answered(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        assert await conflict.keep(connection, [lost(number, "a", "b")]) == 1
        assert await conflict.keep(connection, [lost(number, "a", "b")]) == 0
        assert await conflict.keep(connection, [lost(number, "a", "edited again")]) == 1
        await conflict.settle(connection, [(number, "title")], NOON, agreed=False)
        assert await conflict.keep(connection, [lost(number, "a", "b")]) == 1, "that happened again later"
        assert (await conflict.opened(connection, [number])).choices == {}, "a policy's decision is no choice"
        assert [one[1] for one in await outcomes(connection, number)] == ["b", "edited again", "b"]


async def test_a_choice_holds_until_it_is_carried_out(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await conflict.keep(connection, [both(number, "a", "b")])
        assert await conflict.undone(connection, rule, limit=9) == []
        assert await conflict.decide(connection, number, "title", Side.RIGHT, "anna")
        assert not await conflict.decide(connection, number, "title", Side.LEFT, "bert"), "nothing waits any more"
        assert (await conflict.opened(connection, [number])).choices == {number: {"title": Side.RIGHT}}
        assert await conflict.undone(connection, rule, limit=9) == [number]
        await conflict.settle(connection, [(number, "title")], NOON, agreed=False)
        assert (await conflict.opened(connection, [number])).choices == {}
        assert await conflict.undone(connection, rule, limit=9) == []
        assert await outcomes(connection, number) == [("a", "b", "right")]


async def test_what_waits_is_over_when_both_sides_agree_and_not_when_something_was_written(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await conflict.keep(connection, [both(number, "a", "b")])
        await conflict.settle(connection, [(number, "title")], NOON, agreed=False)
        assert await outcomes(connection, number) == [("a", "b", "waiting")]
        await conflict.settle(connection, [(number, "other")], NOON, agreed=True)
        assert await outcomes(connection, number) == [("a", "b", "waiting")]
        await conflict.settle(connection, [(number, "title")], NOON, agreed=True)
        assert await outcomes(connection, number) == [("a", "b", "agreed")]


async def test_a_dismissed_conflict_is_over_and_may_come_again(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await conflict.keep(connection, [both(number, "a", "b")])
        assert await conflict.decide(connection, number, "title", conflict.DISMISSED, "anna")
        assert (await conflict.opened(connection, [number])).choices == {}
        await conflict.keep(connection, [both(number, "a", "c")])
        shown = await connection.fetch("select outcome, decided_by from report.conflict order by conflict_id")
        assert [tuple(row) for row in shown] == [("dismissed", "anna"), ("waiting", None)]
