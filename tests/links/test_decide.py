"""Deciding on the tables: counterparts once, matches first, writes for what is missing, and a hold before too much."""

import msgspec
import pytest
from structlog.testing import capture_logs

from bridge.domain.link.key import link_key
from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.errors import BridgeError
from bridge.links import decide, decision_pace, outcome
from bridge.storage import conflict, lease, link_rule
from bridge.storage import link as link_table
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence, LeaseLostError
from bridge.storage.link import LinkRow
from bridge.storage.outbox import WriteKind
from tests.links.rule_rig import RuleRig, problem, problems

pytestmark = pytest.mark.anyio

MATCH = {"match": {"by": ["key", "externalId = id"]}}


@pytest.fixture
def rig(database: Database) -> RuleRig:
    return RuleRig(database)


async def test_a_ticket_without_counterpart_gets_one_create(rig: RuleRig) -> None:
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1, name="down"))
    await decider.run_once()
    await decider.run_once()
    [link] = await rig.links()
    assert (link.state, link.left_id, link.right_id, link.origin) == (LinkState.CREATING, "1", None, "left")
    assert link.key == link_key("one", "left", "1")
    [write] = await rig.open_writes()
    assert (write.kind, write.side, write.source_id) == (WriteKind.CREATE, Side.RIGHT, rig.ids[Side.RIGHT])
    assert {name: change["to"] for name, change in write.fields.items()} == {"title": "down", "status": "inProgress"}
    assert write.cause is not None
    assert (write.cause["source"], write.cause["id"], write.cause["via"]) == ("left", "1", "poll")
    assert rig.wanted == 1


async def test_a_ticket_that_has_ended_gets_no_counterpart_and_may_be_matched(rig: RuleRig) -> None:
    rig.settings = MATCH
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1, status="closed"), problem(2, status="resolved", externalId="R2"), problem(3))
    await decider.run_once()
    await rig.say(Side.LEFT, problem(3, status="closed"))
    await rig.say(Side.RIGHT, problem("R2", status="resolved"))
    await decider.run_once()
    found = {link.left_id: link.state for link in await rig.links()}
    assert found == {"2": LinkState.LINKED, "3": LinkState.CREATING}, "a create that was decided goes its way"


async def test_nothing_is_made_before_both_sources_were_read_completely_since_the_rule_exists(rig: RuleRig) -> None:
    decider = await rig.start(complete=False)
    await rig.say(Side.LEFT, problem(1))
    await decider.run_once()
    [link] = await rig.links()
    assert link.state is LinkState.WANTED
    await rig.read_completely(Side.LEFT)
    await decider.run_once()
    assert await rig.open_writes() == []
    await rig.read_completely(Side.RIGHT)
    await decider.run_once()
    assert [write.kind for write in await rig.open_writes()] == [WriteKind.CREATE]


async def test_a_counterpart_that_appears_meanwhile_is_joined_and_not_made(rig: RuleRig) -> None:
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1, name="down"))
    await decider.run_once()
    key = link_key("one", "left", "1")
    await rig.say(Side.RIGHT, problem("R", name="down", externalIdentifier=[{"id": key, "owner": "tmf656-bridge"}]))
    await decider.run_once()
    [link] = await rig.links()
    assert (link.state, link.left_id, link.right_id) == (LinkState.LINKED, "1", "R")
    assert [(write.kind, write.side) for write in await rig.open_writes()] == [(WriteKind.UPDATE, Side.LEFT)]


@pytest.mark.parametrize("first", list(Side))
async def test_existing_pairs_are_matched_whichever_side_is_read_first(rig: RuleRig, first: Side) -> None:
    rig.settings = MATCH
    decider = await rig.start()
    said = {Side.LEFT: problem(1, externalId="R1"), Side.RIGHT: problem("R1")}
    for side in (first, first.other):
        if side is Side.RIGHT or first is Side.RIGHT:
            await rig.say(side, said[side])
            await decider.run_once()
        else:
            await rig.say(Side.LEFT, problem(1, externalId="R1"))
    await decider.run_once()
    [link] = await rig.links()
    assert (link.state, link.origin, link.left_id, link.right_id) == (LinkState.LINKED, "match", "1", "R1")
    assert await rig.open_writes() == []
    assert link.base["title"] == ("a", "a")


