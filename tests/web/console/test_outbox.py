"""The page of the outbox: what waits, what is blocked and why, by the address."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.storage import outbox
from bridge.storage.database import Database
from tests.link_tables import add_links, add_rule, wanted
from tests.web.console.link_world import LinkWorld, link_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(database: Database, dsn: str, open_console: Callable[..., Any]) -> AsyncIterator[LinkWorld]:
    async with link_world(database, dsn, open_console) as world:
        yield world


async def test_what_is_blocked_is_listed_with_the_reason_and_counted_by_it(world: LinkWorld) -> None:
    shown = await world.get("/outbox?state=blocked")
    row = shown.rows[str(world.blocked)]
    assert (row["kind"], row["state"], row["target"]) == ("create", "blocked", "right")
    assert row["error"] == "HTTP 403 HTTP 403: Data Policy Exception"
    assert row["cause"] == "left 2"
    assert shown.rows["1"]["writes"] == "1"
    assert shown.rows["1"]["reason"] == "HTTP 403: Data Policy Exception"
    assert "Retry all blocked of this filter…" in shown.text


async def test_what_ended_is_listed_when_it_is_asked_for(world: LinkWorld, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("update bridge.outbox set state = 'done', outcome = 'unchanged', ended_at = now()")
    empty = await world.get("/outbox")
    assert ("Nothing waits" in empty.text, list(empty.rows)) == (True, [])
    shown = await world.get("/outbox?state=done")
    assert shown.rows[str(world.blocked)]["state"] == "unchanged"
    assert "No write is like this" in (await world.get("/outbox?state=dropped")).text


async def test_what_waits_says_for_what(world: LinkWorld, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("update bridge.outbox set state = 'waiting', due_at = now() - interval '1 second'")
    assert (await world.get("/outbox")).rows[str(world.blocked)]["due"] == "due now"
    async with database.transaction() as connection:
        await connection.execute("update bridge.outbox set due_at = now() + interval '1 hour'")
    assert (await world.get("/outbox")).rows[str(world.blocked)]["due"].startswith("in ")
    async with database.transaction() as connection:
        await connection.execute("update bridge.link_rule set state = 'paused'")
    assert (await world.get("/outbox")).rows[str(world.blocked)]["due"] == "rule is paused"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("rule=one&target=right&kind=create&error=Policy", True),
        ("rule=two", False),
        ("target=left", False),
        ("kind=note", False),
        ("error=no+such", False),
        ("state=sending", False),
        ("state=all", True),
        ("before=1", False),
    ],
)
async def test_writes_are_filtered_by_the_address(world: LinkWorld, query: str, found: bool) -> None:
    shown = await world.get(f"/outbox?{query}")
    assert (str(world.blocked) in [key for key, row in shown.rows.items() if "link" in row]) is found


@pytest.mark.parametrize(
    ("query", "said"),
    [("nonsense=1", "nonsense"), ("kind=odd", "kind is one of create"), ("state=odd", "state is one of open")],
)
async def test_what_cannot_be_shown_says_why(world: LinkWorld, query: str, said: str) -> None:
    shown = await world.get(f"/outbox?{query}")
    assert (shown.status, said in shown.text) == (400, True)


async def test_writes_come_in_pages_and_none_twice(dsn: str, database: Database, open_console: Any) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        links = await add_links(connection, rule, 120)
        await outbox.put(connection, [wanted(number, rule, right) for number in links])
    async with open_console(dsn) as browser:
        shown, numbers = await browser.get_when_reached("/outbox?target=right"), list[int]()
        while True:
            numbers += [int(key) for key in shown.rows]
            if "Older" not in shown.links:
                break
            shown = await browser.get(shown.links["Older"])
    assert numbers == list(range(120, 0, -1))
