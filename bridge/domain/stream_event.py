"""Values of the change stream, shared by `bridge.stream`, which reads the changes, and `bridge.web.stream`."""

from dataclasses import dataclass
from typing import NamedTuple


class Position(NamedTuple):
    """How far a follower has read; ordered. `committed` is the number of a transaction in Postgres."""

    committed: int
    id: int

    def __str__(self) -> str:
        """As in `Last-Event-ID`."""
        return f"{self.committed}-{self.id}"

    @classmethod
    def read(cls, text: str) -> "Position | None":
        """Read what `str` wrote; None for any other text."""
        committed, dash, number = text.partition("-")
        if not (dash and committed.isdecimal() and number.isdecimal() and text.isascii() and len(text) <= 40):
            return None
        position = cls(int(committed), int(number))
        return position if position.committed < 2**64 and position.id < 2**63 else None


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Which events a follower receives: of these sources and statuses (empty: all), with the whole body or without,
    after a position or from now on.
    """

    sources: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    bodies: bool = False
    after: Position | None = None


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """The current state of a problem as JSON, without its body (`brief`) and with it (`whole`)."""

    status: str
    brief: bytes
    whole: bytes


@dataclass(frozen=True, slots=True)
class StreamStep:
    """Problems of one source that the transaction at `position` changed; a large transaction has several steps.

    A follower reaches the position with the `last` step of the transaction, not before.
    """

    position: Position
    last: bool
    source: str
    events: tuple[StreamEvent, ...]
    size_bytes: int

    def wanted(self, wish: StreamFilter) -> list[bytes]:
        """Return the JSON of the events that pass the filter of a follower."""
        if wish.sources and self.source not in wish.sources:
            return []
        return [
            event.whole if wish.bodies else event.brief
            for event in self.events
            if not wish.statuses or event.status in wish.statuses
        ]
