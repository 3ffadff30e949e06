"""A ticket whose counterpart was deleted, or stays ended, gets another one: once, by a link of its own."""

import pytest

from bridge.domain.link.key import link_key
from bridge.domain.link.word_map import Side
from bridge.links import decide
from bridge.storage.database import Database
from bridge.storage.outbox import WriteKind
from tests.links.preset_rig import joined
from tests.links.rule_rig import RuleRig, problem

pytestmark = pytest.mark.anyio

MATCH = {"match": {"by": ["key", "externalId = id"]}}


@pytest.fixture
def rig(database: Database) -> RuleRig:
    return RuleRig(database)


async def linked(rig: RuleRig, status: str = "inProgress", **settings: object) -> decide.Decider:
    """A pair that is in step."""
    rig.settings = MATCH | settings
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1", status=status))
    await rig.say(Side.LEFT, problem(1, status=status, externalId="R1"))
    await decider.run_once()
    assert await rig.open_writes() == []
    return decider


async def delete(rig: RuleRig, side: Side, *tickets: str) -> None:
    async with rig.database.transaction() as connection:
        await connection.execute(
            "update bridge.service_problem set deleted_at = now(), revision = revision + 1 where id = any($1)",
            list(tickets),
        )
        await connection.execute(
            "insert into bridge.change (source_id, problem_ids) values ($1, $2)", rig.ids[side], list(tickets)
        )


async def shown(rig: RuleRig) -> list[tuple[str, str | None, str | None]]:
    return [(link.state.value, link.left_id, link.right_id) for link in await rig.links()]


def carrying(key: str) -> list[dict[str, str]]:
    return [{"id": key, "owner": "tmf656-bridge", "externalIdentifierType": "link"}]


async def test_a_deleted_counterpart_is_made_again_and_the_old_one_stays_away(rig: RuleRig) -> None:
    decider = await linked(rig, on_delete="recreate", create="both")
    await delete(rig, Side.RIGHT, "R1")
    await decider.run_once()
    assert await shown(rig) == [("unlinked", "1", "R1"), ("creating", "1", None)]
    old, new = await rig.links()
    assert old.state_reason == "deleted at right; it gets another one"
    assert (new.generation, new.key) == (1, link_key("one", "left", "1", 1))
    assert [(write.kind, write.side) for write in await rig.open_writes()] == [(WriteKind.CREATE, Side.RIGHT)]
    await rig.say(Side.RIGHT, problem("R2", externalIdentifier=carrying(new.key)))
    await decider.run_once()
    assert await shown(rig) == [("unlinked", "1", "R1"), ("linked", "1", "R2")]
    await rig.say(Side.RIGHT, problem("R1", name="restored"))
    await decider.run_once()
    assert len(await rig.links()) == 2
    await delete(rig, Side.RIGHT, "R2")
    await decider.run_once()
    assert [link.generation for link in await rig.links()] == [0, 1, 2]


@pytest.mark.parametrize("left", [{"status": "resolved"}, {"category": "other"}])
async def test_a_ticket_that_nobody_would_make_one_for_gets_no_other(rig: RuleRig, left: dict[str, str]) -> None:
    decider = await linked(rig, on_delete="recreate", filter={"left": {"category": "x"}})
    await rig.say(Side.RIGHT, problem("R1", status=left.get("status", "inProgress")))
    await rig.say(Side.LEFT, problem(1, externalId="R1") | left)
    await decider.run_once()
    await delete(rig, Side.RIGHT, "R1")
    await decider.run_once()
    assert await shown(rig) == [("orphaned", "1", "R1")]
    assert await rig.open_writes() == []


