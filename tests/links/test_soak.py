"""Edits on both sides, without a pause and for long: no more writes than edits, none is blocked, and nothing grows."""

from random import Random
from time import monotonic

import pytest

from bridge.simulator import Faults, Simulator
from bridge.storage.database import Database
from tests.links.pair import LEFT, RIGHT, STATUSES, paired
from tests.links.test_send import SAME, settle_down

pytestmark = pytest.mark.anyio

_GROWS = """
    select (select count(*) from bridge.link) + (select count(*) from bridge.link_note)
        + (select count(*) from bridge.outbox where state not in ('done', 'dropped'))
        + (select count(*) from bridge.refetch) + (select count(*) from bridge.conflict where settled_at is null)
"""


@pytest.mark.parametrize(
    ("pairs", "seconds", "rounds"), [(6, 0.0, 8), pytest.param(50, 900.0, 10**9, marks=pytest.mark.long)]
)
async def test_both_sides_are_edited_and_nothing_is_left(
    database: Database, pairs: int, seconds: float, rounds: int
) -> None:
    dice = Random(7)
    async with (
        Simulator(version="4", id_prefix="L", faults=Faults(), seed=1) as left,
        Simulator(version="5", id_prefix="R", faults=Faults(), seed=2) as right,
        paired(database, left, right) as pair,
    ):
        joined = (
            [(await left.create(**SAME))["id"] for _ in range(pairs)],
            [(await right.create(**SAME))["id"] for _ in range(pairs)],
        )
        await pair.pull()
        for one, other in zip(*joined, strict=True):
            await pair.join(one, other)
        await settle_down(pair)
        assert pair.written() == 0
        held, edits, began, done = await pair.value(_GROWS), 0, monotonic(), 0
        while done < rounds and (seconds == 0.0 or monotonic() - began < seconds):
            for _ in range(pairs):
                side = dice.choice([LEFT, RIGHT])
                ticket = dice.choice(joined[side is RIGHT])
                before = pair.sims[side].problems[ticket]
                changes = {"status": dice.choice(STATUSES[:5]), "priority": dice.randint(1, 5)}
                edits += any(before[name] != value for name, value in changes.items())
                await pair.sims[side].patch(ticket, **changes)
            await pair.pull()
            await pair.decide()
            await pair.send()
            done += 1
        await settle_down(pair)
        assert 0 < pair.written() <= edits
        assert await pair.value("select count(*) from bridge.outbox where state = 'blocked'") == 0
        assert await pair.value(_GROWS) == held
        for one, other in zip(*joined, strict=True):
            assert pair.says(LEFT, one) == pair.says(RIGHT, other)
