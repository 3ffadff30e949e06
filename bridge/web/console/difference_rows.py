"""The differences of a version as lines of a page: an attribute's path, and what went and what came. Pure."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from bridge.domain.exact_json import plain_text
from bridge.domain.version_difference import (
    AttributeDifference,
    ElementDifference,
    Kind,
    TextPart,
    VersionDifference,
    text_difference,
)

MOST_ROWS: Final = 100
_LONGEST_VALUE = 2000
_LONGEST_LABEL = 60
_TEXTS = ("text", "name", "description")
_LABELS = ("id", "name", "text", "description")


class DifferenceRow(Struct, frozen=True):
    """A line. `parts`: what stayed, went and came, in the order of reading."""

    label: str
    kind: Kind
    parts: tuple[TextPart, ...]


def rows_of(found: VersionDifference) -> tuple[list[DifferenceRow], int]:
    """Return at most `MOST_ROWS` lines, and how many more there are."""
    every = _attributes(found.attributes, "")
    rows = list(islice(every, MOST_ROWS))
    return rows, sum(1 for _ in every)


def _attributes(found: tuple[AttributeDifference, ...], above: str) -> Iterator[DifferenceRow]:
    for each in found:
        label = f"{above}{each.name}"
        if each.attributes:
            yield from _attributes(each.attributes, f"{label}.")
        elif each.elements:
            for element in each.elements:
                yield from _element(element, label)
        else:
            yield DifferenceRow(label, each.kind, _parts(each.kind, each.before, each.after))


def _element(each: ElementDifference, above: str) -> Iterator[DifferenceRow]:
    label = f"{above} {_name(each)}"
    if each.attributes:
        yield from _attributes(each.attributes, f"{label}.")
    elif each.kind == "moved":
        places = f"from place {(each.place_before or 0) + 1} to {(each.place_after or 0) + 1}"
        yield DifferenceRow(label, "moved", (TextPart("same", places),))
    else:
        yield DifferenceRow(label, each.kind, _parts(each.kind, _words_of(each.before), _words_of(each.after)))


def _words_of(element: Any) -> Any:
    """An element that came or went as words, its own text first; as it is where it is no object, or one with others
    inside.
    """
    if not isinstance(element, dict) or any(isinstance(value, dict | list) for value in element.values()):
        return element
    own = [name for name in _TEXTS if isinstance(element.get(name), str) and element[name]]
    others = [name for name in element if name not in (*own, "id") and name[:1] != "@" and element[name] is not None]
    words = [element[name] for name in own] + [f"{name} {plain_text(element[name])}" for name in others]
    return " · ".join(words) or element


def _name(each: ElementDifference) -> str:
    """What people call an element: by an attribute that names it, else by its place."""
    element = each.after if each.place_after is not None else each.before
    place = each.place_after if each.place_after is not None else each.place_before
    if isinstance(element, dict):
        for name in _LABELS:
            if isinstance(element.get(name), str) and element[name]:
                return _cut(element[name], _LONGEST_LABEL)
    return str((place or 0) + 1)


def _parts(kind: Kind, before: Any, after: Any) -> tuple[TextPart, ...]:
    if kind == "added":
        return (TextPart("added", _shown(after)),)
    if kind == "removed":
        return (TextPart("removed", _shown(before)),)
    one, other = _shown(before), _shown(after)
    if isinstance(before, str) and isinstance(after, str) and " " in f"{before}{after}":
        return text_difference(one, other)
    return (TextPart("removed", one), TextPart("added", other))


def _shown(value: Any) -> str:
    return "(empty)" if value == "" else _cut(plain_text(value), _LONGEST_VALUE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
