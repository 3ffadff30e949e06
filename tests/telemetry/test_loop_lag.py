"""The event loop's lag is measured where it happens."""

import time

import anyio
import pytest

from bridge.telemetry.loop_lag import LoopLagSampler
from bridge.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


async def test_a_loop_that_was_busy_is_late_by_at_least_as_long() -> None:
    sampler, late = LoopLagSampler(Metrics()), []

    async def sample() -> None:
        late.append(await sampler.run_once())

    async with anyio.create_task_group() as group:
        group.start_soon(sample)
        await anyio.lowlevel.checkpoint()
        busy_until = time.monotonic() + 0.4
        while time.monotonic() < busy_until:
            pass
    assert late[0] >= 0.1
    assert sampler.metrics.registry.get_sample_value("tmf656_bridge_event_loop_lag_seconds_count") == 1
