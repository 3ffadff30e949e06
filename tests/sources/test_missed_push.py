"""What was found by asking was missed by push only if its notification does not come after all."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.simulator import Faults, Simulator
from bridge.sources.missed_push import count_missed_pushes

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]

AWAITED = "select count(*) from bridge.awaited_notification"


def stamp(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


async def expecting(rig: Any) -> None:
    """Known, registered, and so for a while."""
    await rig.poller.run_once()
    await rig.subscriber.run_once("start")
    rig.source.registered_at = rig.source.expected_since = datetime.now(UTC) - timedelta(minutes=5)


async def overdue(rig: Any) -> int:
    """Let the time pass within which a notification may still come; return how many were missed."""
    await rig.execute("update bridge.awaited_notification set due_at = now() - interval '1 second'")
    async with rig.database.connection() as connection:
        return await count_missed_pushes(connection, rig.source, rig.metrics, datetime.now(UTC))


def event(problem: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "eventId": stamp(),
        "eventTime": stamp(),
        "eventType": "ServiceProblemAttributeValueChangeEvent",
        "event": {"serviceProblem": problem},
    } | more


async def counts(rig: Any) -> tuple[float, float, list[tuple[int, int]]]:
    async with rig.database.connection() as connection:
        rows = await connection.fetch(
            "select missed, late from report.push_quality where missed + late > 0 order by hour"
        )
    found = [(row["missed"], row["late"]) for row in rows]
    return rig.counted("missed_changes_total"), rig.counted("late_changes_total"), found


async def changed(sim: Simulator, **changes: Any) -> dict[str, Any]:
    """A change without a notification; as the server answers it."""
    sim.forget_subscriptions()
    problem_id = next(iter(sim.problems))
    await sim.patch(problem_id, **changes)
    return sim.shown()[problem_id]


async def test_a_notification_that_never_comes_is_missed(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await expecting(rig)
        await changed(sim, description="unheard")
        await rig.poller.run_once()
        assert (await rig.value(AWAITED), rig.source.mode.value) == (1, "push")
        assert await overdue(rig) == 1
        assert await counts(rig) == (1, 0, [(1, 0)])
        assert (rig.source.mode.value, await rig.value(AWAITED)) == ("fallback", 0)
        assert await overdue(rig) == 0


@pytest.mark.parametrize("how", ["whole", "part", "part without a time"])
async def test_a_notification_that_comes_a_little_later_is_late_and_speaks_for_push(rig_for: RigFor, how: str) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await expecting(rig)
        now_so = await changed(sim, description="pushed late")
        await rig.poller.run_once()
        keys = {"whole": now_so.keys(), "part": ("id", "description", "lastUpdate")}.get(how, ("id", "description"))
        await rig.notify(**event({key: now_so[key] for key in keys}))
        assert await overdue(rig) == 0
        assert await counts(rig) == (0, 1, [(0, 1)])
        assert rig.source.mode == "push"


@pytest.mark.parametrize("how", ["part", "part without a time"])
async def test_what_a_poll_adds_to_a_part_that_was_pushed_is_not_missed(rig_for: RigFor, how: str) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await expecting(rig)
        now_so = await changed(sim, description="pushed in part", reason="not pushed")
        keys = ("id", "description", "lastUpdate") if how == "part" else ("id", "description")
        await rig.notify(**event({key: now_so[key] for key in keys}))
        await rig.poller.run_once()
        assert await rig.value(AWAITED) == 0


async def test_another_change_of_the_same_problem_does_not_stand_for_the_one_that_was_lost(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await expecting(rig)
        earlier = await changed(sim, description="pushed", lastUpdate=stamp(-3))
        await changed(sim, description="lost", lastUpdate=stamp(-1))
        await rig.poller.run_once()
        await rig.notify(**event(earlier))
        assert await overdue(rig) == 1


async def test_what_changed_before_notifications_were_expected_is_nobodys_fault(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        await expecting(rig)
        await changed(sim, description="long ago", lastUpdate=stamp(-3600))
        await rig.reconciler.run_once()
        assert await rig.value(AWAITED) == 0
        assert rig.source.mode == "push"


async def test_a_reconcile_misses_too(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim, poll_overlap_seconds=0)
        await expecting(rig)
        await changed(sim, description="from before the watermark", lastUpdate=stamp(-60))
        assert (await rig.reconciler.run_once()).missed == 1
        assert rig.source.mode == "fallback"


async def test_a_server_that_states_no_times_is_judged_by_content(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1, faults=Faults(no_last_update=True)) as sim:
        rig = await rig_for(sim)
        await expecting(rig)
        now_so = await changed(sim, description="pushed late")
        await rig.poller.run_once()
        await rig.notify(**event(now_so))
        await changed(sim, description="unheard")
        await rig.poller.run_once()
        await overdue(rig)
        assert await counts(rig) == (1, 1, [(1, 1)])


async def test_a_source_that_is_not_to_push_misses_nothing(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1, faults=Faults(hub_absent=True)) as sim:
        rig = await rig_for(sim)
        await rig.poller.run_once()
        await rig.subscriber.run_once("start")
        await changed(sim, description="polled, as it should be")
        await rig.poller.run_once()
        assert await rig.value(AWAITED) == 0
