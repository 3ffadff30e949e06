"""Counting the values of a source that could not be read, until they are written down for `status` and `check`."""

from collections import Counter
from collections.abc import Iterable

from bridge.domain.service_problem import Unmapped

_DISTINCT_MOST = 200
"""A source that sends another unreadable value each time must not fill the memory."""


class UnmappedCount:
    """Values and how often they came since `taken` was last called. Bounded."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.counts: Counter[Unmapped] = Counter()

    def add(self, values: Iterable[Unmapped]) -> None:
        """Count values. Beyond so many different ones only the attribute is counted."""
        for value in values:
            known = value in self.counts or len(self.counts) < _DISTINCT_MOST
            self.counts[value if known else Unmapped(value.attribute, "…")] += 1

    def taken(self) -> Counter[Unmapped]:
        """Return what was counted and begin again."""
        counts, self.counts = self.counts, Counter()
        return counts
