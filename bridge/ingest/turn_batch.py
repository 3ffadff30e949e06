"""Do the same for many in one go: what was added in one turn of the event loop is worked on together.

Requests come in swarms (sixty-four senders that were answered with one commit send their next sixty-four events), and
the loop would take each through everything, from the parser of HTTP to the queue of the writer. Nothing of what the
processor had ready for one step is ready any more when the next request comes to it: reading an event took 64 µs of CPU
between two requests, and 29 µs behind another event. So every request is taken to the same place, and from there on
all of them at a stretch (*cohort scheduling*, Larus and Parkes, 2002). A lone request goes on in the next turn
of the loop.

Nothing of a caller's work is lost: it is done in the loop, before anything that this process waits for. A stretch is
bounded in time, so that a swarm of thousands, or of large bodies, lets others in between.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Generic, TypeVar

_STRETCH_SECONDS = 0.005

T = TypeVar("T")


class TurnBatch(Generic[T]):
    """Gathers what is added in one turn of the loop, and hands it to `work`, one by one."""

    __slots__ = ("_items", "_stretch_seconds", "_work")

    def __init__(self, work: Callable[[T], None], *, stretch_seconds: float = _STRETCH_SECONDS) -> None:
        """Start empty. A stretch ends with the item that takes it beyond `stretch_seconds`."""
        self._work = work
        self._stretch_seconds = stretch_seconds
        self._items: deque[T] = deque()

    def add(self, item: T) -> None:
        """Have it worked on in the next turn of the loop, in order."""
        if not self._items:
            asyncio.get_running_loop().call_soon(self._run)
        self._items.append(item)

    def _run(self) -> None:
        ends_at = perf_counter() + self._stretch_seconds
        worked = 0
        try:
            for item in list(self._items):
                worked += 1
                self._work(item)
                if perf_counter() >= ends_at:
                    break
        finally:  # also after a defect, which the loop reports: nobody behind it waits for ever
            for _ in range(worked):
                self._items.popleft()
            if self._items:
                asyncio.get_running_loop().call_soon(self._run)
