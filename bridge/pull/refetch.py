"""Fetching problems by id whose state is partial, tied or unclear.

The door writes the requests (in the transaction that made them necessary) and settles them (an answer to a question
asked later), so a crash loses none, and what another process asks for is found within seconds. What fails goes behind
what waits, so that a problem the source stumbles over holds up no other. A problem that is not to be had by id is
dropped from the list after some tries with growing delays: only two complete passes say that it is gone, except when a
delete event had already said so. A source that is away uses up no tries.

In a storm, when more waits than can be fetched one by one, a poll is called: it brings the same answers by the page,
and settles them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import structlog

from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.domain.problem_history import DELETION_REASONS
from bridge.errors import BridgeError, PermanentError, TransientError, UnreadableError, raise_first
from bridge.pull.page_import import count_changes
from bridge.schedule import Backoff, now
from bridge.sources.state import SourceState
from bridge.storage import refetch
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import Item, store_items
from bridge.storage.refetch import RefetchRequest
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire
from bridge.tmf656.client import NotFoundError

log = structlog.get_logger(__name__)

_AT_ONCE = 8
_BATCH = 64
_STORM = 256
_TRIES = 4
_LATER_SECONDS = 5.0
_IDLE_SECONDS = 2.0
"""Another process may have asked for something; it wakes nobody here."""


@dataclass(slots=True)
class _Round:
    """What a round of asking came to. `in_vain`: answered, but with nothing that helps."""

    answers: list[tuple[RefetchRequest, Item]] = field(default_factory=list)
    in_vain: list[RefetchRequest] = field(default_factory=list)
    failures: list[tuple[RefetchRequest, TransientError]] = field(default_factory=list)

    def let_go(self) -> list[BridgeError]:
        """Return what failed, and forget it."""
        failures: list[BridgeError] = [error for _, error in self.failures]
        self.failures.clear()
        return failures


@dataclass(slots=True)
class Refetcher:
    """Fetches what one source's problems lack."""

    source: SourceState
    database: Database
    metrics: Metrics
    on_stored: Callable[[Stored], None] | None = None

    async def run(self) -> None:
        """Fetch what is due, then wait for a call or for the next one to fall due."""
        backoff = Backoff()
        while True:
            try:
                fetched = await self.run_once()
                pause_seconds = 0.0 if fetched else await self._pause_seconds()
                backoff.reset()
            except BridgeError as error:
                pause_seconds = backoff.after(error)
                self.metrics.polls.labels(self.source.name, "refetch", "failed").inc()
                log.warning(
                    "refetch failed",
                    source=self.source.name,
                    error=str(error),
                    retry_in_seconds=round(pause_seconds, 1),
                )
                await anyio.sleep(pause_seconds)
                continue
            if pause_seconds:
                await self.source.refetch_wake.wait(pause_seconds)

    async def run_once(self) -> int:
        """Fetch what is due, at most a batch; return how many were asked for. TransientError when the source is
        away.
        """
        async with self.database.connection() as connection:
            due = await refetch.due(connection, self.source.source_id, now(), _BATCH)
            _, waiting = await refetch.next_due(connection, self.source.source_id)
        self.metrics.refetch_waiting.labels(self.source.name).set(waiting)
        if not due:
            return 0
        if waiting > _STORM:
            self.source.poll_wake.call("refetch backlog")
        found = _Round()
        limiter = anyio.CapacityLimiter(_AT_ONCE)
        async with anyio.create_task_group() as group:
            for request in due:
                group.start_soon(self._fetch, request, limiter, found)
        await self._keep(found)
        if found.failures:
            raise_first(found.let_go())
        self.metrics.polls.labels(self.source.name, "refetch", "ok").inc()
        return len(due)

    async def _fetch(self, request: RefetchRequest, limiter: anyio.CapacityLimiter, found: _Round) -> None:
        """Ask for one problem; nothing is written here, so that an error of Postgres comes out as it is."""
        async with limiter:
            if found.failures:
                return
            asked_at = now()
            try:
                fetched = await self.source.client.get(request.problem_id)
                seen = wire.read_problem(fetched.item, asked_at=fetched.asked_at, via=Via.REFETCH)
            except NotFoundError:
                if request.reason in DELETION_REASONS:
                    found.answers.append((request, self._tombstone(request, asked_at)))
                else:
                    found.in_vain.append(request)
            except TransientError as error:
                found.failures.append((request, error))
            except (PermanentError, UnreadableError) as error:
                log.info("cannot be fetched", source=self.source.name, problem_id=request.problem_id, error=str(error))
                found.in_vain.append(request)
            else:
                if seen.problem_id == request.problem_id:
                    found.answers.append((request, Entry(self.source.source_id, seen)))
                else:
                    found.in_vain.append(request)

    def _tombstone(self, request: RefetchRequest, asked_at: datetime) -> Entry:
        return Entry(
            self.source.source_id,
            Observation(
                problem_id=request.problem_id,
                kind=Kind.TOMBSTONE,
                via=Via.REFETCH,
                observed_at=asked_at,
                effective_at=asked_at,
                stamped=False,
                body=b"{}",
                content_hash=TOMBSTONE_HASH,
            ),
        )

    async def _keep(self, found: _Round) -> None:
        """Store the answers, and put off what was asked for in vain."""
        if found.answers:
            stored = await store_items(self.database, [item for _, item in found.answers])
            count_changes(self.source, self.metrics, stored)
            if self.on_stored is not None:
                self.on_stored(stored)
            refused = zip(found.answers, stored.outcomes, strict=True)
            found.in_vain += [request for (request, _), outcome in refused if outcome == "dead_letter"]
        answering = bool(found.answers or found.in_vain) or self._answers_polls
        async with self.database.transaction() as connection:
            for request in found.in_vain:
                await self._put_off(connection, request)
            for request, error in found.failures:
                if answering and error.retry_after_seconds is None:
                    await self._put_off(connection, request)
                else:
                    at = _later(0)
                    await refetch.postpone(connection, self.source.source_id, request, at, counted=False)

    @property
    def _answers_polls(self) -> bool:
        """Then a problem that cannot be fetched is itself to blame, and not a source that is away."""
        return self.source.first_pass.is_set() and self.source.last_error is None

    async def _put_off(self, connection: Connection, request: RefetchRequest) -> None:
        if request.attempts + 1 >= _TRIES:
            log.info("given up", source=self.source.name, problem_id=request.problem_id, reason=request.reason)
            await refetch.drop(connection, self.source.source_id, request)
            return
        await refetch.postpone(connection, self.source.source_id, request, _later(request.attempts))

    async def _pause_seconds(self) -> float:
        async with self.database.connection() as connection:
            due_at, waiting = await refetch.next_due(connection, self.source.source_id)
        self.metrics.refetch_waiting.labels(self.source.name).set(waiting)
        if due_at is None:
            return _IDLE_SECONDS
        return min(_IDLE_SECONDS, max(0.01, (due_at - now()).total_seconds()))


def _later(attempts: int) -> datetime:
    return now() + timedelta(seconds=_LATER_SECONDS * 4**attempts)
