"""A fault at every single call of the senders, to Postgres or to the servers, before and after: the same end.

Each run carries over a change of fields, a note each way, and a new counterpart. Once in it, at the n-th call, the
connection breaks: before the call, so that nothing of it happened, or after it, so that it happened and nobody knows
(of a COMMIT, and of a POST, above all). The short form takes every seventh n, before and after in turns; the long form
every one, before and after.
"""

import pytest

from bridge.errors import BridgeError
from bridge.simulator import Faults, Simulator
from bridge.storage.database import Database
from tests.faults.test_chaos import Chaos, When, chaotic
from tests.links.pair import LEFT, RIGHT, Pair, paired

pytestmark = pytest.mark.anyio

SAME = {"status": "acknowledged", "priority": 3, "description": "no light"}
_ROUNDS = 12
_STRIDE = 14
_FIRST = {"before": 1, "after": 1 + _STRIDE // 2}


async def day(pair: Pair, monkeypatch: pytest.MonkeyPatch, chaos: Chaos) -> None:
    """Live through one day with new tickets; what is left must be right."""
    left, right = pair.sims[LEFT], pair.sims[RIGHT]
    one, other, lone = [(await sim.create(**SAME))["id"] for sim in (left, right, left)]
    known = set(right.problems)
    await pair.pull()
    await pair.join(one, other)
    await pair.decide()
    await left.patch(one, status="held", note=[{"id": f"l{chaos.at}", "author": "Eve", "text": "from the left"}])
    await right.patch(other, note=[{"id": f"r{chaos.at}", "author": "Bob", "text": "from the right"}])
    await pair.want(RIGHT, lone)
    await pair.pull()
    for _ in range(_ROUNDS):
        with chaotic(monkeypatch, chaos):
            try:
                await pair.decide()
                await pair.send()
            except BridgeError:
                pass
        await pair.ripen()
        await pair.pull()
        if not await pair.open_writes() and pair.says(LEFT, one) == pair.says(RIGHT, other):
            await pair.decide()
            if not await pair.open_writes():
                break
    assert pair.says(RIGHT, other) == pair.says(LEFT, one) == {"title": "no light", "status": "held", "priority": "3"}
    assert sorted(pair.notes(LEFT, one)) == sorted(pair.notes(RIGHT, other)) == ["from the left", "from the right"]
    assert len(set(right.problems) - known) == 1
    assert await pair.open_writes() == 0
    assert await pair.value("select count(*) from bridge.conflict") == 0
    assert await pair.value("select count(*) from bridge.link where intent is not null or state <> 'linked'") == 0


async def _each(
    database: Database, monkeypatch: pytest.MonkeyPatch, when: When, stride: int = 1, first: int = 1
) -> None:
    async with (
        Simulator(version="4", id_prefix="L", faults=Faults(), seed=1) as left,
        Simulator(version="5", id_prefix="R", faults=Faults(), seed=2) as right,
        paired(database, left, right) as pair,
    ):
        undisturbed = Chaos()
        await day(pair, monkeypatch, undisturbed)
        assert undisturbed.calls > 30
        for at in range(first, undisturbed.calls + 1, stride):
            await day(pair, monkeypatch, Chaos(at, when))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_fault_at_some_calls_changes_nothing_in_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch, when: When
) -> None:
    await _each(database, monkeypatch, when, _STRIDE, _FIRST[when])


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_fault_at_every_call_changes_nothing_in_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch, when: When
) -> None:
    await _each(database, monkeypatch, when)
