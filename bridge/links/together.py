"""What several tasks want done at the same time is done in one go: a group commit without a task of its own.

The first caller works for itself at once; those that come meanwhile are the next group, and the first of them works for
all. A lone caller waits for nothing, and under load many share the cost of a transaction: where several wait, others
are about to come, and a group begins when half as long has passed as the last one took.

Where a group fails, each of it is done again alone, so that an error costs the one that caused it; only what concerns
all (Postgres is away, the lease is lost) is raised to all. The work must bear that: what a part of a group has
committed is done a second time. A crash, or a cancelled worker, leaves what its transaction leaves.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Generic, TypeVar

import anyio
import structlog

from bridge.errors import BridgeError, DatabaseUnavailableError, without_frames
from bridge.storage.lease import LeaseLostError

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_MOST: Final = 32
"""A group holds the locks of all its rows until it is committed."""
_SHARE: Final = 0.5
_LONGEST_SECONDS: Final = 0.02
"""A group waits so long at most."""


@dataclass(slots=True, eq=False)
class _Part(Generic[T, R]):
    """What one caller wants done. `open`: it waits for a group, or is in one under way."""

    item: T
    result: list[R] = field(default_factory=list)
    error: BridgeError | None = None
    open: bool = True


class Together(Generic[T, R]):
    """Does `work` for groups of items: one result for each, in order."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        """Nothing waits yet."""
        self._work = work
        self._waiting: deque[_Part[T, R]] = deque()
        self._working = anyio.Lock()
        self._last_seconds = 0.0

    async def put(self, item: T) -> R:
        """Have one item done and return its result; raises what it alone caused, or what concerns all."""
        part: _Part[T, R] = _Part(item)
        self._waiting.append(part)
        try:
            async with self._working:
                while part.open:
                    await self._next_group()
                if part.error is None and not part.result:
                    part.result += await self._work([item])
        finally:
            if part in self._waiting:  # cancelled before its turn
                self._waiting.remove(part)
        if part.error is not None:
            raise part.error
        return part.result[0]

    async def _next_group(self) -> None:
        if len(self._waiting) > 1:
            await anyio.sleep(min(_SHARE * self._last_seconds, _LONGEST_SECONDS))
        began = monotonic()
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST))]
        try:
            if len(group) == 1:
                return  # its caller is the one that works, and does it alone
            results = await self._work([part.item for part in group])
            for part, result in zip(group, results, strict=True):
                part.result.append(result)
        except (DatabaseUnavailableError, LeaseLostError) as error:
            for part in group:
                part.error = without_frames(error)
        except Exception as error:  # noqa: BLE001 -- the one that caused it meets it again, alone
            log.debug("a group failed, each is done alone", parts=len(group), error=str(error))
        finally:
            self._last_seconds = monotonic() - began
            for part in group:
                part.open = False
