"""The console reads links, writes and conflicts page by page, as role bridge_front."""

import pytest

from bridge.domain.link.field import ConflictKind
from bridge.storage import conflict, console_link, outbox
from bridge.storage.conflict import NewConflict
from bridge.storage.console_link import RuleSums
from bridge.storage.database import Database, opened
from bridge.storage.outbox import BlockedFilter
from bridge.storage.session_settings import FRONT
from tests.link_tables import add_links, add_rule, wanted

pytestmark = pytest.mark.anyio


async def fill(database: Database) -> list[int]:
    """Three links with a write each, of which two are blocked, and a conflict of the first."""
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        links = await add_links(connection, rule, 3)
        await outbox.put(connection, [wanted(number, rule, right) for number in links])
        for number, error in ((1, "HTTP 403"), (2, None)):
            await outbox.block(connection, number, error or "")
        await conflict.keep(connection, [NewConflict(links[0], "title", ConflictKind.BOTH_CHANGED, "a", "b")])
    return links


async def test_the_role_of_the_console_reads_all_of_it(database: Database, dsn: str) -> None:
    links = await fill(database)
    async with opened(dsn, session=FRONT, wait=False) as front, front.connection() as connection:
        assert await connection.fetchval("select current_user") == "bridge_front"
        [rule] = await console_link.rules(connection)
        assert (rule.name, rule.left_source, rule.right_source, rule.state) == ("dma-snow", "left", "right", "on")
        assert await console_link.sums(connection) == {rule.id: RuleSums({"linked": 3}, 0, 3, 2, 1)}
        found = await console_link.listed(connection, rule_id=rule.id, states=["linked"], limit=2)
        assert [row["id"] for row in found] == [links[2], links[1]]
        rest = await console_link.listed(connection, before=links[1], limit=2)
        assert [(row["id"], row["waiting_conflicts"]) for row in rest] == [(links[0], 1)]
        assert [row["id"] for row in await console_link.listed(connection, conflicts=True, limit=9)] == [links[0]]
        assert await console_link.listed(connection, behind=True, limit=9) == []
        assert await console_link.listed(connection, numbers=[], limit=9) == []
        for text in ("L2", "R2", "tb-2", str(links[1])):
            assert await console_link.named(connection, text) == [links[1]]
        one = await console_link.find(connection, links[0])
        assert one is not None
        assert (one.left_id, one.base, one.under_way) == ("L1", {}, False)
        assert await console_link.find(connection, 99) is None
        [kept] = await console_link.conflicts(connection, outcome="waiting", limit=9)
        assert (kept.link_id, kept.left_value, kept.left_id, kept.right_source) == (links[0], "a", "L1", "right")
        assert await console_link.notes(connection, links[0]) == []
        assert await console_link.tickets(connection, ("left", "L1"), ("right", "R1")) == {}


async def test_blocked_writes_are_counted_by_their_error(database: Database) -> None:
    await fill(database)
    async with database.connection() as connection:
        assert await console_link.blocked(connection, BlockedFilter()) == (2, 2)
        assert await console_link.blocked(connection, BlockedFilter(error="403")) == (1, 1)
        assert await console_link.blocked(connection, BlockedFilter(kind="note")) == (0, 0)
        found = await console_link.errors(connection, BlockedFilter(rule="dma-snow", target="right"))
        assert [(row["error"], row["writes"]) for row in found] == [("", 1), ("HTTP 403", 1)]
        rows = await console_link.writes(connection, BlockedFilter(), states=["blocked"], limit=9)
        assert [(row["id"], row["ticket_id"]) for row in rows] == [(2, "R2"), (1, "R1")]
        assert rows[0]["fields"] == {"title": {"from": "a", "to": "b"}}
        assert await outbox.blocked(connection, BlockedFilter(rule="dma-snow"), after=1, up_to=9, limit=9) == [2]


async def test_what_a_person_saw_is_another_one_when_a_value_is() -> None:
    marks = {conflict.seen_mark(*pair) for pair in (("a", "b"), ("b", "a"), ("a", None), (None, "a"), ("ab", ""))}
    assert len(marks) == 5
