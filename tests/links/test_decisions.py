"""What a sender writes is decided on the tables as they are then, not as they were when it was put there."""

import pytest

from bridge.domain.link.word_map import Side
from bridge.links.conclude import EndedWrite, Failure, begin, ended, failed
from bridge.links.decided_write import Decided, DecidedWrite, UndecidableNowError
from bridge.links.decisions import RuleDecisions
from bridge.schedule import now
from bridge.storage import conflict, outbox
from bridge.storage import link as link_table
from bridge.storage.database import Connection, Database
from bridge.storage.errors import ConcurrentUpdateError, RefusedError
from bridge.storage.outbox import OutboxRow, WriteOutcome
from tests.links.rule_rig import RuleRig, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
def rig(database: Database) -> RuleRig:
    return RuleRig(database, {"match": {"by": ["externalId = id"]}})


async def decide(decisions: RuleDecisions, connection: Connection, row: OutboxRow) -> Decided:
    """Decide a row as a sender does, and save its link unless something is to be written: then it adds the intent."""
    links = await link_table.lock(connection, [row.link_id])
    found = await decisions.decide(connection, links, [row], (), await conflict.opened(connection, links))
    if not isinstance(found.writes[row.id], DecidedWrite):
        await link_table.save(connection, list(found.links.values()))
    return found.writes[row.id]


async def in_step(rig: RuleRig) -> tuple[RuleDecisions, object]:
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1", name="x"))
    await rig.say(Side.LEFT, problem(1, name="x", externalId="R1"))
    await decider.run_once()
    run = decider.run_of_rule
    return RuleDecisions({run.rule_id: run}), decider


async def test_an_update_has_what_is_missing_now(rig: RuleRig) -> None:
    decisions, decider = await in_step(rig)
    await rig.say(Side.LEFT, problem(1, name="y", externalId="R1"))
    await decider.run_once()
    [row] = await rig.open_writes()
    await rig.say(Side.LEFT, problem(1, name="z", status="held", externalId="R1"))
    async with rig.database.transaction() as connection:
        decided = await decide(decisions, connection, row)
    assert isinstance(decided, DecidedWrite)
    assert decided.values == {"name": "z", "status": "held"}
    sent = decided.sent.fields["title"]
    assert (sent.text, sent.derived_from, sent.before) == ("z", "z", "x")
    assert decided.sent.version is not None
    [stored] = await rig.links()
    assert stored.revision == decided.link.revision


async def test_what_is_not_missing_any_more_is_not_written(rig: RuleRig) -> None:
    decisions, decider = await in_step(rig)
    await rig.say(Side.LEFT, problem(1, name="y", externalId="R1"))
    await decider.run_once()
    [row] = await rig.open_writes()
    await rig.say(Side.RIGHT, problem("R1", name="y"))
    async with rig.database.transaction() as connection:
        assert await decide(decisions, connection, row) is None
    [link] = await rig.links()
    assert link.base["title"] == ("y", "y")


async def test_while_a_write_is_not_settled_nothing_is_decided_and_its_intent_stays(rig: RuleRig) -> None:
    decisions, decider = await in_step(rig)
    await rig.say(Side.LEFT, problem(1, name="y", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="x", status="held"))
    await decider.run_once()
    sent, waits = await rig.open_writes()
    async with rig.database.transaction() as connection:
        decided = await decide(decisions, connection, sent)
        assert isinstance(decided, DecidedWrite)
        begun = await begin(connection, [(sent, decided)], token=None, until=now())
        assert begun.keys() == {sent.link_id}
        await link_table.save(connection, list(begun.values()))
    async with rig.database.transaction() as connection:
        assert isinstance(await decide(decisions, connection, waits), UndecidableNowError)
    async with rig.database.transaction() as connection:
        await failed(connection, waits, Failure("not now", pause_seconds=1), most_attempts=3)
        assert await ended(connection, [EndedWrite(waits, WriteOutcome.UNCHANGED)]) == {waits.id}
    [link] = await rig.links()
    assert link.intent == decided.sent.stored()
    async with rig.database.transaction() as connection:
        assert await ended(connection, [EndedWrite(sent, WriteOutcome.DONE)]) == {sent.id}
    [link] = await rig.links()
    assert link.intent is None


