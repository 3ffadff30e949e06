"""What differs between two bodies of a problem, attribute by attribute, as a person reads it. Pure.

Objects are compared by attribute, down to `_DEEPEST` levels. Elements of a list are matched by their id where it stands
once on each side, else by value; so a note that was inserted is one added element, not a changed list. An element that
only stands elsewhere is *moved*. Nothing is left out: `apply` makes the second body of the first and the differences.

The attributes that change with every version (`FOLDED`) are kept apart: a page shows their times in its heading.
"""

import difflib
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from bridge.domain.exact_json import WrittenNumber, write_exact

FOLDED: Final = frozenset({"lastUpdate", "statusChangeDate"})
_DEEPEST = 6
_LONGEST_TEXT_BYTES = 2048
"""Of longer texts the words are not compared: that takes quadratic time."""

Kind = Literal["added", "removed", "changed", "moved"]


class AttributeDifference(Struct, frozen=True):
    """An attribute that differs; `before` and `after` are null where it is absent (`kind` says which).

    Of two objects `attributes` has what differs inside, of two lists `elements`.
    """

    name: str
    kind: Kind
    before: Any = None
    after: Any = None
    attributes: tuple["AttributeDifference", ...] = ()
    elements: tuple["ElementDifference", ...] = ()


class ElementDifference(Struct, frozen=True):
    """An element of a list that differs: its places before and after (None: not there), and of two objects what
    differs inside.
    """

    kind: Kind
    place_before: int | None
    place_after: int | None
    before: Any = None
    after: Any = None
    attributes: tuple[AttributeDifference, ...] = ()


class VersionDifference(Struct, frozen=True):
    """How one body follows from the one before. `folded`: attributes of `FOLDED`."""

    attributes: tuple[AttributeDifference, ...]
    folded: tuple[AttributeDifference, ...] = ()


def difference(before: dict[str, Any], after: dict[str, Any]) -> VersionDifference:
    """Compare two bodies; attributes in the order of their names."""
    found = _attributes(before, after, 1)
    return VersionDifference(
        tuple(one for one in found if one.name not in FOLDED), tuple(one for one in found if one.name in FOLDED)
    )


def apply(before: dict[str, Any], found: VersionDifference) -> dict[str, Any]:
    """Return the second body; the first is not changed."""
    return _applied(before, (*found.attributes, *found.folded))


def _attributes(before: dict[str, Any], after: dict[str, Any], depth: int) -> tuple[AttributeDifference, ...]:
    found = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found.append(AttributeDifference(name, "removed", before=before[name]))
        elif name not in before:
            found.append(AttributeDifference(name, "added", after=after[name]))
        elif not _same(before[name], after[name]):
            found.append(_changed(name, before[name], after[name], depth))
    return tuple(found)


def _changed(name: str, before: Any, after: Any, depth: int) -> AttributeDifference:
    attributes: tuple[AttributeDifference, ...] = ()
    elements: tuple[ElementDifference, ...] = ()
    if depth < _DEEPEST:
        if isinstance(before, dict) and isinstance(after, dict):
            attributes = _attributes(before, after, depth + 1)
        elif isinstance(before, list) and isinstance(after, list):
            elements = _elements(before, after, depth + 1)
    return AttributeDifference(name, "changed", before, after, attributes, elements)


def _elements(before: list[Any], after: list[Any], depth: int) -> tuple[ElementDifference, ...]:
    """First what was removed, in the old order, then the rest in the new one."""
    pairs = _matched(before, after)
    same = [(one, other) for one, other in pairs if _same(before[one], after[other])]
    kept = _in_order(same)
    found = [ElementDifference("removed", place, None, before=before[place]) for place in _unmatched(before, pairs, 0)]
    later = [ElementDifference("added", None, place, after=after[place]) for place in _unmatched(after, pairs, 1)]
    for one, other in pairs:
        first, second = before[one], after[other]
        if _same(first, second):
            if (one, other) not in kept:
                later.append(ElementDifference("moved", one, other, first, second))
        else:
            inside = isinstance(first, dict) and isinstance(second, dict) and depth < _DEEPEST
            attributes = _attributes(first, second, depth + 1) if inside else ()
            later.append(ElementDifference("changed", one, other, first, second, attributes))
    later.sort(key=lambda each: each.place_after or 0)
    return (*found, *later)


