"""A source that has gone silent is polled at once, long before the next poll is due."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest

from bridge.simulator import Simulator
from bridge.sources.silence_watch import SilenceWatch
from bridge.sources.state import Mode

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
RigFor = Callable[..., Awaitable[Any]]
BridgeOn = Callable[..., AbstractAsyncContextManager[Any]]


async def test_silence_is_polled_at_and_what_was_missed_brings_a_new_registration(
    bridge_on: BridgeOn, eventually: Eventually
) -> None:
    hourly = {"poll_interval_seconds": 3600, "silence_min_seconds": 1, "silence_max_seconds": 1}
    async with Simulator(population=5, seed=1) as sim, bridge_on(sim, **hourly) as running:
        source, sample = running.sources["sim"], running.metrics.registry.get_sample_value
        await eventually(lambda: source.mode == "push" and source.first_pass.is_set())
        source.registered_at = source.expected_since = datetime.now(UTC) - timedelta(minutes=5)
        sim.forget_subscriptions()
        at = (datetime.now(UTC) - timedelta(seconds=60)).isoformat(timespec="milliseconds")
        await sim.patch(next(iter(sim.problems)), description="not pushed", lastUpdate=at)
        await eventually(lambda: source.mode == "fallback")
        assert sample("tmf656_bridge_silences_total", {"source": "sim"}) >= 1
        assert sample("tmf656_bridge_missed_changes_total", {"source": "sim"}) == 1
        assert source.reason is not None
        assert f"must be able to reach {source.public_url} (http.public_url)" in source.reason
        await eventually(lambda: list(sim.subscriptions) == ["2"])
        assert source.mode == "fallback"
        await sim.create()
        await eventually(lambda: source.mode == "push")


async def test_a_silence_calls_one_poll_and_only_where_notifications_are_expected(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        listener = SilenceWatch(rig.source, rig.metrics)
        rig.source.arrivals.polled(monotonic() - 7200)
        assert not await listener.run_once()
        rig.source.set_registered(datetime.now(UTC), registered=True)
        assert await listener.run_once()
        assert rig.source.poll_wake.reason == "silence"
        assert not await listener.run_once()
        assert rig.counted("silences_total") == 1
        assert rig.counted("silence_limit_seconds") == rig.source.settings.silence_max_seconds


async def test_what_another_process_hears_is_heard(rig_for: RigFor) -> None:
    """Pushes arrive at any process; the one that leads reads of them in the database."""
    async with Simulator() as sim:
        rig = await rig_for(sim)
        rig.source.set_registered(datetime.now(UTC), registered=True)
        reporter = rig.reporter()
        await reporter.run_once()
        assert rig.source.arrivals.arrived_at is None
        await rig.execute("update bridge.source set last_push_at = now()")
        await reporter.run_once()
        arrived_at = rig.source.arrivals.arrived_at
        assert arrived_at is not None
        await reporter.run_once()
        assert rig.source.arrivals.arrived_at == arrived_at


async def test_a_poll_that_another_process_wishes_for_is_made_once_by_the_one_that_leads(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        leader, other = await rig_for(sim), await rig_for(sim)
        other.source.follow(Mode.POLL)
        other.source.poll_wake.call("no usable id")
        await leader.reporter().run_once()
        assert not leader.source.poll_wake.called

        await other.reporter().run_once()
        assert not other.source.poll_wake.called
        await leader.reporter().run_once()
        assert await leader.source.poll_wake.wait(0) == "another process asks for it"
        await other.reporter().run_once()
        await leader.reporter().run_once()
        assert not leader.source.poll_wake.called
