"""A draft in version 4's names → what a server of version 2, 3, 4 or 5 takes; the mirror image of reading.

`read_problem` of what `render` writes gives the draft again, apart from the `@type` that version 5 demands of every
part. Nothing is sent that a version has no place for, and nothing that it does not let a client set: `faults_of_create`
and `faults_of_change` say so before a request is made (facts: TMF656 v2.0, v3.0.0, v4.0.0, v5.0.0, Create and Update).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bridge.domain.status import Status
from bridge.tmf656.wire.problem import ALIASES

Json = dict[str, Any]
_Render = Callable[[Json], Json]

_OLDER: Final = {new: old for old, new in ALIASES.items() if old != "affectingServiceNumber"}
"""Version 4's name → that of versions 2 and 3."""
_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "2": _OLDER | {"affectedNumberOfServices": "affectingServiceNumber"},
    "3": _OLDER,
    "4": {},
    "5": {},
}
_CORRELATED: Final = ("2", "3")
"""Versions with one text, `correlationId`, in the place of the list `externalIdentifier`."""
ABSENT: Final[Mapping[str, frozenset[str]]] = {
    "2": frozenset(("originatorParty", "responsibleParty", "affectedService", "affectedResource", "rootCauseService"))
    | {"name", "rootCauseResource", "troubleTicket", "slaViolation"},
    "3": frozenset(["name"]),
    "4": frozenset(),
    "5": frozenset(),
}
"""What a version has no place for."""
_MANDATORY: Final[Mapping[str, tuple[str, ...]]] = {
    "2": ("category", "priority", "description", "reason", "originatingSystem"),
} | dict.fromkeys(("3", "4", "5"), ("category", "priority", "description", "reason", "originatorParty"))
_SERVERS_OWN: Final = frozenset(("id", "href", "errorMessage"))
"""What the server alone sets."""
_FIXED: Final = _SERVERS_OWN | {"originatingSystem", "firstAlert", "trackingRecord"}
"""What no PATCH may touch; versions 2 and 3 also the two of `_FIXED_BEFORE_4`."""
_FIXED_BEFORE_4: Final = frozenset(("externalIdentifier", "creationDate"))
_WHOLE_NUMBERS: Final = ("priority", "affectedNumberOfServices")
_PROSE: Final = {
    Status.SUBMITTED: "Submitted",
    Status.REJECTED: "Rejected",
    Status.ACKNOWLEDGED: "Acknowledged",
    Status.IN_PROGRESS: "In Progress",
    Status.HELD: "In Progress - Held",
    Status.PENDING: "In Progress - Pending",
    Status.RESOLVED: "Resolved",
    Status.CLOSED: "Closed",
    Status.CANCELLED: "Cancelled",
}
"""Statuses as the text of versions 2 and 3 spells them."""


def render(draft: Mapping[str, Any], version: str) -> Json:
    """Return the body of a POST, or of a merge patch, in the names and shapes of `version` ("2" to "5").

    A value of None stays (a merge patch removes by it). Numbers that came as text become numbers.
    """
    names, shapes = _NAMES[version], _SHAPES[version]
    body: Json = {"@type": "ServiceProblem"} if version == "5" else {}
    for name, value in draft.items():
        if name == "externalIdentifier" and version in _CORRELATED:
            body["correlationId"] = None if not value else value[0].get("id")
        else:
            body[names.get(name, name)] = _each(shapes.get(name), _plain(name, value, version))
    return body


def fitted(draft: Mapping[str, Any], version: str) -> Json:
    """Return attributes without those that a version has no place for."""
    return {name: value for name, value in draft.items() if name not in ABSENT[version]}


def with_origin(draft: Mapping[str, Any], version: str) -> Json:
    """Return a new problem with the system it comes from: version 2 has a text where others have a party."""
    party = draft.get("originatorParty")
    if version != "2" or "originatingSystem" in draft or not isinstance(party, dict):
        return dict(draft)
    named = party.get("name") or party.get("id")
    return dict(draft) if named is None else {**draft, "originatingSystem": named}


def faults_of_create(draft: Mapping[str, Any], version: str) -> list[str]:
    """Say why a server of `version` cannot make this problem; empty when it can."""
    faults = list(_misplaced(draft, version))
    faults += [f"{name} is set by the server" for name in draft if name in _SERVERS_OWN]
    faults += [f"{name} is mandatory" for name in _MANDATORY[version] if draft.get(name) in (None, "", [], {})]
    return faults


def faults_of_change(changes: Mapping[str, Any], version: str) -> list[str]:
    """Say why a server of `version` cannot make these changes; empty when it can."""
    fixed = _FIXED if version not in _CORRELATED else _FIXED | _FIXED_BEFORE_4
    faults = list(_misplaced(changes, version))
    faults += [f"{name} can only be set when the problem is made" for name in changes if name in fixed]
    faults += [
        f"{name} cannot be removed"
        for name in _MANDATORY[version]
        if name in changes and _plain(name, changes[name], version) is None
    ]
    return faults


