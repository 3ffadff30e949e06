"""Circuit breaker for refused credentials: repeated requests with them could lock the account.

While the breaker is closed, every request passes. The second refusal in a row opens it for some seconds, each further
one for twice as long; until then every request fails here, with the time of the next try. Then one request is sent as a
trial, and the others wait for its outcome. A granted request closes the breaker.
"""

from collections.abc import Callable

_TOLERATED = 1
"""Refusals in a row that do not open it."""
_FIRST_SECONDS = 5.0
_LONGEST_SECONDS = 900.0


class CircuitBreaker:
    """Guards one source, or one operation there. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float], *, patience_seconds: float) -> None:
        """Start closed; the trial request may take `patience_seconds`."""
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._refusals = 0
        self._until = 0.0

    def wait_seconds(self) -> float:
        """Seconds to wait before asking; 0: ask now, and report the outcome with `refused` or `passed`."""
        now = self._clock()
        if self._refusals < _TOLERATED + 1:
            return 0.0
        if now < self._until:
            return self._until - now
        self._until = now + self._patience_seconds
        return 0.0

    def refused(self) -> None:
        """Note a refusal."""
        self._refusals = min(self._refusals + 1, 32)
        seconds = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** (self._refusals - _TOLERATED - 1))
        self._until = self._clock() + seconds

    def passed(self) -> None:
        """Note a granted request."""
        self._refusals = 0
