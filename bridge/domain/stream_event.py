"""What followers of changes are told: values shared by who reads the changes and who sends them on."""

from dataclasses import dataclass
from typing import NamedTuple


class Position(NamedTuple):
    """How far somebody has followed; in order of time. `committed` is the number of a transaction in Postgres."""

    committed: int
    id: int

    def __str__(self) -> str:
        """As in `Last-Event-ID`."""
        return f"{self.committed}-{self.id}"

    @classmethod
    def read(cls, text: str) -> "Position | None":
        """Read what `str` wrote; None when it is nothing of that kind."""
        committed, dash, number = text.partition("-")
        if not (dash and committed.isdecimal() and number.isdecimal() and text.isascii() and len(text) <= 40):
            return None
        position = cls(int(committed), int(number))
        return position if position.committed < 2**64 and position.id < 2**63 else None


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """What a follower wants to hear: of these sources and in these statuses (empty: all), with whole bodies or not,
    after a position or from now on.
    """

    sources: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    bodies: bool = False
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A problem as it is now, as JSON, without and with its body."""

    status: str
    brief: bytes
    whole: bytes


@dataclass(frozen=True, slots=True)
class StreamStep:
    """Problems of one source that the transaction at `position` changed; of a large one, some of them.

    Who has heard the `last` step of a transaction stands at its position, not before.
    """

    position: Position
    last: bool
    source: str
    events: tuple[StreamEvent, ...]
    size_bytes: int

    def wanted(self, wish: StreamFilter) -> list[bytes]:
        """Return the JSON of the events that a follower wants to hear."""
        if wish.sources and self.source not in wish.sources:
            return []
        return [
            event.whole if wish.bodies else event.brief
            for event in self.events
            if not wish.statuses or event.status in wish.statuses
        ]
