"""C1: a list that shows summaries: they are patches, and what is new or changed is fetched by id, once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.simulator import Faults, Simulator

pytestmark = pytest.mark.anyio

Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]

WAITING = "select count(*) from bridge.refetch"
CHANGE = "ServiceProblemAttributeValueChangeEvent"


def asked_by_id(sim: Simulator) -> int:
    return sum(request.operation == "get" for request in sim.requests)


async def fetch_all(rig: Any) -> None:
    while await rig.value(WAITING):
        await rig.execute("update bridge.refetch set due_at = now()")
        await rig.refetcher.run_once()


@pytest.mark.parametrize("version", ["3", "4", "5"])
async def test_c1_the_first_sync_of_thin_rows_asks_once_for_each_problem(
    rig_for: RigFor, shown: Shown, version: str
) -> None:
    async with Simulator(version=version, population=40, seed=1, faults=Faults(thin_rows=True)) as sim:
        rig = await rig_for(sim, page_size=10)
        await rig.poller.run_once()
        assert set(await rig.rows()) == set(shown(sim))
        assert await rig.value(WAITING) == 40
        await fetch_all(rig)
        assert await rig.rows() == shown(sim)
        assert asked_by_id(sim) == 41  # one to learn that rows are summaries
        for _ in range(2):
            await rig.poller.run_once()
            await rig.reconciler.run_once()
            await fetch_all(rig)
        assert asked_by_id(sim) <= 43  # and one a reconcile, if a row has to be read at all
        assert await rig.rows() == shown(sim)


async def test_c1_only_changed_problems_are_fetched_later(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=20, seed=1, faults=Faults(thin_rows=True)) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await fetch_all(rig)
        before = asked_by_id(sim)
        for problem_id in list(sim.problems)[:3]:
            await sim.transition(problem_id, "held", statusChangeReason="waiting")
        await rig.poller.run_once()
        assert (await rig.rows())[next(iter(sim.problems))]["status"] == "held"
        assert await rig.value(WAITING) == 3
        await fetch_all(rig)
        assert asked_by_id(sim) - before == 3
        assert await rig.rows() == shown(sim)


@pytest.mark.parametrize("by_id", ["given", "failing", "405"])
async def test_c1_a_whole_problem_that_was_pushed_loses_no_attribute_at_the_next_poll(
    rig_for: RigFor, shown: Shown, by_id: str
) -> None:
    async with Simulator(population=5, seed=1, faults=Faults(thin_rows=True)) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await fetch_all(rig)
        if by_id != "given":
            sim.faults.by_id_status = 500 if by_id == "failing" else 405
        problem_id = list(sim.problems)[2]
        body = await sim.patch(problem_id, description="pushed", reason="all of it")
        await rig.notify(eventType=CHANGE, eventId="1", event={"serviceProblem": body})
        for _ in range(2):
            await rig.poller.run_once()
            await rig.reconciler.run_once()
            assert await rig.rows() == shown(sim)


async def test_c1_a_backlog_of_summaries_calls_no_poll(rig_for: RigFor) -> None:
    async with Simulator(population=300, seed=1, faults=Faults(thin_rows=True)) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await rig.execute("update bridge.refetch set due_at = now()")
        await rig.refetcher.run_once()
        assert await rig.source.poll_wake.wait(0) is None
        assert await rig.value(WAITING) == 300 - 64


async def test_rows_that_are_short_because_the_problem_is_are_whole(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=0, seed=1) as sim:
        for number in range(5):
            await sim.create(id=f"short-{number}", description="no more")
        rig = await rig_for(sim)
        await rig.poller.run_once()
        assert rig.source.thin_rows is not True
        await sim.patch("short-1", reason=None, description="less")
        await rig.poller.run_once()
        assert await rig.rows() == shown(sim)
        assert await rig.value(WAITING) == 0


async def test_a_list_that_becomes_whole_is_noticed(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=8, seed=1, faults=Faults(thin_rows=True)) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await fetch_all(rig)
        sim.faults.thin_rows = False
        await sim.patch(next(iter(sim.problems)), reason=None)
        for _ in range(2):
            await rig.reconciler.run_once()
            await fetch_all(rig)
        assert await rig.rows() == shown(sim)
