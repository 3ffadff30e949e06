"""Group commit: many callers, one commit, and each is answered only after it.

What is enqueued waits in a batch, bounded in rows and bytes; while one batch is committed the next one fills. A lone
caller waits for one commit; under load many share its cost. Used for Postgres (`bridge.ingest.writer`) and for the
local journal.

With a `key` there are two lanes: items with the same key share a lane and stay in order. Both lanes commit at the same
time only when each has a batch that is worth it; small batches of both lanes are committed together, and wait at most
`small_batch_wait_seconds` for the commit under way.

All that waits is bounded in number and bytes; beyond that OverloadedError. One item alone is always taken. After
`patience_seconds` the callers of a batch get OverdueError; the batch may still be committed. A crash before the commit
leaves nothing of the batch and nobody answered; a crash after it leaves all of it stored and some callers unanswered.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from time import monotonic
from typing import Generic, TypeVar

import anyio
import structlog

from bridge.errors import BridgeError, OverdueError, TransientError, without_frames

log = structlog.get_logger(__name__)

MIB = 1024 * 1024

_WORTHWHILE_ROWS = 16
"""A batch of so many costs each of them little more than one of many does."""
_SMALL_BATCH_WAIT_SECONDS = 0.1

T = TypeVar("T")
R = TypeVar("R")


class OverloadedError(TransientError):
    """More waits than may wait."""


class _Batch(Generic[T, R]):
    """What is committed together. `overdue`: its callers have been answered with OverdueError, it takes no more."""

    __slots__ = ("answered", "begun_at", "callbacks", "items", "overdue", "size_bytes", "timer")

    def __init__(self, patience_seconds: float | None) -> None:
        self.items: list[T] = []
        self.callbacks: list[Callable[[R | BridgeError], object]] = []
        self.size_bytes = 0
        self.answered = self.overdue = False
        self.begun_at = monotonic()
        # one timer a batch: one for each caller costs as much as a tenth of everything else done for a notification
        self.timer = patience_seconds and asyncio.get_running_loop().call_later(patience_seconds, self._expire)

    def answer(self, results: Sequence[R | BridgeError]) -> None:
        """Give every caller its result; only the first call does anything."""
        if self.timer:
            self.timer.cancel()
        if self.answered:
            return
        self.answered = True
        callbacks, self.callbacks = self.callbacks, []  # they hold bodies, and an overdue batch may wait for long
        for callback, result in zip(callbacks, results, strict=True):
            try:
                callback(result)
            except Exception:  # the callers of a batch are strangers to each other: each is answered
                log.exception("a caller of a group commit failed when it was answered")

    def fail(self, error: BridgeError) -> None:
        self.answer([without_frames(error)] * len(self.callbacks))

    def _expire(self) -> None:
        self.overdue = True
        self.fail(OverdueError("not committed in time", retry_after_seconds=2))


class _Lane(Generic[T, R]):
    """Batches in order; `busy` while the first of them is being committed."""

    __slots__ = ("batches", "busy")

    def __init__(self) -> None:
        self.batches: deque[_Batch[T, R]] = deque()
        self.busy = False


class GroupCommit(Generic[T, R]):
    """Gathers items. `commit` gets the items of a batch and returns a result for each, in order, or raises a
    BridgeError; `size` returns the bytes of an item.
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
        small_batch_wait_seconds: float = _SMALL_BATCH_WAIT_SECONDS,
    ) -> None:
        """Prepare; `run` does the work. `max_rows` and `max_bytes` bound a batch, `max_waiting…` everything that waits.
        Without `patience_seconds` callers wait as long as it takes. Without a `key` there is one lane.
        """
        self._commit = commit
        self._size = size
        self._key = key
        self._patience_seconds = patience_seconds
        self._small_batch_wait_seconds = small_batch_wait_seconds
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._lanes: list[_Lane[T, R]] = [_Lane()] if key is None else [_Lane(), _Lane()]
        self._idle: list[asyncio.Future[None]] = []
        self._stopped = False
        self.on_committed: Callable[[Sequence[T], Sequence[R]], None] | None = None
        """Gets the items and results of a batch just before its callers do; not those of an overdue batch."""
        self.waiting = 0
        self.waiting_bytes = 0

    async def put(self, item: T) -> R:
        """Commit one item and return its result.

        Raises OverloadedError at once when too much waits, OverdueError when it takes too long (it may still be
        committed later), TransientError when the group commit has stopped, and whatever `commit` raised.
        """
        future: asyncio.Future[R | BridgeError] = asyncio.get_running_loop().create_future()
        self.enqueue(item, partial(resolve, future))
        try:
            return result_of(await future)
        finally:
            del future  # an error holds this frame, and the future the error

    def enqueue(self, item: T, on_done: Callable[[R | BridgeError], object]) -> None:
        """Commit one item later, and then call `on_done` with its result or the error; with OverloadedError, or with
        TransientError when the group commit has stopped, at once. (Such errors are never raised: see `without_frames`.)
        """
        size_bytes = self._size(item)
        if (refusal := self._refusal(size_bytes)) is not None:
            on_done(refusal)
            return
        lane = self._lanes[0 if self._key is None else hash(self._key(item)) % 2]
        batch = self._batch_for(lane, size_bytes)
        batch.items.append(item)
        batch.callbacks.append(on_done)
        batch.size_bytes += size_bytes
        self.waiting += 1
        self.waiting_bytes += size_bytes
        if not lane.busy and (len(batch.items) == 1 or self._is_worthwhile(batch)):
            self._wake()

    def _refusal(self, size_bytes: int) -> BridgeError | None:
        """Return why an item of this size is not taken now; None: it is."""
        if self._stopped:
            return _stopping()
        too_many = self.waiting >= self._max_waiting
        if too_many or (self.waiting and self.waiting_bytes + size_bytes > self._max_waiting_bytes):
            return OverloadedError(
                f"{self.waiting} notifications ({self.waiting_bytes} bytes) wait to be stored", retry_after_seconds=1
            )
        return None

    def _batch_for(self, lane: _Lane[T, R], size_bytes: int) -> _Batch[T, R]:
        """Return the batch that an item of this size goes into."""
        last = lane.batches[-1] if lane.batches else None
        if (
            last is None
            or last.overdue
            or len(last.items) >= self._max_rows
            or last.size_bytes + size_bytes > self._max_bytes
        ):
            last = _Batch(self._patience_seconds)
            lane.batches.append(last)
        return last

    async def run(self) -> None:
        """Commit batch after batch, until cancelled; callers that still wait then get TransientError."""
        try:
            async with anyio.create_task_group() as tasks:
                for _ in self._lanes:
                    tasks.start_soon(self._run_lanes)
        finally:
            self._stopped = True
            for lane in self._lanes:
                for batch in lane.batches:
                    batch.fail(_stopping())
                lane.batches.clear()

    async def _run_lanes(self) -> None:
        while True:
            if lanes := self._ready():
                await self._commit_first(lanes)
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        """Wait until woken, or until a small batch has waited long enough."""
        loop = asyncio.get_running_loop()
        idle: asyncio.Future[None] = loop.create_future()
        begun_at = [lane.batches[0].begun_at for lane in self._lanes if lane.batches and not lane.busy]
        timer = None
        if begun_at:
            seconds = min(begun_at) + self._small_batch_wait_seconds - monotonic()
            timer = loop.call_later(max(0.0, seconds), resolve, idle, None)
        self._idle.append(idle)
        try:
            await idle
        finally:
            if timer is not None:
                timer.cancel()
            if idle in self._idle:
                self._idle.remove(idle)

    def _wake(self) -> None:
        """Have an idle task look for ready batches; it may also only find how long to sleep."""
        if self._idle:
            for lane in self._lanes:
                if lane.batches and not lane.busy:
                    resolve(self._idle.pop(), None)
                    return

    def _ready(self) -> list[_Lane[T, R]]:
        """Return the lanes whose first batches are to be committed now, in one go."""
        small: list[_Lane[T, R]] = []
        worthwhile: list[_Lane[T, R]] = []
        busy = False
        for lane in self._lanes:
            if lane.busy:
                busy = True
            elif lane.batches:
                (worthwhile if self._is_worthwhile(lane.batches[0]) else small).append(lane)
        return worthwhile[:1] if busy or not small else small

    def _is_worthwhile(self, batch: _Batch[T, R]) -> bool:
        """Is this worth a commit of its own, or has it waited long enough for others?"""
        if len(batch.items) >= _WORTHWHILE_ROWS or 2 * batch.size_bytes > self._max_bytes:
            return True
        return monotonic() - batch.begun_at >= self._small_batch_wait_seconds

    async def _commit_first(self, lanes: Sequence[_Lane[T, R]]) -> None:
        batches = [lane.batches.popleft() for lane in lanes]
        for lane in lanes:
            lane.busy = True
        self._wake()  # for the other lane, whose batch may be worth a commit of its own
        try:
            results = await self._commit([item for batch in batches for item in batch.items])
            for batch in batches:
                own, results = results[: len(batch.items)], results[len(batch.items) :]
                if self.on_committed is not None and not batch.answered:
                    self.on_committed(batch.items, own)
                batch.answer(own)
        except BridgeError as error:
            for batch in batches:
                batch.fail(error)
        finally:
            for lane in lanes:
                lane.busy = False
            for batch in batches:
                self.waiting -= len(batch.items)
                self.waiting_bytes -= batch.size_bytes
                if not batch.answered:
                    batch.fail(_stopping())
            self._wake()


def resolve(future: asyncio.Future[T], result: T) -> None:
    """Set a result, unless the one that waits for it was cancelled or woken before."""
    if not future.done():
        future.set_result(result)


def result_of(result: R | BridgeError) -> R:
    """Return a result, or raise it when it is an error. Results carry errors as values: a future that raises one keeps
    every frame it passes through alive, and with them the bodies of all callers that share it.
    """
    if not isinstance(result, BridgeError):
        return result
    try:
        raise result.with_traceback(None)
    finally:
        del result  # the traceback holds this frame: they would hold each other


def _stopping() -> TransientError:
    return TransientError("the bridge is stopping", retry_after_seconds=1)
