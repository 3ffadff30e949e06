"""Publishes the changes in the database to all followers: each process reads them once, for all of its followers.

One loop reads new rows of `bridge.change` while there are followers (a Postgres notification wakes it; it also polls
every second), reads the current state of the problems, and puts the same steps into the queue of each follower. A
queue is bounded. When a queue is full, it is emptied and the follower reads the table at its own pace until it has
caught up; a client that reconnects does the same. No follower delays the loop or, since only committed rows are read,
any writer. Only a few followers read the table at a time, so that connections remain for the rest of the process.

Delivery is at least once: a problem that changed twice may be sent once, in its latest state, or twice. A crash loses
the followers; each client reconnects with its position.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import orjson
import structlog

from bridge.domain.stream_event import Position, StreamEvent, StreamFilter, StreamStep
from bridge.errors import TransientError
from bridge.schedule import Backoff, Job, Wake, run_job
from bridge.storage import change
from bridge.storage.change import ProblemChange
from bridge.storage.database import Connection, Database
from bridge.stream.follower import Follower
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

MOST_FOLLOWERS = 2000
_CHANGES = 200
_PROBLEMS = 500
_LOOK_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.05
_PAUSE_SECONDS = 0.02
_PAUSE_A_FOLLOWER_SECONDS = 0.0005
_READERS = 2
_HELD_PAGES = 32
"""Followers that may hold a page of the table in memory at the same time: they may be many, and slow to send it."""
_START_SECONDS = 5.0
_EVENT_OVERHEAD_BYTES = 200


@dataclass(slots=True)
class Broadcaster:
    """Publishes the changes in one database to its followers.

    `position`: every change up to here was published. `publishing`: the position of the step being published now.
    """

    database: Database
    metrics: Metrics
    position: Position | None = None
    publishing: Position = field(default=Position(0, 0))
    _followers: set[Follower] = field(default_factory=set)
    _wake: Wake = field(default_factory=Wake)
    _placed: anyio.Event = field(default_factory=anyio.Event)
    _readers: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_READERS))
    _held_pages: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_HELD_PAGES))
    _stopped: bool = False

    async def run(self) -> None:
        """Publish while there are followers; when cancelled, every follower ends at once."""
        backoff = Backoff()
        try:
            await run_job(
                Job("stream", self.metrics),
                lambda: self._publish_changes(backoff),
                self._wait,
                wait_first=True,
                backoff=backoff,
            )
        finally:
            self._stopped = True
            for follower in list(self._followers):
                follower.end()

    @asynccontextmanager
    async def follow(self, wish: StreamFilter) -> AsyncIterator[Follower]:
        """Add a follower until the block ends; TransientError when that is not possible now."""
        if self._stopped or len(self._followers) >= MOST_FOLLOWERS:
            reason = "stopping" if self._stopped else f"{MOST_FOLLOWERS} follow already"
            raise TransientError(reason, retry_after_seconds=5)
        follower = Follower(wish, self, on_overflow=self.metrics.stream_overflows.inc)
        self._followers.add(follower)
        self._count()
        try:
            await self._place(follower)
            yield follower
        finally:
            self._followers.discard(follower)
            self._count()
            with anyio.CancelScope(shield=True):
                await follower.close()

    async def steps(self, after: Position, until: Position) -> AsyncGenerator[StreamStep, None]:
        """Read the changes after one position up to another from the table, a page at a time; yield current states."""
        while after < until:
            async with self._readers, self.database.connection() as connection:
                changes = [
                    one for one in await change.after(connection, after, limit=_CHANGES) if one.position <= until
                ]
            for pieces in _lookups(changes):
                async with self._held_pages:
                    async with self._readers, self.database.connection() as connection:
                        steps = await _read(connection, pieces)
                    for step in steps:
                        yield step
            if not changes:
                return
            after = changes[-1].position

    async def _place(self, follower: Follower) -> None:
        self._wake.call("follower")
        with anyio.move_on_after(_START_SECONDS):
            await self._placed.wait()
        if self.position is None:
            raise TransientError("Postgres does not answer", retry_after_seconds=2)
        after = follower.wish.after
        if after is not None:
            async with self._readers, self.database.connection() as connection:
                if await change.complete(connection, after):
                    return
        follower.start(self.publishing, reset=after is not None)

    async def _wait(self) -> None:
        while not self._followers:
            self.position, self._placed = None, anyio.Event()
            await self._wake.wait()

    async def _publish_changes(self, backoff: Backoff) -> None:
        async with self.database.connection() as connection, change.listening(connection, self._on_notification):
            if self.position is None:
                self.position = self.publishing = await change.horizon(connection)
            self._placed.set()
            woken = False
            while self._followers:
                changes = await change.after(connection, self.position, limit=_CHANGES)
                await self._publish(connection, changes)
                backoff.reset()
                if len(changes) < _CHANGES:
                    # notified, but no change is visible yet: an older transaction is still open
                    look_seconds = _LOOK_AGAIN_SECONDS if woken and not changes else _LOOK_SECONDS
                    woken = await self._wake.wait(look_seconds) is not None
                await anyio.sleep(_PAUSE_SECONDS + _PAUSE_A_FOLLOWER_SECONDS * len(self._followers))

    def _on_notification(self) -> None:
        self._wake.call("committed")

    async def _publish(self, connection: Connection, changes: Sequence[ProblemChange]) -> None:
        for pieces in _lookups(changes):
            for step in await _read(connection, pieces):
                self.publishing = step.position
                for follower in self._followers:
                    follower.offer(step)
                if step.last:
                    self.position = step.position

    def _count(self) -> None:
        self.metrics.stream_followers.set(len(self._followers))


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some of the problems of a change; `last`: the last of them."""

    change: ProblemChange
    problem_ids: list[str]
    last: bool

    def problems(self) -> list[tuple[int, str]]:
        return [(self.change.source_id, problem_id) for problem_id in self.problem_ids]


