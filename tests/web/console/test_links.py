"""The pages of rules and links: what there is, what holds it up, and how to begin."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.storage import link_rule
from bridge.storage.database import Database
from tests.link_tables import add_links, add_rule
from tests.web.console.link_world import BEHIND_A_PROXY, CONFIGURATION, HOSTILE, LinkWorld, link_world

pytestmark = pytest.mark.anyio

WITH_TEXT = [
    "update bridge.link_rule set name = $1, state_reason = $1",
    """
    update bridge.link set
        state_reason = $1, right_id = $1, base = jsonb_build_object($1::text, jsonb_build_array('', ''))
    where id = 1
    """,
    "update bridge.link set key = $1, left_id = $1 where id = 2",
    """
    update bridge.outbox set
        error = $1, item = $1, cause = jsonb_build_object('source', $1::text, 'id', $1::text),
        fields = jsonb_build_object($1::text, jsonb_build_object('from', $1::text, 'to', $1::text))
    """,
    "update bridge.conflict set left_value = $1, right_value = $1, left_base = $1, right_base = $1, field = $1",
    """
    insert into bridge.link_note (link_id, side, state, note, code, author)
    values (1, 'left', 'origin', $1, 'c', $1)
    """,
]
"""Put a text everywhere."""


@pytest.fixture
async def world(database: Database, dsn: str, open_console: Callable[..., Any]) -> AsyncIterator[LinkWorld]:
    async with link_world(database, dsn, open_console) as world:
        yield world


async def test_without_a_rule_the_page_says_how_to_begin(dsn: str, database: Database, open_console: Any) -> None:
    async with open_console(dsn) as browser:
        shown = await browser.get_when_reached("/links")
        assert 'mode = "plan"' in shown.text
        assert "links plan" in shown.text
        for path in ("/outbox", "/conflicts"):
            assert (await browser.get(path)).links["how to begin"] == "/links"
    async with open_console(dsn, **CONFIGURATION) as browser:
        shown = await browser.get_when_reached("/links")
        assert "Rule one is configured, and the bridge has not started it yet" in shown.text


async def test_rules_and_pairs_are_shown_with_what_holds_them_up(world: LinkWorld) -> None:
    shown = await world.get("/links")
    rule = shown.rows["one"]
    assert rule["state"].startswith("on")
    assert (rule["linked"], rule["blocked"], rule["conflicts"], rule["between"]) == ("1", "1", "1", "left ↔ right")
    assert rule["open_writes"].endswith("1 blocked")
    pair, alone = shown.rows["1"], shown.rows["2"]
    assert (pair["state"], pair["left"], pair["right"]) == (
        "linked",
        "left 1 inProgress no light",
        "right R1 inProgress no power",
    )
    assert (alone["state"], alone["right"]) == ("blocked", "right: not made yet")
    assert "Data Policy Exception" in alone["error"]
    assert shown.links["R1"] == "/problems/right/R1"
    assert "refresh" not in shown.headers


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", ["2", "1"]),
        ("?rule=one", ["2", "1"]),
        ("?rule=other", []),
        ("?state=blocked", ["2"]),
        ("?state=ended", []),
        ("?conflicts=yes", ["1"]),
        ("?behind=yes&rule=one&state=linked", ["1"]),
        ("?q=R1", ["1"]),
        ("?q=2", ["2"]),
        ("?q=nothing", []),
        ("?q=99999999999999999999", []),
        ("?before=2", ["1"]),
    ],
)
async def test_links_are_filtered_by_the_address(world: LinkWorld, query: str, numbers: list[str]) -> None:
    if "behind" in query:
        async with world.rig.database.connection() as connection:
            await connection.execute("update bridge.link set behind_since = now() where id = 1")
    shown = await world.get(f"/links{query}")
    assert [key for key in shown.rows if key.isdigit()] == numbers


async def test_a_separated_ticket_is_found_too(world: LinkWorld) -> None:
    async with world.rig.database.connection() as connection:
        await connection.execute("update bridge.link set state = 'unlinked'")
    assert [key for key in (await world.get("/links?q=R1")).rows if key.isdigit()] == ["1"]
    assert "Link again…" in (await world.get("/links/1")).text


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/links?nonsense=1", 400, "&#39;nonsense&#39;"),
        ("/links?state=odd", 400, "state is one of wanted"),
        ("/links?behind=maybe", 400, "behind is one of yes"),
        ("/links?before=x", 400, "before is a whole number"),
        ("/links?q=%00", 400, "no text may have"),
        ("/links/x", 400, "whole number"),
        ("/links/99", 404, "There is no link 99"),
        ("/links/1?nonsense=1", 400, "no parameter"),
        ("/links/9223372036854775808", 400, "whole number"),
    ],
)
async def test_what_cannot_be_shown_says_why(world: LinkWorld, path: str, status: int, said: str) -> None:
    shown = await world.get(path)
    assert (shown.status, said in shown.text) == (status, True)


async def test_a_link_shows_both_tickets_field_by_field(world: LinkWorld) -> None:
    shown = await world.get("/links/1")
    title = shown.rows["title"]
    assert (title["left"], title["right"], title["verdict"]) == ("no light", "no power", "conflict: both_changed")
    assert (title["left_base"], title["right_base"]) == ("same", "same")
    assert shown.rows["status"]["verdict"] == "same"
    assert "Left for title of link 1" in shown.rows["1"]["decision"]
    other = await world.get("/links/2")
    assert (other.rows["title"]["left"], other.rows["title"]["verdict"]) == ("alone", "")
    write = other.rows[str(world.blocked)]
    assert (write["kind"], write["state"], write["status"]) == ("create", "blocked", "403")
    assert ("Retry" in other.text, "Ignore…" in other.text, "Unlink…" in shown.text) == (True, True, True)


async def test_what_an_audit_found_is_shown_as_text(world: LinkWorld, database: Database) -> None:
    assert "Found by an audit" not in (await world.get("/links/1")).text
    async with database.transaction() as connection:
        audit = await connection.fetchval(
            "insert into bridge.link_audit (rule_id) select id from bridge.link_rule returning id"
        )
        await connection.execute(
            "insert into bridge.link_drift (audit_id, link_id, field, left_value) values ($1, 1, 'title', $2)",
            audit,
            HOSTILE[0],
        )
    shown = await world.get("/links/1")
    found = shown.rows["drift 1"]
    assert (found["field"], found["left"]) == ("title", HOSTILE[0])
    assert HOSTILE[0] not in shown.text


async def test_a_rule_that_is_not_configured_here_compares_nothing(
    dsn: str, database: Database, open_console: Any
) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
    async with open_console(dsn) as browser:
        shown = await browser.get_when_reached(f"/links/{number}")
    assert (shown.status, "cannot be compared here" in shown.text) == (200, True)


async def test_links_come_in_pages_and_none_twice(dsn: str, database: Database, open_console: Any) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        await add_links(connection, rule, 120)
    async with open_console(dsn) as browser:
        shown, numbers = await browser.get_when_reached("/links?rule=dma-snow"), list[int]()
        while True:
            numbers += [int(key) for key in shown.rows if key.isdigit()]
            if "Older" not in shown.links:
                break
            shown = await browser.get(shown.links["Older"])
    assert numbers == list(range(120, 0, -1))


async def test_who_only_reads_is_shown_no_button(dsn: str, database: Database, open_console: Any) -> None:
    vera = {"X-User": "vera", "X-Groups": "noc"}
    async with link_world(database, dsn, open_console, vera, **BEHIND_A_PROXY) as world:
        for path in ("/links", "/links/1", "/links/2", "/outbox", "/conflicts"):
            shown = await world.get(path)
            assert shown.status == 200
            assert "/links/ask" not in shown.text
            assert "/links/confirm" not in shown.text
            assert "/outbox/confirm" not in shown.text


async def test_hostile_texts_are_shown_as_texts(world: LinkWorld, database: Database) -> None:
    for text in HOSTILE:
        async with database.transaction() as connection:
            for statement in WITH_TEXT:
                await connection.execute(statement, text)
        for path in ("/links", "/links/1", "/links/2", "/outbox", "/conflicts"):
            shown = await world.get(path)
            assert shown.status == 200
            assert "<script>alert" not in shown.text
            assert "<img src=x" not in shown.text
            assert ' onfocus="' not in shown.text
            assert ">49<" not in shown.text


async def test_postgres_away_is_said(dsn: str, open_console: Any) -> None:
    async with open_console("postgresql://nobody@127.0.0.1:9/none", reach=False) as browser:
        for path in ("/links", "/links/1", "/outbox", "/conflicts"):
            shown = await browser.get(path)
            assert (shown.status, "Postgres cannot be reached" in shown.text) == (503, True)


async def test_a_rule_that_is_held_says_why(world: LinkWorld) -> None:
    async with world.rig.database.transaction() as connection:
        [row] = await link_rule.find(connection, "one")
        await link_rule.write_state(connection, row.id, "held", "would change 60 of 70 links", only_from=["on"])
    shown = await world.get("/links")
    assert "would change 60 of 70 links" in shown.rows["one"]["state"]
    assert ("Release…" in shown.text, "Pause…" in shown.text) == (True, True)
