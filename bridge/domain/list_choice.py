"""What a server is asked for where it filters its list itself: values of attributes, as it writes them. Pure.

Whether a server honours it shows in a trial only (`bridge.pull.list_chooser`).
"""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct

_MOST_WORDS: Final = 60
_LONGEST: Final = 1_500
"""Characters of all values; an address of 2,000 is too long for some servers."""


class ChoiceStyle(StrEnum):
    """How several values of one attribute are written; both mean that one of them is enough (TMF630 part 1, 4.4)."""

    COMMA = "comma"
    """`status=acknowledged,inProgress`."""
    REPEATED = "repeated"
    """`status=acknowledged&status=inProgress`."""


class ListChoice(Struct, frozen=True):
    """Values of which a problem has to have one, of each attribute that any are given for.

    `exact`: only words that the source was seen to write; else those of the model, too, which some servers refuse.
    """

    style: ChoiceStyle
    exact: bool
    statuses: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def attributes(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the attributes that are asked for, and their values."""
        yield from (
            (name, words) for name, words in (("status", self.statuses), ("category", self.categories)) if words
        )

    def __str__(self) -> str:
        """For people: `status=acknowledged,inProgress&category=network`."""
        return "&".join(f"{name}={','.join(words)}" for name, words in self.attributes())


def list_choices(
    statuses: Collection[str], status_words: Iterable[str], categories: Collection[str], category_words: Iterable[str]
) -> list[ListChoice]:
    """Return the ways to ask for what a filter keeps, the likeliest first; none where it cannot be asked for.

    `statuses`, `categories`: of the filter. The words: what the source was seen to write for them.
    """
    seen = sorted(set(status_words)) if statuses else []
    named = sorted(set(category_words)) if categories else []
    wide = sorted({*seen, *statuses})
    if "unknown" in statuses or (statuses and not seen) or (categories and not named):
        return []
    found: dict[tuple[ChoiceStyle, tuple[str, ...]], ListChoice] = {}
    for exact, words in ((False, wide), (True, seen)):
        for style in ChoiceStyle:
            if _can_be_asked([*words, *named], style):
                choice = ListChoice(style, exact, tuple(words), tuple(named))
                found.setdefault((_told_apart(choice), choice.statuses), choice)
    return list(found.values())


def _told_apart(choice: ListChoice) -> ChoiceStyle:
    """Return the style; a single value is written the same way in both."""
    several = any(len(words) > 1 for _, words in choice.attributes())
    return choice.style if several else ChoiceStyle.COMMA


def _can_be_asked(words: list[str], style: ChoiceStyle) -> bool:
    if not words or len(words) > _MOST_WORDS or sum(map(len, words)) > _LONGEST:
        return False
    return all(word.isprintable() and word == word.strip() and word for word in words) and not (
        style is ChoiceStyle.COMMA and any("," in word for word in words)
    )
