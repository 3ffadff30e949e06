"""Bringing what the local journal kept into Postgres, in order of arrival, once Postgres takes it again.

A batch is read, understood and stored through the door like anything that was just received, and dropped from the
journal after the commit. A crash between the two replays the batch: facts are sets and events have digests, so the
second time changes nothing. Each process replays its own journal; no lease is needed for that.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio
import structlog

from bridge.errors import BridgeError
from bridge.journal.journal import Journal, Post
from bridge.schedule import Backoff, Wake
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
        while True:
            try:
                replayed = await self.run_once()
            except BridgeError as error:
                log.debug("replay waits", error=str(error), waiting=self.journal.waiting)
                await anyio.sleep(backoff.next_seconds())
                continue
            backoff.reset()
            if replayed:
                log.info("replayed from the journal", posts=replayed, waiting=self.journal.waiting)
            else:
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
        self.show()
        return len(numbered)

    def show(self) -> None:
        """Set the metrics of the journal."""
        self.metrics.journal_waiting.set(self.journal.waiting)
        self.metrics.journal_bytes.set(self.journal.waiting_bytes)
        oldest_at = self.journal.oldest_at
        self.metrics.journal_oldest.set(oldest_at.timestamp() if oldest_at else 0)
