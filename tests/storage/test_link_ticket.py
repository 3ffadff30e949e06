"""Tickets are read with their bodies, a page at a time, and with what they said before."""

import orjson
import pytest

from bridge.domain.link.word_map import Side
from bridge.storage import link_ticket
from bridge.storage.database import Database
from tests.links.rule_rig import RuleRig, problem

pytestmark = pytest.mark.anyio


async def test_tickets_are_read_by_key_and_by_page(database: Database) -> None:
    rig = RuleRig(database)
    await rig.start()
    await rig.say(Side.LEFT, *[problem(number) for number in range(3)])
    left = rig.ids[Side.LEFT]
    async with database.connection() as connection:
        found = await link_ticket.read(connection, [(left, "1"), (left, "none"), (rig.ids[Side.RIGHT], "1")])
        assert [(key, orjson.loads(row.body)["name"]) for key, row in found.items()] == [((left, "1"), "a")]
        assert [row.id for row in await link_ticket.page(connection, left, "", limit=2)] == ["0", "1"]
        assert [row.id for row in await link_ticket.page(connection, left, "1", limit=2)] == ["2"]


async def test_versions_come_the_latest_first(database: Database) -> None:
    rig = RuleRig(database)
    await rig.start()
    for name in ("x", "y"):
        await rig.say(Side.LEFT, problem(1, name=name))
    async with database.connection() as connection:
        found = await link_ticket.versions(connection, rig.ids[Side.LEFT], "1")
    assert [orjson.loads(version.body)["name"] for version in found] == ["y", "x"]
    assert found[0].effective_at > found[1].effective_at