async def test_a_create_has_the_fields_of_its_origin_as_they_are_now(rig: RuleRig) -> None:
    decider = await rig.start()
    await rig.say(Side.LEFT, problem(1, name="a"))
    await decider.run_once()
    [row] = await rig.open_writes()
    await rig.say(Side.LEFT, problem(1, name="b"))
    decisions = RuleDecisions({row.rule_id: decider.run_of_rule})
    async with rig.database.transaction() as connection:
        decided = await decide(decisions, connection, row)
    assert isinstance(decided, DecidedWrite)
    assert decided.values == {"name": "b", "status": "inProgress"}
    assert decided.sent.fields["title"].before is None


async def test_after_a_write_its_link_is_decided_again(rig: RuleRig) -> None:
    decisions, _ = await in_step(rig)
    await rig.say(Side.LEFT, problem(1, name="y", externalId="R1"))
    [link] = await rig.links()
    async with rig.database.transaction() as connection:
        await decisions.again(connection, [link.id])
        await decisions.again(connection, [999])
    [row] = await rig.open_writes()
    assert row.fields["title"]["to"] == "y"


@pytest.mark.parametrize(("state", "meaning"), [("40P01", ConcurrentUpdateError), ("22012", RefusedError)])
async def test_an_error_of_postgres_while_deciding_fails_the_transaction(
    rig: RuleRig, monkeypatch: pytest.MonkeyPatch, state: str, meaning: type[Exception]
) -> None:
    """The defect: a deadlock was contained. Its COMMIT was a rollback, and the write counted as done."""
    decisions, _ = await in_step(rig)
    [link] = await rig.links()

    async def fail(_self: object, _run: object, connection: Connection, *_: object) -> None:
        await connection.execute(f"do $$ begin raise exception using errcode = '{state}'; end $$")

    monkeypatch.setattr(RuleDecisions, "_decided", fail)
    with pytest.raises(meaning):
        async with rig.database.transaction() as connection:
            await decisions.again(connection, [link.id])


async def test_an_error_of_ours_while_deciding_takes_back_the_deciding_alone(
    rig: RuleRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions, _ = await in_step(rig)
    [link] = await rig.links()

    async def fail(_self: object, _run: object, connection: Connection, *_: object) -> None:
        await connection.execute("update bridge.link set state_reason = 'decided by half'")
        raise LookupError("a defect")

    monkeypatch.setattr(RuleDecisions, "_decided", fail)
    async with rig.database.transaction() as connection:
        await connection.execute("update bridge.link set state_reason = 'written' where id = $1", link.id)
        await decisions.again(connection, [link.id])
    async with rig.database.connection() as connection:
        assert await connection.fetchval("select state_reason from bridge.link where id = $1", link.id) == "written"


async def test_a_rule_that_does_not_run_writes_nothing(rig: RuleRig) -> None:
    decisions, _ = await in_step(rig)
    [rule_id] = decisions.runs
    assert decisions.name(rule_id) == "one"
    assert set(decisions.fields(rule_id)) == {"title", "status", "number"}
    assert decisions.says(rule_id, Side.RIGHT, {"name": "x"}) == {"title": "x", "status": ""}
    assert decisions.limits(rule_id).attempts == 8
    gone = RuleDecisions()
    assert (gone.name(1), gone.fields(1), gone.says(1, Side.LEFT, {}), gone.limits(1).attempts) == ("", {}, {}, 8)
    await rig.say(Side.LEFT, problem(2))
    async with rig.database.transaction() as connection:
        [link] = await rig.links()
        await outbox.put(connection, [outbox.Wanted(link.id, rule_id, 1, Side.RIGHT, outbox.WriteKind.NOTE)])
        [row] = (await outbox.open_of(connection, [link.id]))[link.id]
        assert await decide(decisions, connection, row) is None
        assert await decide(gone, connection, row) is None


async def test_no_note_is_copied_for_a_link_that_is_over(database: Database) -> None:
    """The defect: the notes were decided on the link as it was before the decision."""
    rig = RuleRig(database, {"match": {"by": ["externalId = id"]}, "notes": {"direction": "both", "since": "all"}})
    decisions, _ = await in_step(rig)
    note = {"id": "n1", "author": "Eve", "text": "on it"}
    await rig.say(Side.LEFT, problem(1, name="x", externalId="R1", note=[note]))
    async with database.transaction() as connection:
        await connection.execute("update bridge.service_problem set deleted_at = now() where id = 'R1'")
    [link] = await rig.links()
    async with database.transaction() as connection:
        await decisions.again(connection, [link.id])
    assert [one.state for one in await rig.links()] == ["orphaned"]
    assert await rig.open_writes() == []
