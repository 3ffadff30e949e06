"""A page that many clients ask for and that costs something to make: made one at a time, at most once a second.

A client that asks gets a page that was made after it asked: at once when the last one is older than a second, else when
that second is over. All that ask meanwhile get the same page, so hundreds of scrapers cost as much as one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

AT_MOST_EVERY_SECONDS = 1.0


class SharedPage(Generic[T]):
    """Makes a page by `make`, for all that ask."""

    def __init__(self, make: Callable[[], Awaitable[T]], *, every_seconds: float = AT_MOST_EVERY_SECONDS) -> None:
        """Make nothing yet."""
        self._make = make
        self._every_seconds = every_seconds
        self._one_at_a_time = asyncio.Lock()
        self._begun_at = float("-inf")
        self._page: T | None = None

    async def get(self) -> T:
        """Return a page that was made since this was called. What `make` raises is raised to the one that called it;
        the next one that waits tries again.
        """
        asked_at = monotonic()
        async with self._one_at_a_time:
            if self._page is not None and self._begun_at >= asked_at:
                return self._page
            seconds = self._begun_at + self._every_seconds - monotonic()
            if seconds > 0:
                await asyncio.sleep(seconds)
            self._begun_at = monotonic()
            self._page = None
            self._page = await self._make()
            return self._page
