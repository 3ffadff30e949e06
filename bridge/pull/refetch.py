"""Fetching problems by id whose state is partial, tied or unclear.

Requests are written in the transaction that made them necessary, and settled by an answer to a later question. So a
crash loses none, and what another process requests is found within seconds. A problem whose fetch failed goes behind
those that wait, so it delays no other. After some tries with growing delays a problem that the server does not give is
dropped from the list. It counts as deleted only when an event had said so; else two complete passes have to miss it
(`bridge.pull.deletion`). While the source is away no tries are used up.

When more waits than can be fetched one by one, a poll is called: its pages bring the same answers and settle them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from msgspec.structs import replace

from bridge.domain.decision import FILTERED
from bridge.domain.problem_history import DELETION_REASONS
from bridge.errors import BridgeError, TransientError, raise_first
from bridge.pull.by_id import ByIdAnswer, ask_by_id
from bridge.pull.change_count import count_changes
from bridge.schedule import now, run_job
from bridge.sources.state import SourceState
from bridge.storage import refetch
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Stored
from bridge.storage.observation_store import Item, store_items
from bridge.storage.refetch import RefetchRequest
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_BATCH = 64
_BACKLOG = 256
"""Requests waiting, beyond which a poll is called."""
_TRIES = 4
_FIRST_DELAY_SECONDS = 5.0
_IDLE_SECONDS = 2.0
"""Another process that writes a request wakes nobody here."""


@dataclass(slots=True)
class _RefetchBatch:
    """What came of a batch of requests. `unsettled`: answered, but with nothing that helps; `filtered`: with a
    problem that the source's filter does not keep.
    """

    answered: list[tuple[RefetchRequest, Item]] = field(default_factory=list)
    unsettled: list[RefetchRequest] = field(default_factory=list)
    filtered: list[RefetchRequest] = field(default_factory=list)
    failed: list[tuple[RefetchRequest, TransientError]] = field(default_factory=list)

    def release_errors(self) -> list[BridgeError]:
        """Return what failed, and keep nothing of it: an error holds the frames that hold the batch."""
        errors: list[BridgeError] = [error for _, error in self.failed]
        self.failed.clear()
        return errors


@dataclass(slots=True)
class Refetcher:
    """Fetches what one source's problems lack."""

    source: SourceState
    database: Database
    metrics: Metrics
    on_stored: Callable[[Stored], None] | None = None

    async def run(self) -> None:
        """Fetch what is due, then wait for a call or for the next one to fall due."""
        job = self.source.job("refetch", self.metrics)
        await run_job(job, self.run_once, self._wait, on_failure=self._failed)

    async def _wait(self) -> None:
        await self.source.refetch_wake.wait(await self._pause_seconds())

    def _failed(self, _: Exception) -> None:
        self.metrics.polls.labels(self.source.name, "refetch", "failed").inc()

    async def run_once(self) -> int:
        """Fetch what is due, at most a batch; return how many were due. TransientError when the source is away."""
        async with self.database.connection() as connection:
            due = await refetch.due(connection, self.source.source_id, now(), _BATCH)
            _, waiting = await refetch.next_due(connection, self.source.source_id)
        self.metrics.refetch_waiting.labels(self.source.name).set(waiting)
        if not due:
            return 0
        if waiting > _BACKLOG and not self.source.thin_rows:  # pages of summaries settle nothing
            self.source.poll_wake.call("refetch backlog")
        requests = {request.problem_id: request for request in due}
        batch = _RefetchBatch()
        for answer in await ask_by_id(self.source, list(requests)):
            self._sort(requests[answer.problem_id], answer, batch)
            del answer
        await self._store(batch)
        if batch.failed:
            raise_first(batch.release_errors())
        self.metrics.polls.labels(self.source.name, "refetch", "ok").inc()
        return len(due)

    def _sort(self, request: RefetchRequest, answer: ByIdAnswer, batch: _RefetchBatch) -> None:
        """Put an answer where it belongs."""
        if answer.observation is not None:
            entry = self.source.entry(answer.observation)
            batch.answered.append((request, entry if answer.chosen else replace(entry, kept=False)))
        elif answer.gone and request.reason in DELETION_REASONS:
            batch.answered.append((request, self.source.entry(answer.tombstone())))
        elif isinstance(answer.error, TransientError):
            batch.failed.append((request, answer.error))
        else:
            if answer.error is not None:
                log.info(
                    "cannot be fetched",
                    source=self.source.name,
                    problem_id=request.problem_id,
                    error=str(answer.error),
                )
            batch.unsettled.append(request)

    async def _store(self, batch: _RefetchBatch) -> None:
        """Store the answers, and postpone the other requests."""
        if batch.answered:
            stored = await store_items(self.database, [item for _, item in batch.answered])
            count_changes(self.source, self.metrics, stored)
            if self.on_stored is not None:
                self.on_stored(stored)
            for (request, _), outcome in zip(batch.answered, stored.outcomes, strict=True):
                if outcome == "dead_letter":
                    batch.unsettled.append(request)
                elif outcome == FILTERED:
                    batch.filtered.append(request)
        answering = bool(batch.answered or batch.unsettled) or self._answers_polls
        async with self.database.transaction() as connection:
            for request in batch.filtered:
                await refetch.drop(connection, self.source.source_id, request)
            for request in batch.unsettled:
                await self._postpone(connection, request)
            for request, error in batch.failed:
                if answering and error.retry_after_seconds is None:
                    await self._postpone(connection, request)
                else:
                    at = _due_after(0)
                    await refetch.postpone(connection, self.source.source_id, request, at, counted=False)

    @property
    def _answers_polls(self) -> bool:
        """Is the source there? Then a problem that cannot be fetched is itself the cause."""
        return self.source.first_pass.is_set() and self.source.job("poll", self.metrics).error is None

    async def _postpone(self, connection: Connection, request: RefetchRequest) -> None:
        if request.attempts + 1 >= _TRIES:
            log.info("given up", source=self.source.name, problem_id=request.problem_id, reason=request.reason)
            await refetch.drop(connection, self.source.source_id, request)
            return
        await refetch.postpone(connection, self.source.source_id, request, _due_after(request.attempts))

    async def _pause_seconds(self) -> float:
        async with self.database.connection() as connection:
            due_at, waiting = await refetch.next_due(connection, self.source.source_id)
        self.metrics.refetch_waiting.labels(self.source.name).set(waiting)
        if due_at is None:
            return _IDLE_SECONDS
        return min(_IDLE_SECONDS, max(0.0, (due_at - now()).total_seconds()))


def _due_after(attempts: int) -> datetime:
    return now() + timedelta(seconds=_FIRST_DELAY_SECONDS * 4**attempts)
