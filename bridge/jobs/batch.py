"""Group commit: many callers, one commit, and each goes on only after it.

Callers `put` and wait. One task takes whatever waits (up to a number), commits it in one go, and wakes everybody in the
batch at once; while it commits, the next batch fills. So a lone caller waits for one commit, and under load its cost is
shared. Used for Postgres (`bridge.jobs.writer`) and for the local journal.

A crash before the commit leaves nothing of the batch and nobody told; a crash after it leaves everything kept and some
callers untold.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import anyio

from bridge.errors import BridgeError, TransientError

T = TypeVar("T")
R = TypeVar("R")


class OverloadedError(TransientError):
    """More waits than may wait."""


class _Batch(Generic[T, R]):
    """What is committed together; `done` is set once `results` or `error` is there."""

    __slots__ = ("done", "error", "items", "results")

    def __init__(self) -> None:
        self.items: list[T] = []
        self.results: Sequence[R] = ()
        self.error: BridgeError | None = None
        self.done = anyio.Event()


class GroupCommit(Generic[T, R]):
    """Gathers what is put. `commit` gets the items of a batch and returns a result for each, in order, or raises a
    BridgeError.
    """

    def __init__(
        self, commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, max_rows: int = 512, max_waiting: int = 8192
    ) -> None:
        """Prepare; `run` does the work."""
        self._commit = commit
        self._max_rows = max_rows
        self._max_waiting = max_waiting
        self._batches: deque[_Batch[T, R]] = deque()
        self._wake = anyio.Event()
        self._stopped = False
        self.waiting = 0

    async def put(self, item: T) -> R:
        """Commit one item and return its result.

        Raises OverloadedError at once when too much waits, TransientError when nothing is committed any more, and
        whatever kept the batch from being committed.
        """
        if self._stopped:
            raise _stopping()
        if self.waiting >= self._max_waiting:
            raise OverloadedError(f"{self.waiting} notifications wait to be stored", retry_after_seconds=1)
        if not self._batches or len(self._batches[-1].items) >= self._max_rows:
            self._batches.append(_Batch())
            self._wake.set()
        batch = self._batches[-1]
        place = len(batch.items)
        batch.items.append(item)
        self.waiting += 1
        await batch.done.wait()
        if batch.error is not None:
            raise batch.error
        return batch.results[place]

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
            batch.done.set()


def _stopping() -> TransientError:
    return TransientError("the bridge is stopping", retry_after_seconds=1)
