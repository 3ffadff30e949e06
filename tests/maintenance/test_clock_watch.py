"""Our own clock set back: what came by the later clock is older than what is asked now, whatever its time says."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bridge.maintenance.clock_watch import ClockWatch
from bridge.simulator import Simulator
from bridge.sources.state import Mode
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]
HOUR = timedelta(hours=1)


def later() -> datetime:
    """What our clock said before it was set back."""
    return datetime.now(UTC) + HOUR


async def notify(rig: Any, kind: str, problem: dict[str, Any]) -> str:
    """A notification that was received before the clock was set back; return its outcome."""
    event = {"eventType": f"ServiceProblem{kind}Event", "event": {"serviceProblem": problem}}
    notification = wire.read_notification(orjson.dumps(event), received_at=later())
    stored = await store_items(rig.database, [Entry(rig.source.source_id, notification.observation, notification)])
    return str(stored.outcomes[0])


def watch(rig: Any, **clocks: Any) -> ClockWatch:
    return ClockWatch({"sim": rig.source}, rig.database, **clocks)


async def test_polls_win_over_what_was_heard_by_the_later_clock(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=3, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        problem_id = next(iter(sim.problems))
        stamp = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
        await notify(rig, "AttributeValueChange", sim.problems[problem_id] | {"priority": 1, "lastUpdate": stamp})
        for _ in range(2):
            await rig.reconciler.run_once()
        assert await rig.rows() != shown(sim), "answers lose to what seems to come after them"

        assert await watch(rig).run_once()

        for _ in range(2):  # the first answer that looks older is doubted
            await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)


async def test_a_patch_heard_by_the_later_clock_is_overtaken_by_the_next_answer(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=3, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        problem_id = next(iter(sim.problems))
        await notify(rig, "AttributeValueChange", {"id": problem_id, "description": "never so"})
        await rig.reconciler.run_once()
        assert await rig.rows() != shown(sim)

        assert await watch(rig).run_once()

        await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)
        current = "select body from report.service_problem_version where id = $1 and valid_to is null"
        assert orjson.loads(await rig.value(current, problem_id)) == shown(sim)[problem_id]


async def test_what_was_asked_for_by_the_later_clock_is_fetched_now(rig_for: RigFor) -> None:
    async with Simulator(population=3, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await notify(rig, "AttributeValueChange", {"id": next(iter(sim.problems)), "priority": 1})
        assert await rig.refetcher.run_once() == 0, "due in an hour"

        assert await watch(rig).run_once()

        assert await rig.refetcher.run_once() == 1
        assert await rig.value("select count(*) from bridge.refetch") == 0


async def test_a_problem_that_is_gone_is_buried_after_two_passes(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=3, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        problem_id = next(iter(sim.problems))
        await notify(
            rig, "AttributeValueChange", sim.problems[problem_id] | {"description": "the last that was pushed"}
        )
        await sim.delete(problem_id)
        assert await watch(rig).run_once()
        for _ in range(2):
            await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)


async def test_mending_twice_changes_nothing_more(rig_for: RigFor) -> None:
    async with Simulator(population=3, seed=1) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await notify(rig, "AttributeValueChange", {"id": next(iter(sim.problems)), "priority": 1})
        at = datetime.now(UTC)
        assert await watch(rig, wall=lambda: at).run_once()
        rows = "select array_agg(p.revision order by p.id) from bridge.service_problem as p"
        before = await rig.value(rows)
        await watch(rig, wall=lambda: at).run_once()
        assert await rig.value(rows) == before


async def test_a_step_back_is_told_from_a_step_ahead_and_from_a_small_one(rig_for: RigFor) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        noon, steps = datetime.now(UTC), iter(((0, 0), (10, 10), (3610, 11), (3611, 12), (3611.5, 13), (13, 14)))
        wall, steady = noon, 0.0
        watching = watch(rig, wall=lambda: wall, steady=lambda: steady)
        came: list[bool] = []
        for seconds, elapsed in steps:
            wall, steady = noon + timedelta(seconds=seconds), float(elapsed)
            came.append(await watching.run_once())
        assert came == [False, False, False, False, False, True]


async def test_a_doubt_from_before_can_be_ended_after(rig_for: RigFor) -> None:
    async with Simulator(population=1, seed=1) as sim:
        rig = await rig_for(sim)
        source = rig.source
        noon = datetime.now(UTC)
        wall, steady = noon, 0.0
        watching = watch(rig, wall=lambda: wall, steady=lambda: steady)
        await watching.run_once()
        source.set_registered(noon, registered=True, renewed=True)
        source.missed(noon)
        assert source.mode is Mode.FALLBACK
        wall, steady = noon - HOUR, 1.0
        source.change_pushed(wall + timedelta(seconds=1))
        assert source.mode is Mode.FALLBACK, "it seems to be from before the doubt"
        assert await watching.run_once()
        source.change_pushed(wall + timedelta(seconds=2))
        assert source.mode is Mode.PUSH
