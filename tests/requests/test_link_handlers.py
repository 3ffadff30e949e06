"""Requests about links do what the commands do, once, and say what came of it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.links.decide import Decider
from bridge.requests.handlers import RequestHandlers
from bridge.requests.worker import RequestWorker
from bridge.storage import conflict, link_rule, outbox
from bridge.storage import link as link_table
from bridge.storage import request as requests
from bridge.storage.database import Database
from bridge.storage.request import RequestKind, RequestState
from bridge.telemetry.metrics import Metrics
from tests.link_tables import add_links, add_rule, wanted
from tests.links.rule_rig import RuleRig, problem

pytestmark = pytest.mark.anyio

Done = Callable[..., Awaitable[RequestState]]


@pytest.fixture
def rig(database: Database) -> RuleRig:
    return RuleRig(database, {"match": {"by": ["externalId = id"]}, "on_conflict": "manual"})


@pytest.fixture
def worker(database: Database) -> RequestWorker:
    return RequestWorker(RequestHandlers({}, database, Metrics()), database, Metrics())


@pytest.fixture
def done(database: Database, worker: RequestWorker) -> Done:
    """Ask as anna, have it done, and return what came of it."""

    async def asked(kind: RequestKind, /, **arguments: Any) -> RequestState:
        async with database.transaction() as connection:
            number, _ = await requests.ask(connection, None, kind, "anna", arguments, subject="x")
        await worker.run_once()
        async with database.connection() as connection:
            [state] = [one for one in await requests.recent(connection, [kind], hours=1, limit=9) if one.id == number]
            return state

    return asked


async def pair(rig: RuleRig) -> Decider:
    """A linked pair, and a ticket that waits for its counterpart."""
    decider = await rig.start()
    await rig.say(Side.RIGHT, problem("R1", name="x"), problem("R2", name="y"))
    await rig.say(Side.LEFT, problem(1, name="x", externalId="R1"), problem(2))
    await decider.run_once()
    return decider


async def differ(rig: RuleRig, decider: Decider) -> int:
    """Both sides of the pair say something else; return the link."""
    await rig.say(Side.LEFT, problem(1, name="l", externalId="R1"))
    await rig.say(Side.RIGHT, problem("R1", name="r"))
    await decider.run_once()
    return (await rig.links())[0].id


async def test_a_rule_is_paused_with_a_reason_and_goes_on(rig: RuleRig, done: Done, database: Database) -> None:
    await pair(rig)
    paused = await done("pause_rule", rule="one", reason="carrier moves")
    assert (paused.state, paused.detail) == ("done", "paused")
    async with database.connection() as connection:
        [row] = await link_rule.find(connection, "one")
    assert (row.state, row.state_reason) == ("paused", "anna: carrier moves")
    again = await done("pause_rule", rule="one", reason="")
    assert (again.state, again.detail) == ("failed", "it does not run")
    assert (await done("release_rule", rule="one")).detail == "it is not held"
    assert (await done("resume_rule", rule="one")).detail == "goes on"
    assert (await done("resume_rule", rule="one")).detail == "it is not paused"
    assert "no rule 'two' in the database" in str((await done("pause_rule", rule="two", reason="")).detail)
    async with database.transaction() as connection:
        await link_rule.write_state(connection, row.id, "held", "too many", only_from=["on"])
    assert (await done("release_rule", rule="one")).state == "done"
    assert await rig.state() == "on"


async def test_a_conflict_is_resolved_as_it_was_seen(rig: RuleRig, done: Done) -> None:
    link = await differ(rig, await pair(rig))
    old = await done("resolve_conflict", link=link, field="title", choice="left", seen=conflict.seen_mark("l", "q"))
    assert (old.state, "says something else by now" in str(old.detail)) == ("failed", True)
    assert await rig.conflicts() == [("title", "both_changed", "waiting")]
    seen = conflict.seen_mark("l", "r")
    chosen = await done("resolve_conflict", link=link, field="title", choice="left", seen=seen)
    assert (chosen.state, chosen.detail) == ("done", "left is to stand on both sides")
    assert await rig.conflicts() == [("title", "both_changed", "left")]
    late = await done("resolve_conflict", link=link, field="title", choice="right", seen=seen)
    assert (late.state, "no conflict of field 'title' waits" in str(late.detail)) == ("failed", True)


async def test_a_conflict_is_dismissed(rig: RuleRig, done: Done) -> None:
    link = await differ(rig, await pair(rig))
    seen = conflict.seen_mark("l", "r")
    assert (await done("resolve_conflict", link=link, field="title", choice="dismissed", seen=seen)).state == "done"
    assert await rig.conflicts() == [("title", "both_changed", "dismissed")]


async def test_a_ticket_is_ignored_and_two_are_joined(rig: RuleRig, done: Done) -> None:
    await pair(rig)
    waits = (await rig.links())[1].id
    assert (await done("separate_link", link=waits, why="ignored")).detail == "ignored"
    assert [one.state_reason for one in await rig.links() if one.id == waits] == ["ignored by anna"]
    joined = await done("join_tickets", rule="one", left="2", right="R2")
    assert (joined.state, str(joined.detail).startswith("joined by link")) == ("done", True)
    other = await done("join_tickets", rule="one", left="1", right="R2")
    assert (other.state, "has one of these tickets already" in str(other.detail)) == ("failed", True)
    assert (await done("separate_link", link=99, why="ignored")).detail == "there is no link 99 any more"


async def test_a_blocked_link_is_tried_again(rig: RuleRig, done: Done, database: Database) -> None:
    await pair(rig)
    [create] = await rig.open_writes()
    async with database.transaction() as connection:
        row = (await link_table.lock(connection, [create.link_id]))[create.link_id]
        await outbox.block(connection, create.id, "Data Policy Exception")
        await link_table.save(connection, [msgspec.structs.replace(row, state=LinkState.BLOCKED)])
    assert (await done("retry_link", link=create.link_id)).state == "done"
    assert [row.state for row in await rig.open_writes()] == ["waiting"]
    again = await done("retry_link", link=create.link_id)
    assert (again.state, again.detail) == ("failed", "nothing of this link is blocked any more")


async def test_a_write_that_nobody_can_settle_is_given_up(rig: RuleRig, done: Done, database: Database) -> None:
    await pair(rig)
    [create] = await rig.open_writes()
    assert "no write is without an answer" in str((await done("give_up_write", link=create.link_id)).detail)
    async with database.transaction() as connection:
        await connection.execute(
            "update bridge.outbox set state = 'sending', token = 1, sent_at = now() - interval '1 hour' where id = $1",
            create.id,
        )
    given_up = await done("give_up_write", link=create.link_id)
    assert (given_up.state, given_up.detail) == ("done", "its write is given up")
    assert await rig.open_writes() == []
    [reason] = [one.state_reason for one in await rig.links() if one.id == create.link_id]
    assert reason == "given up by anna: nobody knows whether its counterpart was made"


async def test_of_a_filter_at_most_what_was_confirmed_is_tried_again(database: Database, done: Done) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        links = await add_links(connection, rule, 6)
        await outbox.put(connection, [wanted(number, rule, right) for number in links])
        rows = sorted(row.id for found in (await outbox.open_of(connection, links)).values() for row in found)
        for number in rows:
            await outbox.block(connection, number, "odd" if number == rows[1] else "HTTP 403")
    ended = await done(
        "retry_writes", rule="dma-snow", target="right", kind="update", error="403", up_to=rows[4], most=3
    )
    assert (ended.detail, ended.progress_done, ended.progress_total) == ("3 tried again", 3, 3)
    async with database.connection() as connection:
        found = [row for rows in (await outbox.open_of(connection, links)).values() for row in rows]
    assert [row.id for row in found if row.state == "waiting"] == [rows[0], rows[2], rows[3]]
    other = await done("retry_writes", rule="other", up_to=rows[5], most=9)
    assert other.detail == "0 tried again"


async def test_what_is_cut_off_before_its_end_is_written_was_not_done(
    rig: RuleRig, done: Done, worker: RequestWorker, database: Database
) -> None:
    """The action and the end of its request are one transaction."""
    await pair(rig)
    async with database.connection() as connection:
        await connection.execute(
            "create function bridge.refuse() returns trigger language plpgsql as "
            "$$ begin raise exception 'not now'; end $$; create trigger refuse before update of ended_at on "
            "bridge.request for each row execute function bridge.refuse()"
        )
    assert (await done("pause_rule", rule="one", reason="")).state == "running"
    assert await rig.state() == "on"
    async with database.connection() as connection:
        await connection.execute("drop trigger refuse on bridge.request")
    await worker.run_once()
    assert await rig.state() == "paused"
