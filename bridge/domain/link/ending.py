"""How a ticket of each kind of system says that it has ended, and which word a rule ends one with. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.domain.link.comparison import MapComparison
from bridge.domain.link.field import Direction
from bridge.domain.link.rule import MappedField
from bridge.domain.link.word_map import Side

STATUS_FIELD: Final[Mapping[str, str]] = {
    "tmf656": "status",
    "servicenow": "state",
    "dataminer": "State",
    "dataminer-api": "state",
}
"""Where a ticket has its status, by kind of system."""
ENDED_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "tmf656": ("cancelled", "rejected", "closed", "resolved"),
    "servicenow": ("8", "7", "6", "107", "106"),
    "dataminer": ("Closed", "Solved"),
    "dataminer-api": ("Cancelled", "Rejected", "Closed", "Resolved"),
}
"""Words that end a ticket, by kind of system; the first that a map knows is written where nobody needs it any more."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a ticket of a side is ended: the field of the rule with its status, and the word. `words`: all that end one.
    `writable`: may changes of the other side be written there?
    """

    field: str
    word: str
    words: frozenset[str] = frozenset()
    writable: bool = True


def ending_of(fields: Iterable[MappedField], side: Side, kind: str) -> Ending | None:
    """Return how a rule ends a ticket of a side; None: it maps no status there, or none that ends one."""
    for mapped in fields:
        compare = mapped.rule.comparison
        held_there = [path.text for path in mapped.paths[side]] == [STATUS_FIELD.get(kind)]
        if not held_there or not isinstance(compare, MapComparison) or mapped.rule.direction is Direction.CREATE:
            continue
        known = {row.word(side) for row in compare.word_map.rows}
        word = next((word for word in ENDED_WORDS[kind] if word in known), None)
        if word is not None:
            words = frozenset(ENDED_WORDS[kind])
            return Ending(mapped.name, word, words, mapped.rule.direction.allows(side.other))
    return None