async def test_a_match_that_is_not_unique_on_both_sides_joins_nothing(rig: RuleRig) -> None:
    rig.settings = MATCH
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1"))
    await rig.say(Side.LEFT, problem(1, externalId="R1"), problem(2, externalId="R1"))
    await decider.run_once()
    links = await rig.links()
    assert [(link.state, link.left_id or link.right_id) for link in links] == [
        (LinkState.BLOCKED, "1"),
        (LinkState.BLOCKED, "2"),
        (LinkState.BLOCKED, "R1"),
    ]
    assert await rig.open_writes() == []
    assert {found[1:] for found in await rig.conflicts()} == {("ambiguous", "waiting")}
    await rig.say(Side.LEFT, problem(2, externalId="R9"))
    await rig.say(Side.LEFT, problem(1, externalId="R1", name="b"))
    await decider.run_once()
    joined = [link for link in await rig.links() if link.state is LinkState.LINKED]
    assert [(link.left_id, link.right_id) for link in joined] == [("1", "R1")]


@pytest.mark.parametrize(
    "what",
    [
        "update bridge.link_rule set walked_at = now() - interval '7 hours'",
        "update bridge.link_rule set committed = '0'",
        "update bridge.link_rule set walked_at = null, walked_source_id = 0, walked_id = ''",
    ],
    ids=["the walk is due", "the position is lost", "the walk begins again"],
)
async def test_what_changed_before_another_walk_is_known_to_the_matches(rig: RuleRig, what: str) -> None:
    """The defect: the position moved past changes that the index had not seen, so pairs were not found, and made."""
    rig.settings = MATCH
    decider = await rig.start()
    await decider.run_once()
    await rig.say(Side.LEFT, problem(1, externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1"))
    async with rig.database.transaction() as connection:
        await connection.execute(what)
    await decider.run_once()
    [link] = await rig.links()
    assert (link.state, link.left_id, link.right_id) == (LinkState.LINKED, "1", "R1")


async def linked(rig: RuleRig, **settings: object) -> decide.Decider:
    """A pair that is in step."""
    rig.settings = MATCH | settings
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1", name="x", status="held"))
    await rig.say(Side.LEFT, problem(1, name="x", status="pending", externalId="R1"))
    await decider.run_once()
    assert await rig.open_writes() == []
    return decider


async def test_a_change_is_written_to_the_other_side_and_dropped_when_it_is_taken_back(rig: RuleRig) -> None:
    decider = await linked(rig)
    await rig.say(Side.LEFT, problem(1, name="y", status="held", externalId="R1"))
    await decider.run_once()
    [write] = await rig.open_writes()
    assert (write.side, write.fields) == (Side.RIGHT, {"title": {"from": "x", "to": "y"}})
    [link] = await rig.links()
    assert link.behind_since is not None
    await rig.say(Side.LEFT, problem(1, name="x", status="held", externalId="R1"))
    await decider.run_once()
    assert await rig.open_writes() == []
    [link] = await rig.links()
    assert link.behind_since is None


async def test_an_unmapped_word_is_kept_for_a_person_and_over_when_both_agree(rig: RuleRig) -> None:
    decider = await linked(rig)
    await rig.say(Side.RIGHT, problem("R1", name="x", status="cancelled"))
    await decider.run_once()
    await decider.run_once()
    assert await rig.conflicts() == [("status", "unmapped", "waiting")]
    assert await rig.open_writes() == []
    assert rig.metrics.links.unmapped.labels("one", "status")._value.get() == 1
    await rig.say(Side.RIGHT, problem("R1", name="x", status="held"))
    await decider.run_once()
    assert await rig.conflicts() == [("status", "unmapped", "agreed")]


async def test_a_manual_conflict_waits_until_a_person_chose(rig: RuleRig) -> None:
    decider = await linked(rig, on_conflict="manual")
    await rig.say(Side.LEFT, problem(1, name="l", status="held", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="r", status="held"))
    await decider.run_once()
    assert await rig.conflicts() == [("title", "both_changed", "waiting")]
    assert await rig.open_writes() == []
    [link] = await rig.links()
    async with rig.database.transaction() as connection:
        assert await conflict.decide(connection, link.id, "title", Side.RIGHT, "anna")
    await decider.run_once()
    [write] = await rig.open_writes()
    assert (write.side, write.fields) == (Side.LEFT, {"title": {"from": "l", "to": "r"}})
    assert await rig.conflicts() == [("title", "both_changed", "right")]


async def test_the_newest_wins_by_its_own_field_and_the_loser_is_kept(rig: RuleRig) -> None:
    decider = await linked(rig)
    await rig.say(Side.RIGHT, problem("R1", name="r", status="held"))
    await rig.say(Side.LEFT, problem(1, name="l", status="held", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="r", status="held", description="newer, in another field"))
    await decider.run_once()
    [write] = await rig.open_writes()
    assert (write.side, write.fields["title"]["to"]) == (Side.RIGHT, "l")
    assert await rig.conflicts() == [("title", "overruled", "left")]
    await decider.run_once()
    assert len(await rig.conflicts()) == 1


async def test_a_deleted_ticket_leaves_an_orphan_and_nothing_is_written(rig: RuleRig) -> None:
    decider = await linked(rig)
    await rig.say(Side.LEFT, problem(1, name="y", status="held", externalId="R1"))
    await decider.run_once()
    async with rig.database.transaction() as connection:
        await connection.execute(
            "update bridge.service_problem set deleted_at = now(), revision = revision + 1 where id = 'R1'"
        )
        await connection.execute(
            "insert into bridge.change (source_id, problem_ids) values ($1, array['R1'])", rig.ids[Side.RIGHT]
        )
    await decider.run_once()
    [link] = await rig.links()
    assert (link.state, link.state_reason) == (LinkState.ORPHANED, "deleted at right")
    assert await rig.open_writes() == []


async def test_a_ticket_that_leaves_the_filter_before_it_has_a_counterpart_is_forgotten(rig: RuleRig) -> None:
    rig.settings = {"filter": {"left": {"status": "inProgress"}}}
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1), problem(2, status="held"))
    await decider.run_once()
    assert [link.left_id for link in await rig.links()] == ["1"]
    await rig.say(Side.LEFT, problem(1, status="held"))
    await decider.run_once()
    assert await rig.links() == []


