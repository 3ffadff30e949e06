"""Random histories on real Postgres and two simulated servers: at rest, both sides agree, or the difference is known.

Steps come in any order: people edit both sides and add notes, one side is polled or not, the decider runs, the senders
run while answers are lost, requests are lost, writes are carried out late, or the target refuses for a while.
"""

from contextlib import suppress
from random import Random
from typing import Any

import pytest

from bridge.errors import BridgeError
from bridge.simulator import Faults, Simulator
from bridge.storage.database import Database
from tests.links.pair import LEFT, RIGHT, STATUSES, Pair, paired
from tests.links.test_send import settle_down

pytestmark = pytest.mark.anyio

SAME: dict[str, Any] = {"status": "acknowledged", "priority": 3, "description": "begin", "note": None}
FATES = ("done", "done", "done", "lose_request", "lose_answer", "late")
LOSSY = [
    *[f"{word} = {word}" for word in ("acknowledged", "inProgress", "held", "closed")],
    "pending = held",
    "resolved > closed",
]


async def step(pair: Pair, dice: Random, tickets: dict[Any, list[str]], number: int) -> None:
    side = dice.choice([LEFT, RIGHT])
    sim, ticket = pair.sims[side], dice.choice(tickets[side])
    match dice.randrange(8):
        case 0:
            await sim.patch(ticket, description=dice.choice("abc"))
        case 1:
            await sim.patch(ticket, status=dice.choice(STATUSES[:6]))
        case 2:
            notes = sim.problems[ticket].get("note") or []
            await sim.patch(
                ticket, note=[*notes, {"id": f"{side.value}{number}", "author": "Eve", "text": f"n{number}"}]
            )
        case 3 | 4:
            await pair.pollers[side].run_once()
        case 5:
            await pair.decide()
        case 6:
            sim.faults.writes.fates.append(dice.choice(FATES))
            with suppress(BridgeError):
                await pair.senders[side].run_once()
        case 7:
            await pair.ripen()


async def history(database: Database, seed: int, steps: int) -> None:
    dice = Random(seed)
    async with (
        Simulator(version=dice.choice("45"), id_prefix="L", faults=Faults(), seed=seed) as left,
        Simulator(version="5", id_prefix="R", faults=Faults(), seed=seed) as right,
        paired(database, left, right, maps={"status": LOSSY}) as pair,
    ):
        for sim in (left, right):
            sim.faults.writes.late_seconds = None
        tickets = {LEFT: [], RIGHT: []}
        for _ in range(3):
            one, other = await left.create(**SAME), await right.create(**SAME)
            tickets[LEFT].append(one["id"])
            tickets[RIGHT].append(other["id"])
        await pair.pull()
        for one, other in zip(tickets[LEFT], tickets[RIGHT], strict=True):
            await pair.join(one, other)
        for number in range(steps):
            await step(pair, dice, tickets, number)
        for sim in (left, right):
            sim.faults.writes.fates.clear()
        await settle_down(pair)
        await settle_down(pair)
        written = pair.written()
        for _ in range(3):
            await pair.pull()
            await pair.decide()
            await pair.send()
        assert pair.written() == written, "writes go on though nobody changes anything"
        assert await pair.open_writes() == 0
        for one, other in zip(tickets[LEFT], tickets[RIGHT], strict=True):
            await assert_known(pair, one, other)


async def assert_known(pair: Pair, one: str, other: str) -> None:
    says = {LEFT: pair.says(LEFT, one), RIGHT: pair.says(RIGHT, other)}
    for mapped in pair.run.rule.fields:
        left, right = says[LEFT][mapped.name], says[RIGHT][mapped.name]
        compare = mapped.rule.comparison
        same = compare.class_of(LEFT, left) == compare.class_of(RIGHT, right)
        known = compare.put(LEFT, left, right) == right or compare.put(RIGHT, right, left) == left
        kept = await pair.value(
            "select count(*) from bridge.conflict as c inner join bridge.link as l on c.link_id = l.id "
            "where l.left_id = $1 and c.field = $2 and c.kind in ('uncertain', 'unmapped', 'refused')",
            one,
            mapped.name,
        )
        assert same or known or kept, f"{mapped.name}: {left!r} and {right!r}, and nobody knows"
    assert sorted(pair.notes(LEFT, one)) == sorted(pair.notes(RIGHT, other))
    assert len(set(pair.notes(LEFT, one))) == len(pair.notes(LEFT, one))


@pytest.mark.parametrize("seed", range(3))
async def test_a_random_history_comes_to_rest(database: Database, seed: int) -> None:
    await history(database, seed, 40)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
async def test_many_random_histories_come_to_rest(database: Database, seed: int) -> None:
    await history(database, seed, 120)
