"""When two values of a field mean the same, and what to write for one: by a map, or by the kind of the field.

Every comparison keeps one promise: what `put` gives for a value has the class of that value, and the current value is
kept when it has that class already.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from bridge.domain.link.word_map import Side, WordMap


class Comparison(Protocol):
    """How the values of one field compare."""

    def class_of(self, side: Side, value: str) -> Hashable:
        """Return what a value means; equal for values that mean the same, on either side."""
        ...

    def put(self, side: Side, value: str, current: str | None) -> str | None:
        """Return what to write to the other side for `value` of `side`; None: not known."""
        ...


@dataclass(frozen=True, slots=True)
class MapComparison:
    """Words of an enumeration, compared by a map of words."""

    word_map: WordMap

    def class_of(self, side: Side, value: str) -> Hashable:
        """See `WordMap.class_of`."""
        return self.word_map.class_of(side, value)

    def put(self, side: Side, value: str, current: str | None) -> str | None:
        """See `WordMap.put`."""
        return self.word_map.put(side, value, current)


@dataclass(frozen=True, slots=True)
class TextComparison:
    """Texts: runs of white space count as one blank; `max_length`: no more characters than fit on either side."""

    max_length: int | None = None
    casefold: bool = False

    def class_of(self, side: Side, value: str) -> Hashable:  # noqa: ARG002 -- texts mean the same on both sides
        """Return the text as it is compared."""
        text = " ".join(value.split())[: self.max_length].rstrip()
        return text.casefold() if self.casefold else text

    def put(self, side: Side, value: str, current: str | None) -> str | None:
        """Return the text, cut to what fits, or what stands there when it means the same."""
        meaning = self.class_of(side, value)
        if current is not None and self.class_of(side.other, current) == meaning:
            return current
        if self.max_length is None or len(value) <= self.max_length:
            return value
        return " ".join(value.split())[: self.max_length].rstrip()


@dataclass(frozen=True, slots=True)
class InstantComparison:
    """Instants in ISO 8601 (without a zone: UTC): equal within the same second."""

    def class_of(self, side: Side, value: str) -> Hashable:  # noqa: ARG002 -- an instant means the same on both sides
        """Return the second; the text itself where it is no instant."""
        try:
            at = datetime.fromisoformat(value.strip())
            return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            return value.strip()

    def put(self, side: Side, value: str, current: str | None) -> str | None:
        """Return the instant as it was written, or what stands there when it is the same second."""
        if current is not None and self.class_of(side.other, current) == self.class_of(side, value):
            return current
        return value
