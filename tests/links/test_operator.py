"""What people do takes effect at the next decision, and nothing that is under way is cut."""

import msgspec
import pytest

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.errors import PermanentError
from bridge.links import operator
from bridge.links.decide import Decider
from bridge.storage import conflict, link_rule, outbox
from bridge.storage import link as link_table
from bridge.storage.database import Database
from tests.links.rule_rig import RuleRig, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
def rig(database: Database) -> RuleRig:
    return RuleRig(database, {"match": {"by": ["externalId = id"]}, "on_conflict": "manual"})


async def pair(rig: RuleRig) -> Decider:
    """A linked pair, and a ticket that waits for its counterpart."""
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1", name="x"))
    await rig.say(Side.LEFT, problem(1, name="x", externalId="R1"), problem(2))
    await decider.run_once()
    return decider


async def test_a_rule_is_paused_resumed_and_released_only_from_the_state_it_is_in(rig: RuleRig) -> None:
    await pair(rig)
    async with rig.database.transaction() as connection:
        assert not await operator.resume(connection, "one")
        assert not await operator.release(connection, "one")
        assert await operator.pause(connection, "one", by="anna", reason="carrier moves")
        assert not await operator.pause(connection, "one", by="bert")
        assert (await operator.rule_named(connection, "one")).state_reason == "anna: carrier moves"
        assert await operator.resume(connection, "one")
        await link_rule.write_state(
            connection, (await operator.rule_named(connection, "one")).id, "held", "x", only_from=["on"]
        )
        assert await operator.release(connection, "one")
        with pytest.raises(PermanentError, match=r"no rule 'two' in the database \(there are: one\)"):
            await operator.pause(connection, "two", by="anna")


async def test_a_link_is_named_by_number_key_or_ticket_and_must_be_one(rig: RuleRig) -> None:
    decider = await pair(rig)
    first, second = await rig.links()
    await rig.say(Side.RIGHT, problem(first.id))
    await rig.say(Side.LEFT, problem("L3", externalId=str(first.id)))
    await decider.run_once()
    async with rig.database.transaction() as connection:
        for named, link in ((str(second.id), second), ("R1", first), (second.key, second)):
            assert (await operator.link_named(connection, named)).id == link.id
        with pytest.raises(PermanentError, match="no link 'nowhere'"):
            await operator.link_named(connection, "nowhere")
        with pytest.raises(PermanentError, match="is in several links"):
            await operator.link_named(connection, str(first.id))  # the number of one, and a ticket of another


async def test_what_is_blocked_is_tried_again(rig: RuleRig) -> None:
    await pair(rig)
    [create] = await rig.open_writes()
    async with rig.database.transaction() as connection:
        row = (await link_table.lock(connection, [create.link_id]))[create.link_id]
        await outbox.block(connection, create.id, "Data Policy Exception")
        await link_table.save(connection, [msgspec.structs.replace(row, state=LinkState.BLOCKED)])
    async with rig.database.transaction() as connection:
        assert await operator.retry_rule(connection, "one", error="other") == 0
        assert await operator.retry_rule(connection, "one", error="Policy") == 1
    [create] = await rig.open_writes()
    assert create.state == "waiting"
    assert [link.state for link in await rig.links()] == [LinkState.LINKED, LinkState.CREATING]
    async with rig.database.transaction() as connection:
        row = (await link_table.lock(connection, [create.link_id]))[create.link_id]
        assert not await operator.retry(connection, row)
        await outbox.block(connection, create.id, "again")
        await link_table.save(connection, [msgspec.structs.replace(row, state=LinkState.BLOCKED)])
        row = (await link_table.lock(connection, [create.link_id]))[create.link_id]
        assert await operator.retry(connection, row)


async def test_a_ticket_that_is_ignored_gets_no_counterpart(rig: RuleRig) -> None:
    decider = await pair(rig)
    async with rig.database.transaction() as connection:
        link = await operator.link_named(connection, (await rig.links())[1].key)
        await operator.separate(connection, link, by="anna", why="ignored")
    await rig.say(Side.LEFT, problem(2, name="changed"))
    await decider.run_once()
    assert await rig.open_writes() == []
    assert (await rig.links())[1].state_reason == "ignored by anna"


async def test_a_link_with_a_write_under_way_is_not_separated(rig: RuleRig) -> None:
    await pair(rig)
    [link, _] = await rig.links()
    async with rig.database.transaction() as connection:
        with pytest.raises(PermanentError, match="a write is under way"):
            await operator.separate(
                connection, msgspec.structs.replace(link, intent={"kind": "update"}), by="a", why="x"
            )


async def test_a_separated_pair_and_any_two_tickets_can_be_joined(rig: RuleRig) -> None:
    decider = await pair(rig)
    await rig.say(Side.RIGHT, problem("R2", name="b"))
    first, second = await rig.links()
    async with rig.database.transaction() as connection:
        with pytest.raises(PermanentError, match=f"link {first.id} has one of these tickets already"):
            await operator.join(connection, "one", "1", "R2")
        with pytest.raises(PermanentError, match="no ticket 'R9' of right is known"):
            await operator.join(connection, "one", "1", "R9")
        await operator.separate(connection, await operator.link_named(connection, first.key), by="anna", why="x")
        assert await operator.join(connection, "one", "1", "R1") == first.id
        joined = await operator.join(connection, "one", "2", "R2")
        assert joined != second.id, "the ticket that waited alone was taken out"
    await decider.run_once()
    links = {link.id: link for link in await rig.links()}
    assert {link.state for link in links.values()} == {LinkState.LINKED}
    assert (links[joined].origin, links[joined].left_id, links[joined].right_id) == ("operator", "2", "R2")
    sides = {write.side for write in await rig.open_writes() if write.link_id == joined}
    assert sides == {Side.RIGHT, Side.LEFT}, "compared as at a first comparison: title to the right, number to the left"


async def test_a_choice_is_for_what_waits(rig: RuleRig) -> None:
    decider = await pair(rig)
    await rig.say(Side.LEFT, problem(1, name="l", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="r"))
    await decider.run_once()
    async with rig.database.transaction() as connection:
        link = await operator.link_named(connection, "R1")
        with pytest.raises(PermanentError, match=r"no conflict of field 'status' waits \(these do: title\)"):
            await operator.resolve(connection, link, "status", Side.LEFT, by="anna")
        await operator.resolve(connection, link, "title", conflict.DISMISSED, by="anna")
    assert await rig.conflicts() == [("title", "both_changed", "dismissed")]


async def test_a_pair_that_is_joined_is_compared_though_neither_ticket_changes(rig: RuleRig) -> None:
    """The defect: it was compared with the next change, or after six hours."""
    decider = await pair(rig)
    [first, _] = await rig.links()
    async with rig.database.transaction() as connection:
        await operator.separate(connection, await operator.link_named(connection, first.key), by="anna", why="x")
    await decider.run_once()
    async with rig.database.transaction() as connection:
        await operator.join(connection, "one", "1", "R1")
    await decider.run_once()
    [joined] = [link for link in await rig.links() if link.id == first.id]
    assert joined.checked_at is not None
    assert joined.base["title"] == ("x", "x")
