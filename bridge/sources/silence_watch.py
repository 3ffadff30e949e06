"""Watching for silence: a source that pushes and has sent nothing for longer than usual is polled at once.

How long is usual is decided in `bridge.domain.push_health`. If that poll finds what a notification should have brought,
push is distrusted and we register again (`sources.missed_push`). A poll that fails brings no further ones: the next
silence begins when the limit has passed again.
"""

from dataclasses import dataclass
from math import inf
from time import monotonic

import anyio
import structlog

from bridge.schedule import jittered, run_job
from bridge.sources.state import SourceState
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_SHORTEST_SECONDS = 1.0
_LONGEST_SECONDS = 30.0


@dataclass(slots=True)
class SilenceWatch:
    """Watches one source."""

    source: SourceState
    metrics: Metrics
    _called_at: float = -inf

    async def run(self) -> None:
        """Look again when the silence may have lasted too long; a notification meanwhile only makes that later."""
        await run_job(self.source.job("silence_watch", self.metrics), self.run_once, self._wait)

    async def run_once(self) -> bool:
        """Call a poll when the source has been silent for too long and notifications are expected."""
        arrivals = self.source.arrivals
        self.metrics.silence_limit.labels(self.source.name).set(arrivals.limit_seconds)
        at = monotonic()
        asked_lately = at - self._called_at < arrivals.limit_seconds
        if self.source.expected_since is None or not arrivals.silent(at) or asked_lately:
            return False
        self._called_at = at
        self.metrics.silences.labels(self.source.name).inc()
        log.info("silent, polling", source=self.source.name, limit_seconds=round(arrivals.limit_seconds, 1))
        self.source.poll_wake.call("silence")
        return True

    async def _wait(self) -> None:
        due_at = self.source.arrivals.due_at()
        left_seconds = _SHORTEST_SECONDS if due_at is None else due_at - monotonic()
        await anyio.sleep(jittered(min(_LONGEST_SECONDS, max(_SHORTEST_SECONDS, left_seconds))))