def _pieces(changes: Sequence[ProblemChange]) -> Iterator[_Piece]:
    """Split large changes. A problem that occurs in a later change of the batch is published with that one only."""
    final = {(one.source_id, problem_id): one for one in changes for problem_id in one.problem_ids}
    for one in changes:
        ids = [problem_id for problem_id in one.problem_ids if final[one.source_id, problem_id] is one]
        starts = range(0, max(1, len(ids)), _PROBLEMS)
        for start in starts:
            yield _Piece(one, ids[start : start + _PROBLEMS], last=start == starts[-1])


def _lookups(changes: Sequence[ProblemChange]) -> Iterator[list[_Piece]]:
    """Group the pieces that one query looks up."""
    group: list[_Piece] = []
    problems = 0
    for piece in _pieces(changes):
        if group and problems + len(piece.problem_ids) > _PROBLEMS:
            yield group
            group, problems = [], 0
        group.append(piece)
        problems += len(piece.problem_ids)
    if group:
        yield group


async def _read(connection: Connection, pieces: Sequence[_Piece]) -> list[StreamStep]:
    """Read the problems. One that is missing was pruned, a day or more after its deletion was published."""
    rows = await change.current(connection, [key for piece in pieces for key in piece.problems()])
    steps = []
    for piece in pieces:
        found = [rows[key] for key in piece.problems() if key in rows]
        events = tuple(_event(row) for row in found)
        size_bytes = sum(len(one.brief) + len(one.whole) + _EVENT_OVERHEAD_BYTES for one in events)
        source = found[0]["source"] if found else ""
        steps.append(StreamStep(piece.change.position, piece.last, source, events, size_bytes + _EVENT_OVERHEAD_BYTES))
    return steps


def _event(row: Mapping[str, Any]) -> StreamEvent:
    brief = orjson.dumps(
        {
            "source": row["source"],
            "id": row["id"],
            "status": row["status"],
            "status_raw": row["status_raw"],
            "priority": row["priority"],
            "category": row["category"],
            "updated_at": row["updated_at"],
            "status_changed_at": row["status_changed_at"],
            "last_changed_via": row["via"],
            "deleted": row["deleted_at"] is not None,
            "deleted_at": row["deleted_at"],
        }
    )
    return StreamEvent(row["status"], brief, brief[:-1] + b',"body":' + row["body"] + b"}")
