"""One follower of the changes: its queue, and what it does when that overflows.

It is either *live*, taking what the broadcaster puts into its queue, or *catching up*, reading the table from where it
stands up to where the broadcaster is, while what comes after that is queued. An overflow empties the queue and sends it
back to catching up. Where it stands is the last transaction it has heard to its end, so that nothing is lost by going
back there.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

import anyio

from bridge.domain.stream_event import Position, StreamFilter, StreamStep

QUEUE_BYTES = 4 * 1024**2


class Changes(Protocol):
    """Where a follower catches up."""

    @property
    def begun(self) -> Position:
        """Up to here, everything was handed on or is being so."""
        ...

    def steps(self, after: Position, until: Position) -> AsyncGenerator[StreamStep, None]:
        """What changed after one position up to another."""
        ...


class Follower:
    """One who follows. `heard`: where it stands. `reset`: it cannot go on from where it was, and begins anew. Who runs
    it does so inside `scope`, which is cancelled when it has to end.
    """

    def __init__(self, wish: StreamFilter, changes: Changes, *, on_overflow: Callable[[], None] = lambda: None) -> None:
        """Begin behind; `start` begins from now."""
        self.wish = wish
        self.heard = wish.after or Position(0, 0)
        self.reset = False
        self.scope = anyio.CancelScope()
        self._changes = changes
        self._on_overflow = on_overflow
        self._behind = True
        self._until = self.heard
        self._catching_up: AsyncGenerator[StreamStep, None] | None = None
        self._queue: deque[StreamStep] = deque()
        self._queued_bytes = 0
        self._news = anyio.Event()

    def start(self, at: Position, *, reset: bool) -> None:
        """Follow from here on, whatever was before."""
        self.heard, self.reset, self._behind = at, reset, False

    def end(self) -> None:
        """Have it end at once."""
        self.scope.cancel()

    async def close(self) -> None:
        """Let go of what it has in hand."""
        self._queue.clear()
        if self._catching_up is not None:
            await self._catching_up.aclose()

    def offer(self, step: StreamStep) -> None:
        """Queue a step; where there is no room, it is behind and will read it out of the table."""
        if self._behind:
            return
        self._queue.append(step)
        self._queued_bytes += step.size_bytes
        if self._queued_bytes > QUEUE_BYTES and len(self._queue) > 1:
            self._queue.clear()
            self._queued_bytes, self._behind = 0, True
            self._on_overflow()
        self._news.set()

    async def next(self, timeout_seconds: float) -> StreamStep | None:
        """Return the next step, or None when nothing happened for so long. DatabaseUnavailableError while catching up:
        end, and come back from where it stands.
        """
        while True:
            step = await self._next()
            if step is not None:
                if step.last:
                    self.heard = step.position
                return step
            self._news = anyio.Event()
            with anyio.move_on_after(timeout_seconds):
                await self._news.wait()
            if not self._news.is_set():
                return None

    async def _next(self) -> StreamStep | None:
        """The next step that is at hand. Not to be cancelled and called again."""
        while self._catching_up is not None or self._queue or self._behind:
            if self._catching_up is not None:
                step = await anext(self._catching_up, None)
                if step is not None:
                    return step
                self._catching_up, self.heard = None, max(self.heard, self._until)
            elif self._queue:
                step = self._queue.popleft()
                self._queued_bytes -= step.size_bytes
                if step.position > self.heard:
                    return step
            else:
                self._behind, self._until = False, self._changes.begun
                self._catching_up = self._changes.steps(self.heard, self._until)
        return None
