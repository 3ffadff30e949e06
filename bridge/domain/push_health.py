"""When has a source been silent for too long, and when can its push be trusted again? Pure decisions.

All times are seconds of one clock that never jumps (`time.monotonic`).

Silence. The usual gap between notifications is learned (those within a second are one). The limit is a multiple of the
longest usual gap (nine of ten are shorter), between a minimum and a maximum; until enough gaps are known it is the
maximum. Silence begins with the last notification, or with the last poll after it. Each silence that ends with a poll
that found nothing missed doubles the limit until the next notification: a quiet night costs a handful of polls.

Trust. A change that a poll found and a notification should have brought ends the trust. It comes back with a pushed
event that brings a change: at once the first time; after another loss within the hour only when nothing was missed for
a minute, then two, then four, up to an hour. So a source that loses every second notification stays distrusted instead
of changing its mode with each.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from math import ceil

BURST_SECONDS = 1.0
WINDOW = 64
ENOUGH = 8
USUAL = 0.9
FACTOR = 4.0
FORGIVEN_SECONDS = 3600.0
PROBATION_FIRST_SECONDS = 60.0
PROBATION_LAST_SECONDS = 3600.0


@dataclass(slots=True)
class ArrivalInterval:
    """The usual gaps between notifications of one source, and how long it has been silent."""

    min_seconds: float
    max_seconds: float
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    arrived_at: float | None = None
    polled_at: float | None = None
    quiet: int = 0
    """How many polls in this silence found nothing missed."""
    _burst_at: float | None = None

    def arrived(self, at: float) -> None:
        """A notification came."""
        if self.arrived_at is not None and at < self.arrived_at:
            return
        self.arrived_at, self.quiet = at, 0
        if self._burst_at is not None and at - self._burst_at < BURST_SECONDS:
            return
        if self._burst_at is not None:
            self.gaps.append(at - self._burst_at)
        self._burst_at = at

    def polled(self, at: float) -> None:
        """A poll that was started then has ended well."""
        if self.silent(at):
            self.quiet += 1
        self.polled_at = at if self.polled_at is None else max(at, self.polled_at)

    def interrupted(self) -> None:
        """Push is distrusted: the gap up to the next notification says nothing about what is usual."""
        self._burst_at = None

    @property
    def limit_seconds(self) -> float:
        """How long a silence may last."""
        if len(self.gaps) < ENOUGH:
            return self.max_seconds
        usual = sorted(self.gaps)[ceil(USUAL * len(self.gaps)) - 1]
        least = max(self.min_seconds, FACTOR * usual)
        return min(self.max_seconds, least * 2.0 ** min(self.quiet, 32))

    def due_at(self) -> float | None:
        """When the silence will have lasted too long; None before any notification or poll."""
        since = max((at for at in (self.arrived_at, self.polled_at) if at is not None), default=None)
        return None if since is None else since + self.limit_seconds

    def silent(self, at: float) -> bool:
        """Has the silence lasted too long by then?"""
        due_at = self.due_at()
        return due_at is not None and at >= due_at


@dataclass(frozen=True, slots=True)
class PushTrust:
    """Is push to be relied on? `distrusted_at`: since when not; `proven_at`: when a pushed event brought a change after
    the last miss; `relapses`: how often a change was missed again within the hour.
    """

    distrusted_at: float | None = None
    missed_at: float | None = None
    proven_at: float | None = None
    trusted_at: float | None = None
    relapses: int = 0

    @property
    def distrusted(self) -> bool:
        """Has push missed a change, and not proven itself since?"""
        return self.distrusted_at is not None

    @property
    def probation_seconds(self) -> float:
        """How long nothing must have been missed before push is trusted again."""
        if not self.relapses:
            return 0.0
        return min(PROBATION_LAST_SECONDS, PROBATION_FIRST_SECONDS * 2.0 ** min(self.relapses - 1, 32))

    def missed(self, at: float) -> "PushTrust":
        """A change was found that a notification should have brought."""
        if self.distrusted:
            return replace(self, missed_at=at, proven_at=None)
        again = self.trusted_at is not None and at - self.trusted_at < FORGIVEN_SECONDS
        relapses = self.relapses + 1 if again else 0
        return PushTrust(distrusted_at=at, missed_at=at, relapses=relapses)

    def pushed(self, at: float) -> "PushTrust":
        """A notification brought a change that nobody knew."""
        return replace(self, proven_at=at).recovered(at) if self.distrusted else self

    def recovered(self, at: float) -> "PushTrust":
        """Trust push again once it has proven itself for as long as it has to."""
        if self.missed_at is None or self.proven_at is None or at - self.missed_at < self.probation_seconds:
            return self
        return PushTrust(trusted_at=at, relapses=self.relapses)
