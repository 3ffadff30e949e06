"""Group commit: many callers, one commit, and each goes on only after it.

Callers `put` and wait. One task takes whatever waits (up to a number, and a size), commits it in one go, and wakes
everybody in the batch at once; while it commits, the next batch fills. So a lone caller waits for one commit, and under
load its cost is shared. Used for Postgres (`bridge.ingest.writer`) and for the local journal.

In one lane, callers that come back at once fall into step: all are in one batch, and either we are at work or who
commits, never both. So there are two lanes when items have a `key`, by which they find theirs: what has the same one
stays in order. Both commit at the same time only when each has plenty; little is committed together, since two commits
for it cost twice as much and are no sooner done. But it does not wait long for what the other lane has under way: that
may be stuck. Where 64 senders wait for each answer, two lanes answer 15 to 20 %
more than one (interleaved, 2 cores), a third or fourth nothing more; at half that rate, committing little together
takes a fifth of Postgres' CPU away. Tried and left: to let little wait for more, 1 or 3 ms, at half that rate. It takes
a fifteenth or a sixth of our CPU away and a sixth or a third of Postgres', but half of the answers take longer than 4
or 6 ms instead of 2.7, and the slowest hundredth longer too.

Two statements at once share the processors and come back together, and then Postgres has nothing to do until we have
made the next ones. Tried and left: to send one at a time, the next one ready by then (and no later than 4 ms after the
one before, for a slow disk's sake). It answered 1.09 times as many in a series of nine pairs, 1.03 and 1.00 in two of
twenty.

What waits is bounded in number and in bytes: beyond that a caller is refused at once. One item alone is always taken,
whatever its size, so that no bound makes an item impossible.

Nobody waits longer than `patience_seconds`: one clock a batch, started by its first caller, tells all of them. (A
deadline a caller costs as much as a tenth of everything else that is done for a notification.) The batch stays in its
place and may still be committed; it takes nobody in any more.

A crash before the commit leaves nothing of the batch and nobody told; a crash after it leaves everything kept and some
callers untold.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from time import monotonic
from typing import Generic, TypeAlias, TypeVar

import anyio

from bridge.errors import BridgeError, OverdueError, TransientError

MIB = 1024 * 1024

_PLENTY_ROWS = 16
"""A batch of so many costs each of them little more than one of many does."""
_LITTLE_WAITS_SECONDS = 0.1

T = TypeVar("T")
R = TypeVar("R")


Caller: TypeAlias = asyncio.Future[R | BridgeError]
"""Who waits for a result, or for why there is none. An error is a result to a future, too: raised out of one it would
hold on to everybody whom it is told, and they to their bodies.
"""


class OverloadedError(TransientError):
    """More waits than may wait."""


class _Batch(Generic[T, R]):
    """What is committed together; once it is told, or `overdue`, its `callers` know."""

    __slots__ = ("begun_at", "callers", "clock", "items", "overdue", "size_bytes", "told")

    def __init__(self, patience_seconds: float | None) -> None:
        self.items: list[T] = []
        self.callers: list[Caller[R]] = []
        self.size_bytes = 0
        self.told = self.overdue = False
        self.begun_at = monotonic()
        self.clock = patience_seconds and asyncio.get_running_loop().call_later(patience_seconds, self._overdue)

    def succeed(self, results: Sequence[R]) -> None:
        """Give everybody their result; what comes after the first time is for nobody."""
        if self._tell():
            for caller, result in zip(self.callers, results, strict=True):
                if not caller.done():
                    caller.set_result(result)

    def fail(self, error: BridgeError) -> None:
        """Tell everybody why not."""
        if self._tell():
            for caller in self.callers:
                if not caller.done():
                    caller.set_result(error)

    def _tell(self) -> bool:
        if self.clock:
            self.clock.cancel()
        first, self.told = not self.told, True
        return first

    def _overdue(self) -> None:
        self.overdue = True
        self.fail(OverdueError("not committed in time", retry_after_seconds=2))


class _Lane(Generic[T, R]):
    """Batches in order; `busy` while one of them is being committed."""

    __slots__ = ("batches", "busy")

    def __init__(self) -> None:
        self.batches: deque[_Batch[T, R]] = deque()
        self.busy = False


class GroupCommit(Generic[T, R]):
    """Gathers what is put. `commit` gets the items of a batch and returns a result for each, in order, or raises a
    BridgeError. `size` tells what an item weighs, in bytes.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        size: Callable[[T], int],
        *,
        key: Callable[[T], Hashable] | None = None,
        max_rows: int = 512,
        max_bytes: int = 8 * MIB,
        max_waiting: int = 8192,
        max_waiting_bytes: int = 64 * MIB,
        patience_seconds: float | None = None,
        little_waits_seconds: float = _LITTLE_WAITS_SECONDS,
    ) -> None:
        """Prepare; `run` does the work. `max_rows` and `max_bytes` bound a batch, the other two everything that waits.
        Without `patience_seconds` callers wait as long as it takes. Without a `key` there is one lane.
        `little_waits_seconds`: for the other lane, at most.
        """
        self._commit = commit
        self._size = size
        self._patience_seconds = patience_seconds
        self._little_waits_seconds = little_waits_seconds
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._lanes: list[_Lane[T, R]] = [_Lane()] if key is None else [_Lane(), _Lane()]
        self._key = key or _same
        self.on_committed: Callable[[Sequence[T], Sequence[R]], None] | None = None
        """Gets items and results just before their callers do; not those of a batch that is overdue."""
        self._idle: list[asyncio.Future[None]] = []
        self._stopped = False
        self.waiting = 0
        self.waiting_bytes = 0

    async def put(self, item: T) -> R:
        """Commit one item and return its result.

        Raises OverloadedError at once when too much waits, OverdueError when it takes too long (it may still come to be
        committed), TransientError when nothing is committed any more, and whatever kept the batch from being committed.
        """
        caller: Caller[R] = asyncio.get_running_loop().create_future()
        self.enqueue(item, caller)
        try:
            return result_of(await caller)
        finally:
            del caller  # an error holds this frame, and the future the error

    def enqueue(self, item: T, caller: Caller[R]) -> None:
        """Commit one item some time, and then tell its caller. Raises OverloadedError and TransientError as `put`."""
        if self._stopped:
            raise _stopping()
        size_bytes = self._size(item)
        lane = self._lanes[hash(self._key(item)) % len(self._lanes)]
        batch = self._batch_for(lane, size_bytes)
        place = len(batch.items)
        batch.items.append(item)
        batch.callers.append(caller)
        batch.size_bytes += size_bytes
        if not lane.busy and (place == 0 or self._plenty(batch)):
            self._wake()
        self.waiting += 1
        self.waiting_bytes += size_bytes

    def _batch_for(self, lane: _Lane[T, R], size_bytes: int) -> _Batch[T, R]:
        """Return the batch that an item of this size goes into; OverloadedError when it would be too much."""
        too_many = self.waiting >= self._max_waiting
        if too_many or (self.waiting and self.waiting_bytes + size_bytes > self._max_waiting_bytes):
            raise OverloadedError(
                f"{self.waiting} notifications ({self.waiting_bytes} bytes) wait to be stored", retry_after_seconds=1
            )
        last = lane.batches[-1] if lane.batches else None
        if last is None or last.overdue or self._full(last, size_bytes):
            last = _Batch(self._patience_seconds)
            lane.batches.append(last)
        return last

    def _full(self, batch: _Batch[T, R], size_bytes: int) -> bool:
        return len(batch.items) >= self._max_rows or batch.size_bytes + size_bytes > self._max_bytes

    async def run(self) -> None:
        """Commit batch after batch, until cancelled; whoever still waits then is told."""
        try:
            async with anyio.create_task_group() as tasks:
                for _ in self._lanes:
                    tasks.start_soon(self._run)
        finally:
            self._stopped = True
            for lane in self._lanes:
                for batch in lane.batches:
                    batch.fail(_stopping())
                lane.batches.clear()

    async def _run(self) -> None:
        while True:
            if lanes := self._ready():
                await self._finish(lanes)
            else:
                await self._rest()

    async def _rest(self) -> None:
        """Wait until woken, or until something is ready by itself."""
        loop = asyncio.get_running_loop()
        idle = loop.create_future()
        seconds = self._ready_in_seconds()
        clock = None if seconds is None else loop.call_later(seconds, _rouse, idle)
        self._idle.append(idle)
        try:
            await idle
        finally:
            if clock is not None:
                clock.cancel()
            if idle in self._idle:
                self._idle.remove(idle)

    def _wake(self) -> None:
        """Have a task that is idle look again; it may also only find until when to wait."""
        if self._idle and any(lane.batches and not lane.busy for lane in self._lanes):
            _rouse(self._idle.pop())

    def _ready_in_seconds(self) -> float | None:
        """When something will be ready by itself."""
        begun_at = [lane.batches[0].begun_at for lane in self._lanes if lane.batches and not lane.busy]
        return max(0.0, min(begun_at) + self._little_waits_seconds - monotonic()) if begun_at else None

    def _ready(self) -> list[_Lane[T, R]]:
        """Return the lanes whose first batches are to be committed now, in one go."""
        waiting = [lane for lane in self._lanes if lane.batches and not lane.busy]
        plenty = [lane for lane in waiting if self._plenty(lane.batches[0])]
        if len(plenty) == len(waiting) or any(lane.busy for lane in self._lanes):
            return plenty[:1]
        return [lane for lane in waiting if lane not in plenty]

    def _plenty(self, batch: _Batch[T, R]) -> bool:
        """Is this worth a commit of its own, or has it waited long enough for company?"""
        if len(batch.items) >= _PLENTY_ROWS or 2 * batch.size_bytes > self._max_bytes:
            return True
        return monotonic() - batch.begun_at >= self._little_waits_seconds

    async def _finish(self, lanes: Sequence[_Lane[T, R]]) -> None:
        batches = [lane.batches.popleft() for lane in lanes]
        for lane in lanes:
            lane.busy = True
        self._wake()  # for the other lane, which may have plenty
        try:
            results = await self._commit([item for batch in batches for item in batch.items])
            for batch in batches:
                self._tell(batch, results[: len(batch.items)])
                results = results[len(batch.items) :]
        except BridgeError as error:
            for batch in batches:
                batch.fail(error)
        finally:
            for lane in lanes:
                lane.busy = False
            for batch in batches:
                self.waiting -= len(batch.items)
                self.waiting_bytes -= batch.size_bytes
                batch.fail(_stopping())
            self._wake()

    def _tell(self, batch: _Batch[T, R], results: Sequence[R]) -> None:
        if self.on_committed is not None and not batch.told:
            self.on_committed(batch.items, results)
        batch.succeed(results)


def result_of(told: R | BridgeError) -> R:
    """Return what a caller was told, or raise it."""
    if not isinstance(told, BridgeError):
        return told
    try:
        raise told.with_traceback(None)
    finally:
        del told  # the traceback holds this frame: they would hold each other


def _rouse(idle: asyncio.Future[None]) -> None:
    if not idle.done():
        idle.set_result(None)


def _same(_item: object) -> None:
    """The key of everything."""


def _stopping() -> TransientError:
    return TransientError("the bridge is stopping", retry_after_seconds=1)