def _matched(before: list[Any], after: list[Any]) -> list[tuple[int, int]]:
    """Return the places of elements that are the same one, by id, else by value; in the order of `after`."""
    ids_before, ids_after = _places_by_id(before), _places_by_id(after)
    pairs = [(ids_before[key], place) for key, place in ids_after.items() if key in ids_before]
    taken_before, taken_after = {one for one, _ in pairs}, {other for _, other in pairs}
    by_value: defaultdict[str, list[int]] = defaultdict(list)
    for place in range(len(before) - 1, -1, -1):
        if place not in taken_before:
            by_value[_value_key(before[place])].append(place)
    for place, element in enumerate(after):
        if place not in taken_after and (places := by_value.get(_value_key(element))):
            pairs.append((places.pop(), place))
    return sorted(pairs, key=lambda pair: pair[1])


def _places_by_id(elements: list[Any]) -> dict[str, int]:
    """Return the place of each id that stands in one element only."""
    ids = [_id_key(element) for element in elements]
    times = Counter(ids)
    return {key: place for place, key in enumerate(ids) if key is not None and times[key] == 1}


def _id_key(element: Any) -> str | None:
    found = element.get("id") if isinstance(element, dict) else None
    return _value_key(found) if isinstance(found, str | WrittenNumber) and found != "" else None


def _value_key(value: Any) -> str:
    return write_exact(_sorted(value))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _unmatched(elements: list[Any], pairs: list[tuple[int, int]], side: int) -> list[int]:
    taken = {pair[side] for pair in pairs}
    return [place for place in range(len(elements)) if place not in taken]


def _in_order(pairs: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return most of these pairs, sorted by their second place, whose first places are in order, too (the longest
    increasing subsequence).
    """
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for number, (place, _) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [number]
    kept: set[tuple[int, int]] = set()
    number = last[-1] if last else -1
    while number >= 0:
        kept.add(pairs[number])
        number = before[number]
    return kept


def _same(one: Any, other: Any) -> bool:
    """Compare two values; True is not 1, and numbers are the same only when written the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


def _applied(before: dict[str, Any], found: Sequence[AttributeDifference]) -> dict[str, Any]:
    result = dict(before)
    for each in found:
        if each.kind == "removed":
            del result[each.name]
        elif each.attributes:
            result[each.name] = _applied(before[each.name], each.attributes)
        elif each.elements:
            result[each.name] = _applied_list(before[each.name], each.elements)
        else:
            result[each.name] = each.after
    return result


def _applied_list(before: list[Any], found: Sequence[ElementDifference]) -> list[Any]:
    placed = {each.place_after: _applied_element(before, each) for each in found if each.place_after is not None}
    named = {each.place_before for each in found}
    rest = iter([element for place, element in enumerate(before) if place not in named])
    length = len(before) + sum((each.place_after is not None) - (each.place_before is not None) for each in found)
    return [placed[place] if place in placed else next(rest) for place in range(length)]


def _applied_element(before: list[Any], each: ElementDifference) -> Any:
    if each.attributes and each.place_before is not None:
        return _applied(before[each.place_before], each.attributes)
    return each.after


class TextPart(Struct, frozen=True):
    """A part of a text: the same in both, removed, or added."""

    kind: Literal["same", "removed", "added"]
    text: str


def text_difference(before: str, after: str) -> tuple[TextPart, ...]:
    """Compare two texts word by word; long ones as a whole.

    >>> [(part.kind, part.text) for part in text_difference("no light", "no power")]
    [('same', 'no '), ('removed', 'light'), ('added', 'power')]
    """
    if max(len(before.encode("utf-8", "replace")), len(after.encode("utf-8", "replace"))) > _LONGEST_TEXT_BYTES:
        return (TextPart("removed", before), TextPart("added", after))
    one, other = (re.findall(r"\s+|\S+", text) for text in (before, after))
    parts: list[TextPart] = []
    for _, from_one, to_one, from_other, to_other in difflib.SequenceMatcher(None, one, other).get_opcodes():
        gone, come = "".join(one[from_one:to_one]), "".join(other[from_other:to_other])
        if gone == come:
            parts.append(TextPart("same", gone))
            continue
        parts += [TextPart("removed", gone)] if gone else []
        parts += [TextPart("added", come)] if come else []
    return tuple(parts)
