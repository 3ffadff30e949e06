"""Words of two systems that mean the same: rows `left = right`, and rows for one direction only.

The two-way rows are edges between the words of both sides; connected words form a *class*, and the comparison is
between classes. So for any rows, writing a word and reading it back gives the same class.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bridge.errors import ConfigurationError


class Side(StrEnum):
    """One of the two systems that a rule joins."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> "Side":
        """The system across."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


Word = tuple[Side, str]
"""A word of one side."""

_SIGNS: Final = {" = ": None, " > ": Side.RIGHT, " < ": Side.LEFT}
"""Sign of a row → the only side that it writes to; None: both."""


@dataclass(frozen=True, slots=True)
class WordPair:
    """A pair of words. `writes`: the only side that the row writes to; None: both, and the words are one class."""

    left: str
    right: str
    writes: Side | None = None

    def word(self, side: Side) -> str:
        """The word of one side."""
        return self.left if side is Side.LEFT else self.right


def read_pair(text: str) -> WordPair:
    """Read `left = right`, `left > right` or `left < right`; ConfigurationError for anything else.

    >>> read_pair("Closed > 6")
    WordPair(left='Closed', right='6', writes=<Side.RIGHT: 'right'>)
    """
    found = [sign for sign in _SIGNS if sign in text]
    if len(found) == 1:
        left, _, right = text.partition(found[0])
        if left.strip() and right.strip() and found[0] not in right:
            return WordPair(left.strip(), right.strip(), _SIGNS[found[0]])
    raise ConfigurationError(
        [f"{text!r}: a row is `left = right`, `left > right` or `left < right`, with blanks around"]
    )


@dataclass(slots=True)
class WordMap:
    """The rows of a map. Words without a row are a class each."""

    rows: tuple[WordPair, ...]
    _classes: dict[Word, int] = field(init=False, default_factory=dict)
    _first: dict[tuple[int, Side], str] = field(init=False, default_factory=dict)
    _one_way: dict[tuple[Side, str], str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Find the classes, and the word of each that is written: that of its first row."""
        two_way = [row for row in self.rows if row.writes is None]
        for number, row in enumerate(two_way):
            words = [(side, row.word(side)) for side in Side]
            joined = {self._classes[word] for word in words if word in self._classes} or {number}
            kept = min(joined)
            for word, old in self._classes.items():
                if old in joined:
                    self._classes[word] = kept
            self._classes.update(dict.fromkeys(words, kept))
        for row in two_way:
            for side in Side:
                self._first.setdefault((self._classes[side, row.word(side)], side), row.word(side))
        for row in self.rows:
            if row.writes is not None:
                self._one_way.setdefault((row.writes.other, row.word(row.writes.other)), row.word(row.writes))

    def class_of(self, side: Side, value: str) -> int | Word:
        """Return what the value means: equal for two values that mean the same."""
        return self._classes.get((side, value), (side, value))

    def put(self, side: Side, value: str, current: str | None) -> str | None:
        """Return what to write to the other side for `value` of `side`, where `current` stands there now.

        A word that means the same stays as it is. None: no row says what to write.
        """
        meaning, target = self.class_of(side, value), side.other
        written = self._first[meaning, target] if isinstance(meaning, int) else self._one_way.get((side, value))
        meant = meaning if written is None else self.class_of(target, written)
        return current if current is not None and self.class_of(target, current) == meant else written

    def classes(self) -> Iterator[dict[Side, list[str]]]:
        """Yield the words of each class, in the order of the rows."""
        found: dict[int, dict[Side, list[str]]] = {}
        for (side, word), number in self._classes.items():
            found.setdefault(number, {Side.LEFT: [], Side.RIGHT: []})[side].append(word)
        yield from found.values()

    def lumped(self) -> Iterator[tuple[Side, list[str]]]:
        """Yield words of one side between which moves are not carried over, for people to know."""
        for words in self.classes():
            yield from ((side, words[side]) for side in Side if len(words[side]) > 1)

    def faults(self, ended: dict[Side, frozenset[str]]) -> list[str]:
        """Say what is wrong: a class of everything, and classes that hold open and ended words together.

        `ended`: the words of each side that end a ticket; empty where the map is not one of statuses.
        """
        faults = []
        classes = list(self.classes())
        if len(classes) == 1 and any(len(words) > 1 for words in classes[0].values()):
            faults.append("all words mean the same: nothing would ever be carried over")
        faults += [
            f"{side.value}: {', '.join(words[side])} mean the same, but not all of them end a ticket"
            for words in classes
            for side in Side
            if ended[side] and 0 < len(ended[side].intersection(words[side])) < len(words[side])
        ]
        return faults


def unmapped(word_map: WordMap, side: Side, words: Iterable[str]) -> list[str]:
    """Return the words of a side for which no row says what to write to the other."""
    return [word for word in words if word_map.put(side, word, None) is None]
