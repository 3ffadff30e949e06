"""Yesterday's database is restored: nothing is made twice, both sides agree as before, and each note stands once."""

from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import asyncpg
import pytest

from bridge.domain.link.word_map import Side
from bridge.storage.database import opened
from tests.conftest import with_database
from tests.links.preset_rig import Joined, joined, simulator

pytestmark = pytest.mark.anyio
LEFT, RIGHT = Side.LEFT, Side.RIGHT
KINDS = {
    "dataminer-servicenow": ({LEFT: "dataminer-api", RIGHT: "servicenow"}, "name", "short_description"),
    "tmf656-tmf656": ({LEFT: "tmf656", RIGHT: "tmf656"}, "name", "name"),
}


async def titles(both: Joined, left: str, right: str) -> list[tuple[str, str]]:
    """What both sides of each link are called."""
    desks = both.desks
    return sorted(
        [
            ((await desks[LEFT].read(here))[left], (await desks[RIGHT].read(there))[right])
            for here, there in await both.pairs()
        ]
    )


@pytest.mark.parametrize("preset", KINDS)
async def test_a_restored_backup_makes_nothing_twice(dsn: str, preset: str) -> None:
    kinds, left, right = KINDS[preset]
    rule = {"preset": preset, "create": "both", "notes": {"since": "all"}}
    backup = f"{urlsplit(dsn).path.lstrip('/')}_backup"
    async with AsyncExitStack() as stack:
        sims = {
            side: await stack.enter_async_context(simulator(kinds[side], number)) for number, side in enumerate(Side, 1)
        }
        async with opened(dsn, wait=False) as database, joined(database, kinds, rule, sims) as both:
            old = [await both.desks[LEFT].open(**{left: f"old {number}"}) for number in range(4)]
            await both.settle()
        server = await asyncpg.connect(with_database(dsn, "postgres"))
        stack.push_async_callback(server.close)
        await server.execute(f"create database {backup} template {urlsplit(dsn).path.lstrip('/')}")

        async with opened(dsn, wait=False) as database, joined(database, kinds, rule, sims) as both:
            await both.settle()
            for number in range(4):
                await both.desks[LEFT].open(**{left: f"new on the left {number}"})
                await both.desks[RIGHT].open(**{right: f"new on the right {number}"})
            await both.desks[LEFT].write(old[0], **{left: "renamed on the left"})
            there = dict(await both.pairs())
            await both.desks[RIGHT].write(there[old[1]], **{right: "renamed on the right"})
            await both.desks[LEFT].note(old[2], "Said on the left.")
            await both.desks[RIGHT].note(there[old[2]], "Said on the right.")
            await both.reconcile()
            await both.settle()
            before = await titles(both, left, right)
            assert len(before) == 12
            assert all(here == there for here, there in before)

        restored = with_database(dsn, backup)
        async with opened(restored, wait=False) as database, joined(database, kinds, rule, sims) as both:
            await both.settle()
            await both.reconcile()
            assert await both.settle() == 0
            assert await titles(both, left, right) == before
            assert [len(await desk.tickets()) for desk in both.desks.values()] == [12, 12]
            assert await both.troubles() == []
            pair = {LEFT: old[2], RIGHT: dict(await both.pairs())[old[2]]}
            for side, desk in both.desks.items():
                noted = "\n".join(await desk.notes(pair[side]))
                assert [noted.count(f"Said on the {each.value}.") for each in Side] == [1, 1]
        await server.execute(f"drop database {backup} with (force)")
