"""A ticket is in one link of a rule, and nobody writes over what another writer decided."""

from typing import Any

import msgspec
import orjson
import pytest

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.storage import link, outbox
from bridge.storage.database import Database
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.link import NewLink
from bridge.storage.queries import queries
from tests.link_tables import NOON, add_links, add_rule, wanted

pytestmark = pytest.mark.anyio


async def test_what_is_saved_is_read_again(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        before = (await link.lock(connection, [number]))[number]
        after = msgspec.structs.replace(
            before,
            base={"title": ("a", "b")},
            left_revision=3,
            right_mark={"version": "7"},
            intent={"fields": ["title"]},
            behind_since=NOON,
            unsure_until=NOON,
            checked_at=NOON,
        )
        await link.save(connection, [after])
        found = (await link.read(connection, [number]))[number]
    assert found == msgspec.structs.replace(after, revision=before.revision + 1)
    assert (found.ticket(Side.LEFT), found.ticket(Side.RIGHT), found.mark(Side.RIGHT)) == ("L1", "R1", {"version": "7"})


async def test_a_row_that_another_writer_changed_is_not_written(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        numbers = await add_links(connection, rule, 2)
    async with database.connection() as connection:
        read = await link.read(connection, numbers)
    async with database.transaction() as connection:
        await link.save(connection, [msgspec.structs.replace(read[numbers[0]], state_reason="first")])
    with pytest.raises(ConcurrentUpdateError):
        async with database.transaction() as connection:
            await link.save(connection, [msgspec.structs.replace(one, state_reason="second") for one in read.values()])
    async with database.connection() as connection:
        assert [one.state_reason for one in (await link.read(connection, numbers)).values()] == ["first", None]


async def test_a_ticket_is_linked_once_in_a_rule_unless_a_person_separated_it(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        again = NewLink(rule, "tb-other", "match", LinkState.LINKED, "L1", "R9")
        assert await link.add(connection, [again]) == {}
        row = (await link.lock(connection, [number]))[number]
        await link.save(connection, [msgspec.structs.replace(row, state=LinkState.UNLINKED)])
        made = await link.add(connection, [again])
        assert await link.of_tickets(connection, rule, ["L1"]) == sorted([number, *made.values()])
        assert await link.of_tickets(connection, rule, (), ["R9"]) == [*made.values()]


async def test_people_name_a_link_by_number_key_or_ticket(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        first, second = await add_links(connection, rule, 2)
        for named in (str(second), "tb-2", "L2", "R2"):
            assert await link.find(connection, named) == [second]
        assert await link.find(connection, "L1", "dma-snow") == [first]
        assert await link.find(connection, "L1", "other") == []
        assert await link.by_key(connection, ["tb-1", "tb-2"]) == [first, second]


async def test_links_are_counted_and_listed_by_state(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        first, second, third = await add_links(connection, rule, 3)
        await link.add(connection, [NewLink(rule, "tb-w", "left", LinkState.WANTED, "L9")])
        assert await link.in_state(connection, rule, LinkState.LINKED, after=first, limit=1) == [second]
        assert sorted(await link.count(connection)) == [("dma-snow", "linked", 3), ("dma-snow", "wanted", 1)]
        assert await link.count_linked(connection, rule) == 3
        [waits] = await link.in_state(connection, rule, LinkState.WANTED, limit=9)
        await link.remove(connection, [third, waits])
        assert sorted(await link.count(connection)) == [("dma-snow", "linked", 3)]


async def test_a_request_without_outcome_is_settled_when_the_target_is_surely_done(database: Database) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        first, second = await add_links(connection, rule, 2)
        await outbox.put(connection, [wanted(first, rule, right), wanted(second, rule, right)])
        for row in await outbox.due(connection, right, NOON.replace(year=2100), limit=9):
            assert await outbox.begin(connection, {row.id: {}}, token=1, at=NOON)
        row = (await link.lock(connection, [second]))[second]
        await link.save(connection, [msgspec.structs.replace(row, unsure_until=NOON.replace(hour=13))])
        later = NOON.replace(hour=13)
        assert await link.unsettled(connection, right, NOON, rule_ids=[rule], limit=9) == [first]
        assert await link.unsettled(connection, right, later, rule_ids=[rule], limit=9) == [first, second]
        assert await link.unsettled(connection, right, later, rule_ids=[rule], limit=1) == [first]
        assert await link.unsettled(connection, right, later, rule_ids=[rule], busy=[first], limit=9) == [second]
        assert await link.unsettled(connection, right, later, rule_ids=[rule + 1], limit=9) == []


async def test_who_holds_links_does_not_wait_for_more(database: Database) -> None:
    """The defect: two that held links waited for each other's, and one was ended by Postgres a second later."""
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        first, second = await add_links(connection, rule, 2)
    async with database.transaction() as one, database.transaction() as other:
        assert list(await link.lock(one, [second])) == [second]
        assert list(await link.lock(other, [first])) == [first]
        with pytest.raises(ConcurrentUpdateError):
            await link.lock_more(one, [first])
        assert await link.lock_more(one, []) == {}


async def test_the_links_of_a_few_tickets_are_found_without_reading_all(database: Database) -> None:
    """The defect: no index could be used, and each step of a decider read all links of its rule: 90 ms of 100,000."""
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        numbers = await add_links(connection, rule, 2000)
        separated = (await link.lock(connection, numbers[:3])).values()
        await link.save(connection, [msgspec.structs.replace(one, state=LinkState.UNLINKED) for one in separated])
        await connection.execute("analyze bridge.link")
        left, right = ["L1", "L7", "none"], ["R2", "R7", "R8"]
        found = await link.of_tickets(connection, rule, left, right)
        question = queries("link")["of_tickets"]
        [plan] = await connection.fetchrow(f"explain (analyze, format json) {question}", rule, left, right)
    assert set(found) == {numbers[0], numbers[1], numbers[6], numbers[7]}
    read = [
        part.get("Rows Removed by Filter", 0) + part["Actual Rows"] for part in parts(orjson.loads(plan)[0]["Plan"])
    ]
    assert max(read) < 20, plan


def parts(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All steps of a plan."""
    return [plan, *(each for child in plan.get("Plans", []) for each in parts(child))]
