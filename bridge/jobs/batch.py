"""Group commit: many callers, one commit, and each goes on only after it.

Callers `put` and wait. One task takes whatever waits (up to a number, and a size), commits it in one go, and wakes
everybody in the batch at once; while it commits, the next batch fills. So a lone caller waits for one commit, and under
load its cost is shared. Used for Postgres (`bridge.jobs.writer`) and for the local journal.

What waits is bounded in number and in bytes: beyond that a caller is refused at once. One item alone is always taken,
whatever its size, so that no bound makes an item impossible.

A crash before the commit leaves nothing of the batch and nobody told; a crash after it leaves everything kept and some
callers untold.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import anyio

from bridge.errors import BridgeError, TransientError

MIB = 1024 * 1024

T = TypeVar("T")
R = TypeVar("R")


class OverloadedError(TransientError):
    """More waits than may wait."""


class _Batch(Generic[T, R]):
    """What is committed together; `done` is set once `results` or `error` is there."""

    __slots__ = ("done", "error", "items", "results", "size_bytes")

    def __init__(self) -> None:
        self.items: list[T] = []
        self.size_bytes = 0
        self.results: Sequence[R] = ()
        self.error: BridgeError | None = None
        self.done = anyio.Event()


class GroupCommit(Generic[T, R]):
    """Gathers what is put. `commit` gets the items of a batch and returns a result for each, in order, or raises a
    BridgeError. `size` tells what an item weighs, in bytes.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        size: Callable[[T], int],
        *,
        max_rows: int = 512,
        max_bytes: int = 8 * MIB,
        max_waiting: int = 8192,
        max_waiting_bytes: int = 64 * MIB,
    ) -> None:
        """Prepare; `run` does the work. `max_rows` and `max_bytes` bound a batch, the others everything that waits."""
        self._commit = commit
        self._size = size
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._batches: deque[_Batch[T, R]] = deque()
        self._wake = anyio.Event()
        self._stopped = False
        self.waiting = 0
        self.waiting_bytes = 0

    async def put(self, item: T) -> R:
        """Commit one item and return its result.

        Raises OverloadedError at once when too much waits, TransientError when nothing is committed any more, and
        whatever kept the batch from being committed.
        """
        if self._stopped:
            raise _stopping()
        size_bytes = self._size(item)
        batch = self._batch_for(size_bytes)
        place = len(batch.items)
        batch.items.append(item)
        batch.size_bytes += size_bytes
        self.waiting += 1
        self.waiting_bytes += size_bytes
        await batch.done.wait()
        if batch.error is not None:
            raise batch.error
        return batch.results[place]

    def _batch_for(self, size_bytes: int) -> _Batch[T, R]:
        """Return the batch that an item of this size goes into; OverloadedError when it would be too much."""
        too_many = self.waiting >= self._max_waiting
        if too_many or (self.waiting and self.waiting_bytes + size_bytes > self._max_waiting_bytes):
            raise OverloadedError(
                f"{self.waiting} notifications ({self.waiting_bytes} bytes) wait to be stored", retry_after_seconds=1
            )
        last = self._batches[-1] if self._batches else None
        if last is None or len(last.items) >= self._max_rows or last.size_bytes + size_bytes > self._max_bytes:
            last = _Batch()
            self._batches.append(last)
            self._wake.set()
        return last

    async def run(self) -> None:
        """Commit batch after batch, until cancelled; whoever still waits then is told."""
        try:
            while True:
                if not self._batches:
                    self._wake = anyio.Event()
                    await self._wake.wait()
                await self._finish(self._batches.popleft())
        finally:
            self._stopped = True
            for batch in self._batches:
                batch.error = _stopping()
                batch.done.set()
            self._batches.clear()

    async def _finish(self, batch: _Batch[T, R]) -> None:
        batch.error = _stopping()
        try:
            batch.results = await self._commit(batch.items)
            batch.error = None
        except BridgeError as error:
            batch.error = error
        finally:
            self.waiting -= len(batch.items)
            self.waiting_bytes -= batch.size_bytes
            batch.done.set()


def _stopping() -> TransientError:
    return TransientError("the bridge is stopping", retry_after_seconds=1)
