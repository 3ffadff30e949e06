"""Bringing what the local journal kept into Postgres, in order of arrival, once Postgres takes it again.

A batch is read, understood and stored through the door like anything that was just received, and dropped from the
journal after the commit. A crash between the two replays the batch: facts are sets and events have digests, so the
second time changes nothing. Each process replays its own journal; no lease is needed for that.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from bridge.journal.journal import Journal, Post
from bridge.schedule import Backoff, Job, Wake, run_job
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_BATCH = 500
_IDLE_SECONDS = 1.0
_BACKOFF_LAST_SECONDS = 2.0


@dataclass(slots=True)
class Replayer:
    """Empties one journal. `store` takes posts in order and returns when all of them are in Postgres."""

    journal: Journal
    store: Callable[[Sequence[Post]], Awaitable[None]]
    metrics: Metrics
    wake: Wake

    async def run(self) -> None:
        """Replay whatever waits, trying again every second or two while Postgres is away."""
        backoff = Backoff(first_seconds=0.2, last_seconds=_BACKOFF_LAST_SECONDS)
        await run_job(Job("journal_replay", self.metrics), self.run_once, self._wait, backoff=backoff)

    async def _wait(self) -> None:
        if not self.journal.waiting:
            await self.wake.wait(_IDLE_SECONDS)

    async def run_once(self) -> int:
        """Replay one batch; return how many posts. TransientError while Postgres is away."""
        self.show()
        if not self.journal.waiting:
            return 0
        numbered = await self.journal.first(_BATCH)
        await self.store([post for _, post in numbered])
        if numbered:
            await self.journal.drop(numbered[-1][0])
            log.info("replayed from the journal", posts=len(numbered), waiting=self.journal.waiting)
        self.show()
        return len(numbered)

    def show(self) -> None:
        """Set the metrics of the journal."""
        self.metrics.journal_waiting.set(self.journal.waiting)
        self.metrics.journal_bytes.set(self.journal.waiting_bytes)
        oldest_at = self.journal.oldest_at
        self.metrics.journal_oldest.set(oldest_at.timestamp() if oldest_at else 0)
