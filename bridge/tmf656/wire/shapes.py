"""The parts of a service problem in version 4's shape: parties, places, related entities, notes, records.

Only names, nesting and odd times change. A shape that is not the expected one (a text where an object should be, a
clash of names) is left as it came, so nothing is lost and nothing raises. What needs no change is returned as the same
object, which is how callers see that nothing changed.
"""

import re
from collections.abc import Callable, Mapping
from operator import is_not
from typing import Any

from bridge.domain import timestamp
from bridge.domain.timestamp import Precision

_PLAIN_TIME = re.compile(
    r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}(?:(?:[T_]| +)[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:[.,][0-9]*)?)?)?)?"
    r" *(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?",
    re.IGNORECASE | re.ASCII,
)
"""Times that are kept as they came, because reports read them too (`bridge.parse_timestamp`)."""

Shape = Callable[[Any], Any]

_NOTE = {"comment": "text", "time": "date", "user": "author", "systemId": "system"}
"""Version 2's comment (and the `systemId` of version 3's samples) → note. `system` has no place in v4's schema and is
kept.
"""

_RECORD = {"extensionInfo": "characteristic"}

_REFERENCE = {"referredType": "@referredType"}
"""As version 5's own example writes it."""


def time(value: Any) -> Any:
    """Return a time as ISO 8601 text if it came in a form of another kind and can be read."""
    if isinstance(value, str) and (len(value) > 10 and value[10] == "T" and value[-1] == "Z"):
        return value
    if value is None or (isinstance(value, str) and _PLAIN_TIME.fullmatch(value.strip())):
        return value
    found = timestamp.read(value)
    if found is None or found.unset:
        return value
    digits = {Precision.MILLISECOND: "milliseconds"}.get(found.precision, "microseconds")
    digits = "seconds" if found.precision >= Precision.SECOND else digits
    return found.at.replace(tzinfo=None).isoformat(timespec=digits) + "Z"


def rename(part: Any, names: Mapping[str, str]) -> Any:
    """Return `part` under other names. Where the new name has a value already, the value under the old name goes."""
    if not isinstance(part, dict) or names.keys().isdisjoint(part):
        return part
    renamed = {name: value for name, value in part.items() if name not in names}
    for old, new in names.items():
        if old in part and renamed.get(new) is None:
            renamed[new] = part[old]
    return renamed


def note(part: Any) -> Any:
    """Shape a comment or note. An author that is an object (version 3's samples) stays one."""
    return _timed(rename(part, _NOTE), "date")


def record(part: Any) -> Any:
    """Shape a tracking record or an impact pattern."""
    return _timed(rename(part, _RECORD), "time")


def reference(part: Any) -> Any:
    """Shape a reference to something elsewhere."""
    return rename(part, _REFERENCE) if isinstance(part, dict) and "referredType" in part else part


def party(part: Any) -> Any:
    """Shape a related party: version 5 nests it in `partyOrPartyRole`."""
    return reference(_flat(part, "partyOrPartyRole"))


def place(part: Any) -> Any:
    """Shape a related place: version 5 nests it in `place`."""
    return reference(_flat(part, "place"))


def entity(part: Any) -> Any:
    """Shape a related entity: version 5 nests it in `entity`."""
    return reference(_flat(part, "entity"))


def each(shape: Shape) -> Shape:
    """Return the shape of a list of such parts; a single part that came without its list is shaped too, and stays
    single.
    """

    def shape_each(parts: Any) -> Any:
        if not isinstance(parts, list):
            return shape(parts)
        shaped = [shape(part) for part in parts]
        return shaped if any(map(is_not, shaped, parts)) else parts

    return shape_each


def _timed(part: Any, name: str) -> Any:
    if not isinstance(part, dict) or name not in part:
        return part
    at = time(part[name])
    return part if at is part[name] else part | {name: at}


def _flat(part: Any, nest: str) -> Any:
    """Merge what is nested with what is around it. `@type` and similar attributes then describe what was nested: the
    wrapper is gone.
    """
    inner = part.get(nest) if isinstance(part, dict) else None
    if not isinstance(inner, dict):
        return part
    outer = {name: value for name, value in part.items() if name != nest}
    clash = any(_differ(outer[name], inner[name]) for name in outer.keys() & inner.keys() if not name.startswith("@"))
    return part if clash else outer | inner


def _differ(one: Any, other: Any) -> bool:
    """Only texts, numbers and the like are compared: containers may be nested deeper than Python compares."""
    return isinstance(one, dict | list) or isinstance(other, dict | list) or bool(one != other)


SHAPES: dict[str, Shape] = {
    "originatorParty": party,
    "responsibleParty": party,
    "relatedParty": each(party),
    "affectedLocation": each(place),
    "firstAlert": entity,
    "relatedEntity": each(entity),
    "note": each(note),
    "trackingRecord": each(record),
    "impactPattern": each(record),
} | dict.fromkeys(
    (
        "affectedService",
        "affectedResource",
        "rootCauseService",
        "rootCauseResource",
        "parentProblem",
        "underlyingProblem",
        "underlyingAlarm",
        "troubleTicket",
        "slaViolation",
        "relatedEvent",
    ),
    each(reference),
)
"""Attribute (version 4's name) → its shape. What is not named here is never touched."""
