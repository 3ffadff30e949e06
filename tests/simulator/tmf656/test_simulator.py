"""The whole simulator, by its calls."""

import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio


async def test_calls_change_the_truth_and_a_snapshot_brings_it_back() -> None:
    async with Simulator(population=3, seed=1) as sim:
        before = sim.snapshot()
        made = await sim.create(description="new")
        assert sim.problems[made["id"]]["description"] == "new"
        await sim.transition(made["id"], "inProgress")
        assert sim.problems[made["id"]]["status"] == "inProgress"
        await sim.delete(made["id"])
        assert made["id"] not in sim.problems
        await sim.patch(next(iter(sim.problems)), description="changed")
        sim.restore(before)
        assert sim.snapshot() == before


async def test_what_never_happens_is_waited_for_no_longer_than_said() -> None:
    async with Simulator(population=1) as sim:
        with pytest.raises(TimeoutError):
            await sim.wait_until(lambda: False, timeout_seconds=0.05)
        await sim.wait_until(lambda: True, timeout_seconds=0.05)


async def test_the_same_seed_makes_the_same_problems() -> None:
    async with Simulator(population=5, seed=7) as one, Simulator(population=5, seed=7) as other:
        names = [[problem["name"] for problem in sim.problems.values()] for sim in (one, other)]
    assert names[0] == names[1]


async def test_with_a_rate_the_population_lives() -> None:
    async with Simulator(population=5, seed=1, rate=200) as sim:
        before = sim.snapshot()
        await sim.wait_until(lambda: sim.snapshot() != before)
