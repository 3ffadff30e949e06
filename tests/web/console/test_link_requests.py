"""Buttons about links: confirmed where they should be, asked once, done by the process that leads, and kept in the
audit.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.storage import link_rule
from bridge.storage.conflict import seen_mark
from bridge.storage.database import Database
from bridge.web.console.same_origin import FIELD
from tests.web.console.link_world import BEHIND_A_PROXY, LinkWorld, link_world, worker_of

pytestmark = pytest.mark.anyio

SEEN = seen_mark("no light", "no power")


@pytest.fixture
async def world(database: Database, dsn: str, open_console: Callable[..., Any]) -> AsyncIterator[LinkWorld]:
    async with link_world(database, dsn, open_console) as world:
        yield world


async def counted(world: LinkWorld, query: str) -> int:
    async with world.rig.database.connection() as connection:
        return int(await connection.fetchval(query))


async def test_a_side_is_chosen_for_a_field_once(world: LinkWorld) -> None:
    choice = {"link": "1", "field": "title", "seen": SEEN, "next": "/conflicts?rule=one"}
    for _ in range(2):
        answer = await world.press("/links/ask", action="left", **choice)
        assert (answer.status, answer.headers["location"]) == (303, "/conflicts?rule=one")
    other = await world.press("/links/ask", action="right", **choice)
    assert (other.status, "is under way" in other.text) == (409, True)
    shown = await world.get("/conflicts?rule=one")
    assert shown.headers["refresh"] == "2"
    assert "asked for" in shown.rows["1"]["decision"]
    assert "waiting for the process that leads" in shown.text
    await world.work()
    done = await world.get("/conflicts?outcome=all")
    assert "refresh" not in done.headers
    assert "left is to stand on both sides" in done.text
    assert "left by demo" in done.rows["1"]["decision"]
    assert await counted(world, "select count(*) from bridge.request") == 1
    assert await counted(world, "select count(*) from bridge.audit where action = 'request.resolve_conflict'") == 1
    await world.decider.run_once()
    changes = [write.fields["title"] for write in await world.rig.open_writes() if write.kind == "update"]
    assert [change["to"] for change in changes] == ["no light"]


async def test_a_choice_of_what_was_not_seen_is_refused(world: LinkWorld) -> None:
    await world.press("/links/ask", action="left", link="1", field="title", seen=seen_mark("no light", "other"))
    await world.work()
    assert "says something else by now" in (await world.get("/conflicts")).text
    assert await world.rig.conflicts() == [("title", "both_changed", "waiting")]


async def test_a_rule_is_paused_after_it_was_confirmed_and_resumed(world: LinkWorld) -> None:
    asked = await world.press("/links/confirm", action="pause", rule="one", next="/links?rule=one")
    assert (asked.status, "Pause rule one?" in asked.text) == (200, True)
    assert await counted(world, "select count(*) from bridge.request") == 0
    answer = await world.page.post("/links/ask", asked.hidden | {"reason": "carrier moves \0"})
    assert (answer.status, answer.headers["location"]) == (303, "/links?rule=one")
    await world.work()
    shown = await world.get("/links")
    assert "demo: carrier moves \\0" in shown.rows["one"]["state"]
    await world.press("/links/ask", action="resume", rule="one")
    await world.work()
    assert await world.rig.state() == "on"


async def test_a_held_rule_is_released_after_a_look_at_the_plan(world: LinkWorld) -> None:
    async with world.rig.database.transaction() as connection:
        [row] = await link_rule.find(connection, "one")
        await link_rule.write_state(connection, row.id, "held", "would make 900 tickets", only_from=["on"])
    asked = await world.press("/links/confirm", action="release", rule="one")
    assert ("would make 900 tickets" in asked.text, "links plan one" in asked.text) == (True, True)
    await world.page.post("/links/ask", asked.hidden)
    await world.work()
    assert await world.rig.state() == "on"


async def test_a_blocked_link_is_tried_again(world: LinkWorld) -> None:
    await world.press("/links/ask", action="retry", link="2", next="/links/2")
    assert "asked for" in (await world.get("/links")).rows["2"]["do"]
    await world.work()
    assert (await world.get("/links/2")).rows[str(world.blocked)]["state"] == "waiting"


async def test_a_ticket_is_ignored_and_a_pair_is_separated(world: LinkWorld) -> None:
    for action, link, said in (("ignore", "2", "Ignore link 2?"), ("unlink", "1", "Separate the tickets of link 1?")):
        asked = await world.press("/links/confirm", action=action, link=link)
        assert said in asked.text
        await world.page.post("/links/ask", asked.hidden)
    await world.work()
    reasons = {str(link.id): link.state_reason for link in await world.rig.links()}
    assert reasons == {"1": "separated by demo", "2": "ignored by demo"}


async def test_a_write_without_an_answer_is_given_up_after_a_question(world: LinkWorld) -> None:
    assert "Give up its write" not in (await world.get("/links/2")).text
    async with world.rig.database.transaction() as connection:
        await connection.execute(
            """update bridge.link set intent = '{"kind": "create", "side": "right"}' where id = 2"""
        )
        await connection.execute(
            "update bridge.outbox set state = 'sending', token = 1, sent_at = now() - interval '1 hour' "
            "where link_id = 2 and state in ('waiting', 'blocked')"
        )
    assert "Give up its write" in (await world.get("/links/2")).text
    asked = await world.press("/links/confirm", action="give_up", link="2")
    assert "Give up the write of link 2?" in asked.text
    await world.page.post("/links/ask", asked.hidden)
    await world.work()
    assert "its write is given up" in (await world.get("/links/2")).text


async def test_tickets_are_joined_by_hand_after_both_were_shown(world: LinkWorld) -> None:
    asked = await world.press("/links/confirm", action="join", rule="one", left="2", right="R2")
    assert ("left 2: alone" in asked.text, "right R2: free" in asked.text) == (True, True)
    await world.page.post("/links/ask", asked.hidden)
    await world.work()
    assert ("2", "R2") in {(link.left_id, link.right_id) for link in await world.rig.links()}
    unknown = await world.press("/links/confirm", action="join", rule="one", left="2", right="R9")
    assert (unknown.status, "No ticket &#39;R9&#39; of right is known" in unknown.text) == (404, True)


async def test_what_is_blocked_of_a_filter_is_tried_again_with_the_number_that_was_confirmed(world: LinkWorld) -> None:
    nothing = await world.press("/outbox/confirm", error="no such text")
    assert "Nothing is blocked" in nothing.text
    asked = await world.press("/outbox/confirm", rule="one", error="Policy")
    assert ("Try 1 blocked writes again?" in asked.text, asked.hidden["most"]) == (True, "1")
    answer = await world.page.post("/outbox/ask", asked.hidden)
    assert answer.headers["location"] == "/outbox?rule=one&error=Policy"
    await world.work()
    assert "1 tried again" in (await world.get("/outbox")).text


async def test_without_a_leader_a_request_says_so_and_waits(world: LinkWorld) -> None:
    await world.press("/links/ask", action="retry", link="2")
    async with world.rig.database.connection() as connection:
        await connection.execute("update bridge.request set asked_at = now() - interval '2 minutes'")
    assert "no leader" in (await world.get("/links/2")).text
    await world.work()
    assert "<strong>done</strong>" in (await world.get("/links/2")).text


async def test_what_was_asked_is_done_although_the_console_ends(
    dsn: str, database: Database, open_console: Any
) -> None:
    async with link_world(database, dsn, open_console) as world:
        await world.press("/links/ask", action="retry", link="2")
    await worker_of(database)()
    async with open_console(dsn) as browser:
        shown = await browser.get_when_reached("/links/2")
    assert ("<strong>done</strong>" in shown.text, "tried again" in shown.text) == (True, True)


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/links/ask", {"action": "explode"}, 400),
        ("/links/ask", {"action": "retry"}, 400),
        ("/links/ask", {"action": "retry", "link": "99"}, 404),
        ("/links/ask", {"action": "retry", "link": "9" * 18}, 404),
        ("/links/ask", {"action": "pause", "rule": "two"}, 404),
        ("/links/ask", {"action": "pause", "rule": "\0"}, 400),
        ("/links/ask", {"action": "left", "link": "1", "field": "title"}, 400),
        ("/links/confirm", {"action": "explode"}, 400),
        ("/links/confirm", {"action": "pause", "rule": "two"}, 404),
        ("/links/confirm", {"action": "unlink", "link": "99"}, 404),
        ("/links/confirm", {"action": "join", "rule": "one", "left": "2", "right": ""}, 400),
        ("/outbox/confirm", {"kind": "odd"}, 400),
        ("/outbox/ask", {"up_to": "1"}, 400),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    world: LinkWorld, path: str, fields: dict[str, str], status: int
) -> None:
    assert (await world.press(path, **fields)).status == status
    assert await counted(world, "select count(*) from bridge.request") == 0


async def test_it_leads_to_no_other_site(world: LinkWorld) -> None:
    answer = await world.press("/links/ask", action="retry", link="2", next="https://evil.example/")
    assert answer.headers["location"] == "/"


async def test_who_only_reads_is_refused_and_that_is_kept(dsn: str, database: Database, open_console: Any) -> None:
    vera, olga = {"X-User": "vera", "X-Groups": "noc"}, {"X-User": "olga", "X-Groups": "ops"}
    async with link_world(database, dsn, open_console, olga, **BEHIND_A_PROXY) as world:
        token = (await world.page.get("/links", **vera)).hidden[FIELD]
        for path in ("/links/ask", "/links/confirm", "/outbox/ask", "/outbox/confirm"):
            assert (await world.page.post(path, {FIELD: token, "action": "retry", "link": "2"}, **vera)).status == 403
        assert (await world.page.post("/links/ask", {"action": "retry", "link": "2"}, **olga)).status == 403
        token = (await world.page.get("/links", **olga)).hidden[FIELD]
        fields = {FIELD: token, "action": "retry", "link": "2"}
        other = olga | {"Sec-Fetch-Site": "cross-site"}
        assert (await world.page.post("/links/ask", fields, **other)).status == 403
        assert (await world.page.post("/links/ask", fields, **olga)).status == 303
        async with database.connection() as connection:
            rows = await connection.fetch("select actor, outcome from bridge.audit order by id")
    assert [(row["actor"], row["outcome"]) for row in rows] == [
        *[("vera", "refused")] * 4,
        *[("olga", "refused")] * 2,
        ("olga", "done"),
    ]


async def test_many_choices_are_asked_side_by_side(world: LinkWorld, database: Database) -> None:
    """One link does not stand in the way of another, nor one field of a field."""
    async with database.transaction() as connection:
        await connection.execute(
            "insert into bridge.conflict (link_id, field, kind, left_value, right_value) values "
            "(1, 'status', 'both_changed', 'held', 'closed'), (2, 'title', 'both_changed', 'a', 'b')"
        )
    for link, field, left, right in (
        ("1", "title", "no light", "no power"),
        ("1", "status", "held", "closed"),
        ("2", "title", "a", "b"),
    ):
        seen = seen_mark(left, right)
        assert (await world.press("/links/ask", action="right", link=link, field=field, seen=seen)).status == 303
    await world.work()
    assert {outcome for _, _, outcome in await world.rig.conflicts()} == {"right"}
