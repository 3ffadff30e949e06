"""Waiting: wake-ups that are never lost, intervals with jitter, and back-off that resets when things are well."""

import random
from datetime import UTC, datetime

import anyio

from bridge.errors import BridgeError, DatabaseUnavailableError

BACKOFF_FIRST_SECONDS = 0.8
BACKOFF_LAST_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 120.0


def now() -> datetime:
    """Our clock, in UTC."""
    return datetime.now(UTC)


def jittered(seconds: float, spread: float = 0.1) -> float:
    """`seconds` give or take `spread`, so that many bridges do not march in step."""
    return seconds * random.uniform(1 - spread, 1 + spread)  # noqa: S311 -- jitter, not a secret


class Wake:
    """A wake-up call. A call while nobody waits is kept for the next wait; several calls are one."""

    def __init__(self) -> None:
        """Start silent."""
        self._event = anyio.Event()
        self.reason: str | None = None

    def call(self, reason: str) -> None:
        """Wake the waiter, or let its next wait return at once."""
        self.reason = reason
        self._event.set()

    @property
    def called(self) -> bool:
        """Would a wait return at once?"""
        return self._event.is_set()

    async def wait(self, seconds: float | None = None) -> str | None:
        """Wait for a call, at most `seconds`; return its reason, or None when the time passed first."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
        if not self._event.is_set():
            return None
        reason, self.reason = self.reason, None
        self._event = anyio.Event()
        return reason


DATABASE_AWAY_LAST_SECONDS = 2.0
"""Postgres that comes back is used again within this time."""


class Backoff:
    """Delays after failures: 0.8 s doubling to 30 s with full jitter, never less than the other side asked for."""

    def __init__(
        self, first_seconds: float = BACKOFF_FIRST_SECONDS, last_seconds: float = BACKOFF_LAST_SECONDS
    ) -> None:
        """Start with no failures."""
        self._first, self._last = first_seconds, last_seconds
        self.failures = 0

    def reset(self) -> None:
        """It worked."""
        self.failures = 0

    def after(self, error: BridgeError) -> float:
        """Count a failure; return how long to wait: as long as the other side asked for, and never long for
        Postgres.
        """
        delay_seconds = self.next_seconds(getattr(error, "retry_after_seconds", None))
        if isinstance(error, DatabaseUnavailableError):
            return min(delay_seconds, DATABASE_AWAY_LAST_SECONDS)
        return delay_seconds

    def next_seconds(self, retry_after_seconds: float | None = None) -> float:
        """Count a failure; return how long to wait."""
        ceiling = min(self._last, self._first * 2**self.failures)
        self.failures = min(self.failures + 1, 32)
        delay = random.uniform(ceiling / 2, ceiling)  # noqa: S311 -- jitter, not a secret
        return max(delay, retry_after_seconds or 0.0)
