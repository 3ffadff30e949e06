"""Each duplicate of a link is kept once, on its side, whatever became of it since."""

import pytest

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.links.duplicates import keep_duplicates
from bridge.storage import link as link_table
from bridge.storage.database import Database
from bridge.storage.link import NewLink
from tests.links.rule_rig import RuleRig

pytestmark = pytest.mark.anyio


async def test_each_duplicate_is_kept_once(database: Database) -> None:
    rig = RuleRig(database)
    decider = await rig.start()
    new = NewLink(decider.run_of_rule.rule_id, "k", "match", LinkState.LINKED, "L1", "R1")
    async with database.transaction() as connection:
        (number,) = (await link_table.add(connection, [new])).values()
        links = await link_table.lock(connection, [number])
        assert await keep_duplicates(connection, links, {}) == 0
        assert await keep_duplicates(connection, links, {number: [(Side.RIGHT, "R2")]}) == 1
        assert await keep_duplicates(connection, links, {number: [(Side.RIGHT, "R2")]}) == 0
        await connection.execute("update bridge.conflict set outcome = 'dismissed', settled_at = now()")
        found = {number: [(Side.RIGHT, "R2"), (Side.LEFT, "L2")]}
        assert await keep_duplicates(connection, links, found) == 1
        rows = await connection.fetch("select left_value, right_value, outcome from bridge.conflict order by id")
    assert [tuple(row) for row in rows] == [(None, "R1, R2", "dismissed"), ("L1, L2", None, "waiting")]