async def test_a_separated_ticket_is_not_joined_again(rig: RuleRig) -> None:
    decider = await linked(rig)
    [link] = await rig.links()
    async with rig.database.transaction() as connection:
        await link_table.save(connection, [msgspec.structs.replace(link, state=LinkState.UNLINKED)])
    await rig.say(Side.LEFT, problem(1, name="y", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="z"))
    await decider.run_once()
    assert [link.state for link in await rig.links()] == [LinkState.UNLINKED]


async def test_two_ended_tickets_are_left_alone_until_one_is_reopened(rig: RuleRig) -> None:
    decider = await linked(rig, settle_days=0)
    await rig.say(Side.LEFT, problem(1, name="x", status="closed", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="x", status="closed"))
    await decider.run_once()
    assert [link.state for link in await rig.links()] == [LinkState.ENDED]
    await rig.say(Side.RIGHT, problem("R1", name="x", status="inProgress"))
    await decider.run_once()
    assert [link.state for link in await rig.links()] == [LinkState.LINKED]
    [write] = await rig.open_writes()
    assert (write.side, write.fields["status"]["to"]) == (Side.LEFT, "inProgress")


async def test_more_counterparts_than_allowed_in_an_hour_hold_the_rule_until_it_is_released(rig: RuleRig) -> None:
    rig.settings = {"limits": {"creates_per_hour": 2}}
    decider = await rig.start()
    await rig.say(Side.LEFT, *problems(range(5)))
    assert not await decider.run_once() or await rig.state() == "held"
    assert await rig.state() == "held"
    assert len(await rig.open_writes()) == 2
    async with rig.database.transaction() as connection:
        [row] = await link_rule.find(connection, "one")
        assert row.state_reason == "more than 2 counterparts would be made within an hour"
        await link_rule.write_state(connection, row.id, "on", None, only_from=["held"])
    await decider.run_once()
    assert len(await rig.open_writes()) == 4


