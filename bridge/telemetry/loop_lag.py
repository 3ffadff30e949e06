"""Samples the delay of the event loop: a task sleeps until a time and measures how much later it runs.

Every request and every job was delayed as much meanwhile: the loop was busy, or the process got no processor time.
Four samples a second have no measurable cost.
"""

from dataclasses import dataclass

import anyio

from bridge.telemetry.metrics import Metrics

_EVERY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class LoopLagSampler:
    """Feeds `event_loop_lag_seconds`."""

    metrics: Metrics

    async def run(self) -> None:
        """Sample for ever."""
        while True:
            await self.run_once()

    async def run_once(self) -> float:
        """Sleep and observe; return how many seconds too long it was."""
        asked_for = anyio.current_time() + _EVERY_SECONDS
        await anyio.sleep_until(asked_for)
        late_seconds = max(0.0, anyio.current_time() - asked_for)
        self.metrics.loop_lag.observe(late_seconds)
        return late_seconds