async def test_a_reopened_ticket_gets_a_follow_up_and_the_ended_one_stays(rig: RuleRig) -> None:
    decider = await linked(rig, reopen="follow_up")
    await rig.say(Side.RIGHT, problem("R1", status="closed"))
    await rig.say(Side.LEFT, problem(1, status="closed", externalId="R1"))
    await decider.run_once()
    await rig.say(Side.LEFT, problem(1, status="inProgress", externalId="R1"))
    await decider.run_once()
    assert await shown(rig) == [("unlinked", "1", "R1"), ("creating", "1", None)]
    assert (await rig.links())[0].state_reason == "reopened at left; it gets another counterpart"
    assert [(write.kind, write.side) for write in await rig.open_writes()] == [(WriteKind.CREATE, Side.RIGHT)]


async def test_a_counterpart_that_is_only_resolved_is_reopened_and_gets_no_follow_up(rig: RuleRig) -> None:
    decider = await linked(rig, reopen="follow_up")
    await rig.say(Side.RIGHT, problem("R1", status="resolved"))
    await rig.say(Side.LEFT, problem(1, status="resolved", externalId="R1"))
    await decider.run_once()
    await rig.say(Side.LEFT, problem(1, status="inProgress", externalId="R1"))
    await decider.run_once()
    assert await shown(rig) == [("linked", "1", "R1")]
    [write] = await rig.open_writes()
    assert (write.side, write.fields["status"]["to"]) == (Side.RIGHT, "inProgress")


async def test_a_ticket_reopened_where_no_counterpart_may_be_made_is_reopened_on_the_other_side(rig: RuleRig) -> None:
    decider = await linked(rig, reopen="follow_up", create="right")
    await rig.say(Side.RIGHT, problem("R1", status="closed"))
    await rig.say(Side.LEFT, problem(1, status="closed", externalId="R1"))
    await decider.run_once()
    await rig.say(Side.RIGHT, problem("R1", status="inProgress"))
    await decider.run_once()
    [write] = await rig.open_writes()
    assert (write.side, write.fields["status"]["to"]) == (Side.LEFT, "inProgress")


async def test_the_first_comparison_with_an_ended_ticket_is_no_follow_up(rig: RuleRig) -> None:
    rig.settings = MATCH | {"reopen": "follow_up"}
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1", status="closed"))
    await rig.say(Side.LEFT, problem(1, externalId="R1"))
    await decider.run_once()
    assert await shown(rig) == [("linked", "1", "R1")]


async def test_what_waited_for_a_link_that_is_over_waits_no_longer(rig: RuleRig) -> None:
    decider = await linked(rig, on_delete="recreate", on_conflict="manual")
    await rig.say(Side.LEFT, problem(1, name="l", status="held", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="r"))
    await decider.run_once()
    assert await rig.conflicts() == [("title", "both_changed", "waiting")]
    assert len(await rig.open_writes()) == 1
    await delete(rig, Side.RIGHT, "R1")
    await decider.run_once()
    assert await rig.conflicts() == [("title", "both_changed", "dismissed")]
    assert [write.kind for write in await rig.open_writes()] == [WriteKind.CREATE]


async def test_the_counterpart_of_a_deleted_ticket_is_ended_once(rig: RuleRig) -> None:
    decider = await linked(rig, on_delete="end")
    await delete(rig, Side.RIGHT, "R1")
    await decider.run_once()
    await decider.run_once()
    assert await shown(rig) == [("orphaned", "1", "R1")]
    [write] = await rig.open_writes()
    assert (write.kind, write.side, write.ends_ticket) == (WriteKind.UPDATE, Side.LEFT, True)
    assert write.fields == {"status": {"from": "inProgress", "to": "closed"}}
    await rig.say(Side.LEFT, problem(1, status="closed", externalId="R1"))
    await decider.run_once()
    assert await rig.open_writes() == [], "somebody was faster"


