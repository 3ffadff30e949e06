"""The page of conflicts: both values side by side, since when, and what was decided."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.storage.database import Database
from tests.web.console.link_world import LinkWorld, link_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(database: Database, dsn: str, open_console: Callable[..., Any]) -> AsyncIterator[LinkWorld]:
    async with link_world(database, dsn, open_console) as world:
        yield world


async def test_both_values_stand_side_by_side_with_what_was_agreed(world: LinkWorld) -> None:
    shown = await world.get("/conflicts")
    row = shown.rows["1"]
    assert row["left"].startswith("no light left 1")
    assert row["right"].startswith("no power right R1")
    assert (row["base"], row["kind"], row["field"]) == ("same / same", "both_changed", "title")
    assert shown.links["R1"] == "/problems/right/R1"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("rule=one&kind=both_changed&field=title&outcome=waiting", True),
        ("rule=two", False),
        ("kind=refused", False),
        ("field=status", False),
        ("outcome=left", False),
        ("outcome=all", True),
        ("before=1", False),
    ],
)
async def test_conflicts_are_filtered_by_the_address(world: LinkWorld, query: str, found: bool) -> None:
    assert ("1" in (await world.get(f"/conflicts?{query}")).rows) is found


@pytest.mark.parametrize(
    ("query", "said"),
    [("nonsense=1", "nonsense"), ("kind=odd", "kind is one of both_changed"), ("outcome=odd", "outcome is one of")],
)
async def test_what_cannot_be_shown_says_why(world: LinkWorld, query: str, said: str) -> None:
    shown = await world.get(f"/conflicts?{query}")
    assert (shown.status, said in shown.text) == (400, True)


async def test_what_is_about_the_link_itself_can_only_be_dismissed(world: LinkWorld, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("update bridge.conflict set field = '', kind = 'duplicate'")
    decision = (await world.get("/conflicts")).rows["1"]["decision"]
    assert ("Dismiss" in decision, "Left" in decision) == (True, False)


async def test_conflicts_come_in_pages_and_none_twice(world: LinkWorld, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            "insert into bridge.conflict (link_id, field, kind, left_value, right_value) "
            "select 1, 'f' || n, 'refused', 'a', 'b' from generate_series(1, 119) as n"
        )
    shown, numbers = await world.get("/conflicts"), list[int]()
    while True:
        numbers += [int(key) for key in shown.rows]
        if "Older" not in shown.links:
            break
        shown = await world.get(shown.links["Older"])
    assert (len(numbers), len(set(numbers)), numbers == sorted(numbers, reverse=True)) == (120, 120, True)