async def test_a_walk_that_would_change_too_many_links_holds_the_rule(
    rig: RuleRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "FEWEST_CHANGES", 3)
    decider = await linked(rig)
    await rig.say(Side.RIGHT, *[problem(f"S{n}", name="x") for n in range(9)])
    await rig.say(Side.LEFT, *[problem(f"L{n}", name="x", externalId=f"S{n}") for n in range(9)])
    await decider.run_once()
    assert len(await rig.links()) == 10
    rig.settings |= {"fields": {"title": {"left": "externalId", "right": "name"}}}
    [run] = await rig.jobs().register()
    await rig.decider(run).run_once()
    assert await rig.state() == "held"


@pytest.mark.parametrize("state", ["paused", "plan", "off", "gone"])
async def test_a_rule_that_is_not_on_decides_nothing(rig: RuleRig, state: str) -> None:
    decider = await rig.start()
    async with rig.database.transaction() as connection:
        [row] = await link_rule.find(connection, "one")
        await link_rule.write_state(connection, row.id, state, None, only_from=["on"])
    await rig.say(Side.LEFT, problem(1))
    assert not await decider.run_once()
    assert await rig.links() == []


async def test_who_lost_the_lease_decides_nothing(rig: RuleRig) -> None:
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1))
    async with rig.database.connection() as connection:
        token = await lease.take(connection, lease.LEADER, "other", seconds=60)
    assert token is not None
    decider.fence = LeaderFence(token + 1)
    with pytest.raises(LeaseLostError):
        await decider.run_once()
    assert await rig.links() == []


async def test_a_new_process_goes_on_where_the_former_one_stopped(rig: RuleRig) -> None:
    decider = await linked(rig)
    await rig.say(Side.LEFT, problem(1, name="y", status="held", externalId="R1"))
    await rig.decider(decider.run_of_rule).run_once()
    assert [write.fields["title"]["to"] for write in await rig.open_writes()] == ["y"]


async def test_changes_that_are_gone_begin_a_walk(rig: RuleRig) -> None:
    decider = await linked(rig)
    await rig.say(Side.LEFT, problem(1, name="y", status="held", externalId="R1"))
    async with rig.database.transaction() as connection:
        await connection.execute("delete from bridge.change")
        await connection.execute("update bridge.link_rule set committed = '99999999'")
    await decider.run_once()
    assert [write.fields["title"]["to"] for write in await rig.open_writes()] == ["y"]


async def test_a_failure_of_one_step_is_repeated_whole(rig: RuleRig, monkeypatch: pytest.MonkeyPatch) -> None:
    decider = await rig.start()
    await rig.say(Side.LEFT, *problems(range(3)))

    async def fail(*_: object) -> int:
        raise BridgeError("the process dies here")

    with monkeypatch.context() as broken:
        broken.setattr(conflict, "keep", fail)
        with pytest.raises(BridgeError, match="dies here"):
            await decider.run_once()
    assert await rig.links() == []
    await decider.run_once()
    assert len(await rig.links()) == len(await rig.open_writes()) == 3