async def test_what_retention_has_forgotten_was_deleted_and_a_walk_says_so(rig: RuleRig) -> None:
    """The defect: a link with such a ticket was passed over without a word."""
    decider = await linked(rig, on_delete="end")
    await rig.say(Side.LEFT, problem(2, externalId="R2"))
    await rig.say(Side.RIGHT, problem("R2"))
    await decider.run_once()
    async with rig.database.transaction() as connection:
        for ticket in ("R1", "2"):
            await connection.execute("delete from bridge.service_problem where id = $1", ticket)
        await connection.execute("update bridge.link_rule set committed = '99999999'")
    await decider.run_once()
    assert await shown(rig) == [("orphaned", "1", "R1"), ("orphaned", "2", "R2")]
    reasons = [link.state_reason for link in await rig.links()]
    assert reasons == ["deleted at right (not known any more)", "deleted at left (not known any more)"]
    assert sorted(write.side for write in await rig.open_writes()) == [Side.LEFT, Side.RIGHT]


async def test_a_ticket_that_retention_has_forgotten_wants_no_counterpart(rig: RuleRig) -> None:
    decider = await rig.start(complete=False)
    await rig.say(Side.LEFT, problem(1), problem(2))
    await decider.run_once()
    async with rig.database.transaction() as connection:
        await connection.execute("delete from bridge.service_problem where id = '1'")
    await decider.run_once()
    assert await shown(rig) == [("wanted", "2", None)]


@pytest.mark.parametrize("state", ["creating", "blocked"])
async def test_a_counterpart_of_a_forgotten_ticket_is_not_waited_for(rig: RuleRig, state: str) -> None:
    """Its row of the outbox is over, so nothing else would end the link."""
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1), problem(2))
    await decider.run_once()
    async with rig.database.transaction() as connection:
        await connection.execute("delete from bridge.service_problem where id = '1'")
        await connection.execute("update bridge.outbox set state = 'dropped'")
        await connection.execute("update bridge.link set state = $1", state)
        await connection.execute("update bridge.link_rule set committed = '99999999'")
    await decider.run_once()
    assert await shown(rig) == [(state, "2", None)]


async def test_a_system_that_lost_its_tickets_holds_the_rule(rig: RuleRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "FEWEST_CHANGES", 3)
    decider = await linked(rig, on_delete="end")
    numbers = range(2, 7)
    await rig.say(Side.RIGHT, *[problem(f"R{n}") for n in numbers])
    await rig.say(Side.LEFT, *[problem(n, externalId=f"R{n}") for n in numbers])
    await decider.run_once()
    await delete(rig, Side.RIGHT, *[f"R{n}" for n in numbers])
    await decider.run_once()
    assert await rig.state() == "held"


async def test_a_counterpart_that_shows_before_the_answer_to_its_create_is_not_taken_for_another_ticket(
    rig: RuleRig,
) -> None:
    """The defect: pushed before its POST was answered, it got a counterpart of its own where the rule makes both."""
    rig.settings = {"create": "both"}
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1))
    await decider.run_once()
    [link] = await rig.links()
    async with rig.database.transaction() as connection:
        await connection.execute("update bridge.link set state = 'unsure', revision = revision + 1")
    await rig.say(Side.RIGHT, problem("R1", externalIdentifier=carrying(link.key)))
    await decider.run_once()
    assert await shown(rig) == [("unsure", "1", None)]


async def test_an_incident_whose_problem_was_deleted_is_cancelled_and_the_other_way_round(database: Database) -> None:
    kinds = {Side.LEFT: "servicenow", Side.RIGHT: "tmf656"}
    async with joined(database, kinds, {"preset": "servicenow-tmf656", "on_delete": "end"}) as both:
        left, right = both.desks[Side.LEFT], both.desks[Side.RIGHT]
        for number in range(2):
            await left.open(short_description=f"incident {number}")
        await both.settle()
        (first, first_problem), (second, second_problem) = await both.pairs()
        await right.delete(first_problem)
        await left.delete(second)
        for _ in range(2):
            await both.reconcile()
        await both.settle()
        assert (await left.read(first))["state"] == "8"
        assert (await right.read(second_problem))["status"] == "cancelled"
        assert await both.troubles() == []
        assert await both.settle() == 0
