"""Single problems are asked for by id over real HTTP: given, gone, or neither."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.domain.observation import Kind
from bridge.errors import PermanentError, TransientError
from bridge.pull.by_id import ask_by_id
from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]


async def test_what_is_given_is_observed_and_what_is_gone_is_gone(rig_for: RigFor) -> None:
    async with Simulator(population=2, seed=1) as sim:
        rig = await rig_for(sim)
        one, other = sim.problems
        await sim.delete(other)
        given, gone = await ask_by_id(rig.source, [one, other])
    assert (given.observation.problem_id, given.gone, given.error) == (one, False, None)
    assert (gone.observation, gone.gone, gone.error) == (None, True, None)
    tombstone = gone.tombstone()
    assert (tombstone.problem_id, tombstone.kind, tombstone.observed_at) == (other, Kind.TOMBSTONE, gone.asked_at)


async def test_after_an_answer_that_may_change_nothing_more_is_asked_for(rig_for: RigFor) -> None:
    async with Simulator(population=30, seed=1) as sim:
        rig = await rig_for(sim)
        sim.faults.operations, sim.faults.down = {"get"}, True
        answers = await ask_by_id(rig.source, list(sim.problems))
    assert 1 <= len(answers) < 30
    assert {type(answer.error) for answer in answers} == {TransientError}
    assert not any(answer.gone or answer.observation for answer in answers)


async def test_another_problem_in_the_answer_is_no_answer(rig_for: RigFor) -> None:
    async with Simulator(population=2, seed=1) as sim:
        rig = await rig_for(sim)
        one, other = sim.problems
        sim.problems[one]["id"] = other
        [answer] = await ask_by_id(rig.source, [one])
    assert isinstance(answer.error, PermanentError)
    assert answer.observation is None
