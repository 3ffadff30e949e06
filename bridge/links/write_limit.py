"""How much a rule may write: so many a minute to one side, and so many an hour to one ticket.

In memory, in the process that leads: after a change of leader the counts begin again.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

from bridge.domain.link.rule import LinkLimits

_MINUTE_SECONDS: Final = 60.0
_HOUR_SECONDS: Final = 3600.0
_TICKETS_KEPT: Final = 10_000


class WriteLimit:
    """Counts the writes of one rule to one side. `per_minute`: may come at once, and is regained over a minute."""

    def __init__(self, per_minute: int, per_ticket_per_hour: int, clock: Callable[[], float] = monotonic) -> None:
        """Begin with all of it."""
        self.per_minute = per_minute
        self.per_ticket_per_hour = per_ticket_per_hour
        self._clock = clock
        self._left = float(per_minute)
        self._counted_at = clock()
        self._of_ticket: dict[int, deque[float]] = {}

    def wait_seconds(self) -> float:
        """How long until one more write may start; 0: now."""
        self._regain()
        return 0.0 if self._left >= 1 else (1 - self._left) * _MINUTE_SECONDS / self.per_minute

    def ticket_wait_seconds(self, link_id: int) -> float:
        """The same for the ticket of one link."""
        times = self._of_ticket.get(link_id)
        if times is None or len(times) < self.per_ticket_per_hour:
            return 0.0
        return max(times[0] + _HOUR_SECONDS - self._clock(), 0.0)

    def count(self, link_id: int) -> None:
        """A write starts."""
        self._regain()
        self._left -= 1
        times = self._of_ticket.pop(link_id, None) or deque(maxlen=self.per_ticket_per_hour)
        times.append(self._clock())
        self._of_ticket[link_id] = times
        while len(self._of_ticket) > _TICKETS_KEPT:
            del self._of_ticket[next(iter(self._of_ticket))]

    def _regain(self) -> None:
        now = self._clock()
        regained = (now - self._counted_at) * self.per_minute / _MINUTE_SECONDS
        self._left = min(self._left + regained, float(self.per_minute))
        self._counted_at = now


class WriteLimits:
    """The limits of all rules that write to one side."""

    def __init__(self) -> None:
        """Nothing was written yet."""
        self._of_rule: dict[int, WriteLimit] = {}

    def of(self, rule_id: int, allowed: LinkLimits) -> WriteLimit:
        """Return what a rule may still write; other settings start from nothing."""
        wanted = (allowed.writes_per_minute, allowed.writes_per_ticket_per_hour)
        known = self._of_rule.get(rule_id)
        if known is None or (known.per_minute, known.per_ticket_per_hour) != wanted:
            known = self._of_rule[rule_id] = WriteLimit(*wanted)
        return known
