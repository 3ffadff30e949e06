"""One follower of the changes: its queue, and what it does when the queue overflows.

A follower is either *live* and takes steps from its queue, or *catching up*: it reads the table from its own position
to that of the broadcaster, while later steps are queued. An overflow empties the queue, and the follower catches up
again. Its position is the last transaction of which it has taken every step, so catching up from there loses nothing.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

import anyio

from bridge.domain.stream_event import Position, StreamFilter, StreamStep

QUEUE_BYTES = 4 * 1024**2


class Changes(Protocol):
    """Where a follower that is behind reads the changes."""

    @property
    def publishing(self) -> Position:
        """Every change up to here was published, or is being published."""
        ...

    def steps(self, after: Position, until: Position) -> AsyncGenerator[StreamStep, None]:
        """Yield the changes after one position up to another."""
        ...


class Follower:
    """One follower.

    `position`: the last transaction it has taken completely. `reset`: changes since its former position are no longer
    kept, so it starts again from now. The caller runs it inside `scope`, which is cancelled when the follower must end.
    """

    def __init__(self, wish: StreamFilter, changes: Changes, *, on_overflow: Callable[[], None] = lambda: None) -> None:
        """Start by catching up; `start` makes it live."""
        self.wish = wish
        self.position = wish.after or Position(0, 0)
        self.reset = False
        self.scope = anyio.CancelScope()
        self._changes = changes
        self._on_overflow = on_overflow
        self._behind = True
        self._until = self.position
        self._catching_up: AsyncGenerator[StreamStep, None] | None = None
        self._queue: deque[StreamStep] = deque()
        self._queued_bytes = 0
        self._news = anyio.Event()

    def start(self, at: Position, *, reset: bool) -> None:
        """Become live at this position; nothing before it is sent."""
        self.position, self.reset, self._behind = at, reset, False

    def end(self) -> None:
        """End the follower at once."""
        self.scope.cancel()

    async def close(self) -> None:
        """Empty the queue and close the query."""
        self._queue.clear()
        if self._catching_up is not None:
            await self._catching_up.aclose()

    def offer(self, step: StreamStep) -> None:
        """Queue a step; when the queue is full, empty it: the follower is behind then and reads the table."""
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
        """Return the next step, or None when there was none for `timeout_seconds`.

        Raises DatabaseUnavailableError while catching up: end the follower; the client reconnects with its position.
        """
        while True:
            step = await self._next()
            if step is not None:
                if step.last:
                    self.position = step.position
                return step
            self._news = anyio.Event()
            with anyio.move_on_after(timeout_seconds):
                await self._news.wait()
            if not self._news.is_set():
                return None

    async def _next(self) -> StreamStep | None:
        """Return the next step that is available, or None. After a cancellation it must not be called again."""
        while self._catching_up is not None or self._queue or self._behind:
            if self._catching_up is not None:
                step = await anext(self._catching_up, None)
                if step is not None:
                    return step
                self._catching_up, self.position = None, max(self.position, self._until)
            elif self._queue:
                step = self._queue.popleft()
                self._queued_bytes -= step.size_bytes
                if step.position > self.position:
                    return step
            else:
                self._behind, self._until = False, self._changes.publishing
                self._catching_up = self._changes.steps(self.position, self._until)
        return None
