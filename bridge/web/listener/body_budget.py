"""How many bytes of bodies may be in memory at a time, of all requests together.

A body is counted while it is read, unpacked, stored and answered; a request that would exceed the budget is answered
503. One body alone is always admitted: its size has a limit of its own. The number of requests is bounded by the
connections (`bridge.web.connections`), the bytes that wait to be stored by `bridge.ingest.group_commit`.
"""

from typing import Self

from bridge.web.refusal import Refusal


class BodyReservation:
    """What one request has taken of the budget."""

    __slots__ = ("_budget", "taken_bytes")

    def __init__(self, budget: "BodyBudget") -> None:
        """Take nothing yet."""
        self._budget = budget
        self.taken_bytes = 0

    def __enter__(self) -> Self:
        """Take nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give everything back."""
        self._budget.taken_bytes -= self.taken_bytes

    def take(self, more_bytes: int) -> None:
        """Take more (or, below 0, give some back); Refusal when other requests have taken too much already."""
        others_bytes = self._budget.taken_bytes - self.taken_bytes
        if more_bytes > 0 and others_bytes and self._budget.taken_bytes + more_bytes > self._budget.most_bytes:
            raise Refusal(503, "overloaded", "too many bodies are being received: send it again", retry_after_seconds=1)
        self.taken_bytes += more_bytes
        self._budget.taken_bytes += more_bytes


class BodyBudget:
    """At most `most_bytes` of bodies."""

    def __init__(self, most_bytes: int) -> None:
        """Start with nothing taken."""
        self.most_bytes = most_bytes
        self.taken_bytes = 0

    def reserve(self) -> BodyReservation:
        """Return a reservation for a `with`; what it took is given back when the block ends."""
        return BodyReservation(self)