async def test_a_link_that_cannot_be_decided_is_shown_and_keeps_back_no_other(
    rig: RuleRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defect: one link ended the step of the rule, and with each step again."""
    rig.settings = MATCH
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1, externalId="R1"), problem(2, externalId="R2"))
    await rig.say(Side.RIGHT, problem("R1"), problem("R2"))
    await decider.run_once()
    real = outcome.decide_link

    def decide_link(rule: object, link: LinkRow, *arguments: object) -> object:
        if link.left_id == "1":
            raise KeyError("defect")
        return real(rule, link, *arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(outcome, "decide_link", decide_link)
    await rig.say(Side.LEFT, problem(1, "b", externalId="R1"), problem(2, "b", externalId="R2"))
    with capture_logs() as logged:
        assert await decider.run_once()
    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == ["link cannot be decided"]
    reasons = {link.left_id: link.state_reason for link in await rig.links()}
    assert reasons == {"1": "cannot be decided: unexpected KeyError, see the log", "2": None}
    assert [write.link_id for write in await rig.open_writes()] == [
        link.id for link in await rig.links() if link.left_id == "2"
    ]
    failed = {"source": "", "job": "links one"}
    assert rig.metrics.registry.get_sample_value("tmf656_bridge_job_failures_total", failed) == 1
    monkeypatch.undo()
    await rig.say(Side.LEFT, problem(1, "c", externalId="R1"))
    await decider.run_once()
    assert {link.state_reason for link in await rig.links()} == {None}
    assert len(await rig.open_writes()) == 2


async def test_a_ticket_with_the_key_of_another_is_told_once_and_gets_no_counterpart(rig: RuleRig) -> None:
    rig.settings = {"create": "both"}
    decider = await rig.start()
    key = link_key("one", "left", "1")
    carried = [{"id": key, "owner": "tmf656-bridge", "externalIdentifierType": "link"}]
    await rig.say(Side.LEFT, problem(1))
    await rig.say(Side.RIGHT, problem("R1", externalIdentifier=carried))
    await decider.run_once()
    assert [(link.left_id, link.right_id, link.state) for link in await rig.links()] == [("1", "R1", "linked")]
    for name in ("copied by a person", "and changed"):
        await rig.say(Side.RIGHT, problem("R2", name=name, externalIdentifier=carried))
        await decider.run_once()
    assert [link.right_id for link in await rig.links()] == ["R1"]
    assert ("", "duplicate", "waiting") in await rig.conflicts()
    async with rig.database.connection() as connection:
        dismissed = """
            update bridge.conflict set outcome = 'dismissed', settled_at = now() where field = '' returning right_value
        """
        assert [row["right_value"] for row in await connection.fetch(dismissed)] == ["R1, R2"]
    await rig.say(Side.RIGHT, problem("R2", name="once more", externalIdentifier=carried))
    await decider.run_once()
    assert [one for one in await rig.conflicts() if one[1] == "duplicate"] == [("", "duplicate", "dismissed")]
    found = rig.metrics.registry.get_sample_value("tmf656_bridge_duplicates_total", {"rule": "one"})
    assert found == 1


async def test_a_storm_of_tickets_without_links_is_decided_in_parts_and_whole_in_the_end(
    rig: RuleRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider = await rig.start()
    await decider.run_once()
    monkeypatch.setattr(decide, "_CHANGES", 1)
    monkeypatch.setattr(decision_pace, "MANY", 1)
    for number in range(3):
        await rig.say(Side.RIGHT, problem(number))

    async def lag() -> float:
        async with rig.database.connection() as connection:
            return (await link_rule.lag(connection))["one"]

    await decider.run_once(at_pace=True)
    assert await lag() > 0, "the first of three"
    await decider.run_once()
    assert await lag() == 0