def _misplaced(draft: Mapping[str, Any], version: str) -> Iterator[str]:
    yield from (f"version {version} has no {name}" for name in draft if name in ABSENT[version])
    yield from (f"{name} is called {ALIASES[name]} here, whatever the version" for name in draft if name in ALIASES)
    identifiers = draft.get("externalIdentifier")
    if identifiers and version in _CORRELATED and (not _is_one_entity(identifiers) or len(identifiers) != 1):
        yield f"version {version} has one correlationId, not a list of identifiers"
    yield from (
        f"{name} must be a whole number, not {draft[name]!r}"
        for name in _WHOLE_NUMBERS
        if draft.get(name) not in (None, "") and not isinstance(_plain(name, draft[name], version), int)
    )


def _is_one_entity(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _plain(name: str, value: Any, version: str) -> Any:
    """Write what has no parts. A number whose text is empty is removed."""
    if name in _WHOLE_NUMBERS and value == "":
        return None
    if name in _WHOLE_NUMBERS and isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:
        return int(value)
    if name == "status" and version in _CORRELATED and isinstance(value, str):
        return next((prose for status, prose in _PROSE.items() if status.value == value), value)
    return value


def _each(shape: _Render | None, value: Any) -> Any:
    """Apply a shape to a part or to each of a list; what is no object stays as it is."""
    if shape is None:
        return value
    if isinstance(value, list):
        return [shape(part) if isinstance(part, dict) else part for part in value]
    return shape(value) if isinstance(value, dict) else value


def _renamed(names: Mapping[str, str]) -> _Render:
    return lambda part: {names.get(name, name): value for name, value in part.items()}


def _typed(name: str) -> _Render:
    return lambda part: {"@type": name, **part}


def _nested(nest: str, wrapper: str, inner: str) -> _Render:
    """Version 5 keeps the role outside and everything else within."""

    def shape(part: Json) -> Json:
        inside = {"@type": inner, **{name: value for name, value in part.items() if name != "role"}}
        outside = {"role": part["role"]} if "role" in part else {}
        return {"@type": wrapper, **outside, nest: inside}

    return shape


def _holding(characteristic: _Render, name: str, shape: _Render) -> _Render:
    """A part that holds characteristics, which `name` names in this version."""

    def shape_with_inner(part: Json) -> Json:
        inner = part.get("characteristic")
        outer = {key: value for key, value in part.items() if key != "characteristic"}
        return shape(outer if inner is None else outer | {name: _each(characteristic, inner)})

    return shape_with_inner


def _text_characteristic(part: Json) -> Json:
    """Version 2 types the value as text."""
    value = part.get("value")
    if value is None or isinstance(value, str):
        return part
    return part | {"value": str(value).lower() if isinstance(value, bool) else str(value)}


def _typed_characteristic(part: Json) -> Json:
    """Version 5 has one type of characteristic for each type of value."""
    match part.get("value"):
        case bool():
            kind = "BooleanCharacteristic"
        case int():
            kind = "IntegerCharacteristic"
        case float():
            kind = "NumberCharacteristic"
        case dict():
            kind = "ObjectCharacteristic"
        case list():
            kind = "ArrayCharacteristic"
        case _:
            kind = "StringCharacteristic"
    return {"@type": kind, **part}


def _same(part: Json) -> Json:
    return part


_PARTY = _nested("partyOrPartyRole", "RelatedPartyRefOrPartyRoleRef", "PartyRef")
_ENTITY = _nested("entity", "RelatedEntity", "EntityRef")
_REFERENCES = {
    "affectedService": "ServiceRef",
    "affectedResource": "ResourceRef",
    "rootCauseService": "ServiceRef",
    "rootCauseResource": "ResourceRef",
    "parentProblem": "ServiceProblemRef",
    "underlyingProblem": "ServiceProblemRef",
    "underlyingAlarm": "ResourceAlarmRef",
    "troubleTicket": "TroubleTicketRef",
    "slaViolation": "SLAViolationRef",
    "relatedEvent": "EventRef",
    "externalIdentifier": "ExternalIdentifier",
    "note": "Note",
}
_SHAPES: Final[Mapping[str, Mapping[str, _Render]]] = {
    "2": {
        "note": _renamed({"text": "comment", "date": "time", "author": "user", "system": "systemId"}),
        "characteristic": _text_characteristic,
        "trackingRecord": _holding(_text_characteristic, "extensionInfo", _same),
        "impactPattern": _holding(_text_characteristic, "extensionInfo", _same),
    },
    "3": {
        "trackingRecord": _holding(_same, "extensionInfo", _same),
        "impactPattern": _holding(_same, "extensionInfo", _same),
    },
    "4": {},
    "5": {name: _typed(kind) for name, kind in _REFERENCES.items()}
    | dict.fromkeys(("originatorParty", "responsibleParty", "relatedParty"), _PARTY)
    | dict.fromkeys(("firstAlert", "relatedEntity"), _ENTITY)
    | {
        "affectedLocation": _nested("place", "RelatedPlaceRefOrValue", "PlaceRef"),
        "characteristic": _typed_characteristic,
        "trackingRecord": _holding(_typed_characteristic, "characteristic", _typed("TrackingRecord")),
        "impactPattern": _holding(_typed_characteristic, "characteristic", _typed("ImpactPattern")),
    },
}
