"""A source that does not let us in is not asked again and again: accounts are locked for less.

Closed, everything passes; one refusal may be a stumble. The second in a row opens the circuit for a while, and each
after that for twice as long; within it every request fails here, saying until when. Then one request is let through to
try; the others go on waiting for its outcome.
Being let in closes the circuit.
"""

from collections.abc import Callable

_STUMBLES = 1
_FIRST_SECONDS = 5.0
_LONGEST_SECONDS = 900.0


class CircuitBreaker:
    """Of one source, or of one operation there. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float], *, patience_seconds: float) -> None:
        """Start closed; a request that tries may take `patience_seconds`."""
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._refusals = 0
        self._until = 0.0

    def wait_seconds(self) -> float:
        """How long not to ask; 0: ask now, and tell what came of it."""
        now = self._clock()
        if self._refusals < _STUMBLES + 1:
            return 0.0
        if now < self._until:
            return self._until - now
        self._until = now + self._patience_seconds
        return 0.0

    def refused(self) -> None:
        """We were not let in."""
        self._refusals = min(self._refusals + 1, 32)
        seconds = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** (self._refusals - _STUMBLES - 1))
        self._until = self._clock() + seconds

    def passed(self) -> None:
        """We were let in."""
        self._refusals = 0
