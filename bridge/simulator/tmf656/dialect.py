"""How each version of TMF656 writes a problem: the v4-named model in and out of v2 … v5.

Pure functions over JSON values, written apart from `bridge.tmf656.wire` on purpose: one side is to find the mistakes
of the other.

A version is one of `VERSIONS`. "r18.5" is the model of v3 under the path `/v4`, as TM Forum published it in 2019 under
the number 4.0.0.

Rules of the encoding

* An attribute the version renamed gets its old name, one it does not have is left out, one TM Forum does not know (an
  extension) passes through. The same holds one level down, for the attributes of notes, parties, references and so on.
* `None` stays `None`, and a problem with few attributes is encoded as far as it goes, so a merge patch can be encoded
  like a problem.
* What a version can say survives: `decode(encode(p, v), v) == project(p, v)`, and `project` is idempotent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

VERSIONS = ("2", "3", "r18.5", "4", "5")

R18_5 = "r18.5"


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one sub-entity looks in one version.

    `names`: v4 attribute → the version's attribute; None lets every attribute pass. `type`: the `@type` v5 puts on it.
    `nested`: the member into which v5 moves everything but the role, and `nested_type` the `@type` there.
    `inner`: v4 attribute → shape of the entity (or the entities) in it.
    """

    names: Mapping[str, str] | None = None
    type: str = ""
    nested: str = ""
    nested_type: str = ""
    inner: Mapping[str, "_Shape"] = field(default_factory=dict)


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in (*names, "@type", "@baseType", "@schemaLocation")}


_CHARACTERISTIC_2 = _Shape(_same("name", "value"))
_CHARACTERISTIC_3 = _Shape(_same("name", "valueType", "value"))
_CHARACTERISTIC_5 = _Shape(type="Characteristic")

_REFERENCE_3 = _Shape(_same("id", "href", "@referredType"))
_PARTY_3 = _Shape(_same("id", "href", "name", "role", "@referredType"))
_PLACE_3 = _Shape(_same("id", "href", "name", "role"))
_ALARM_3 = _Shape(_same("id", "href", "changeRequest", "@referredType"))
_EVENT_3 = _Shape(_same("id", "href", "eventTime") | {"@referredType": "eventType"})
_TRACKING = _same("id", "description", "systemId", "time", "user") | {"characteristic": "extensionInfo"}
_IMPACT = _same("description") | {"characteristic": "extensionInfo"}

_PARTY_5 = _Shape(None, "RelatedPartyRefOrPartyRoleRef", "partyOrPartyRole", "PartyRef")
_PLACE_5 = _Shape(None, "RelatedPlaceRefOrValue", "place", "PlaceRef")
_ENTITY_5 = _Shape(None, "RelatedEntity", "entity", "EntityRef")

_SHAPES_2 = {
    "relatedParty": _PARTY_3,
    "affectedLocation": _PLACE_3,
    "firstAlert": _Shape({"id": "id", "href": "href", "@referredType": "type", "@type": "@type"}),
    "parentProblem": _REFERENCE_3,
    "underlyingProblem": _REFERENCE_3,
    "underlyingAlarm": _ALARM_3,
    "relatedEvent": _EVENT_3,
    "relatedEntity": _REFERENCE_3,
    "note": _Shape({"text": "comment", "system": "systemId", "date": "time", "author": "user", "@type": "@type"}),
    "characteristic": _CHARACTERISTIC_2,
    "trackingRecord": _Shape(_TRACKING, inner={"characteristic": _CHARACTERISTIC_2}),
    "impactPattern": _Shape(_IMPACT, inner={"characteristic": _CHARACTERISTIC_2}),
}

_SHAPES_3 = {
    "originatorParty": _PARTY_3,
    "responsibleParty": _PARTY_3,
    "relatedParty": _PARTY_3,
    "affectedService": _REFERENCE_3,
    "affectedResource": _REFERENCE_3,
    "affectedLocation": _PLACE_3,
    "rootCauseService": _REFERENCE_3,
    "rootCauseResource": _REFERENCE_3,
    "firstAlert": _Shape(_same("id", "href", "name", "@referredType")),
    "parentProblem": _REFERENCE_3,
    "underlyingProblem": _REFERENCE_3,
    "underlyingAlarm": _ALARM_3,
    "troubleTicket": _REFERENCE_3,
    "slaViolation": _REFERENCE_3,
    "relatedEvent": _EVENT_3,
    "relatedEntity": _Shape(_same("id", "href", "name", "@referredType")),
    "note": _Shape(_same("author", "date", "system", "text")),
    "characteristic": _CHARACTERISTIC_3,
    "trackingRecord": _Shape(_TRACKING, inner={"characteristic": _CHARACTERISTIC_3}),
    "impactPattern": _Shape(_IMPACT, inner={"characteristic": _CHARACTERISTIC_3}),
}

_SHAPES_5 = {
    "originatorParty": _PARTY_5,
    "responsibleParty": _PARTY_5,
    "relatedParty": _PARTY_5,
    "affectedService": _Shape(type="ServiceRef"),
    "affectedResource": _Shape(type="ResourceRef"),
    "affectedLocation": _PLACE_5,
    "rootCauseService": _Shape(type="ServiceRef"),
    "rootCauseResource": _Shape(type="ResourceRef"),
    "firstAlert": _ENTITY_5,
    "parentProblem": _Shape(type="ServiceProblemRef"),
    "underlyingProblem": _Shape(type="ServiceProblemRef"),
    "underlyingAlarm": _Shape(type="ResourceAlarmRef"),
    "troubleTicket": _Shape(type="TroubleTicketRef"),
    "slaViolation": _Shape(type="SLAViolationRef"),
    "relatedEvent": _Shape(type="EventRef"),
    "relatedEntity": _ENTITY_5,
    "externalIdentifier": _Shape(type="ExternalIdentifier"),
    "note": _Shape(type="Note"),
    "characteristic": _CHARACTERISTIC_5,
    "trackingRecord": _Shape(type="TrackingRecord", inner={"characteristic": _CHARACTERISTIC_5}),
    "impactPattern": _Shape(type="ImpactPattern", inner={"characteristic": _CHARACTERISTIC_5}),
    "errorMessage": _Shape(type="ErrorMessage"),
}

_OLD_NAMES = {
    "creationDate": "timeRaised",
    "lastUpdate": "timeChanged",
    "externalIdentifier": "correlationId",
    "impactPattern": "impactPatterns",
    "relatedEntity": "relatedObject",
    "note": "comment",
    "characteristic": "extensionInfo",
}


@dataclass(frozen=True, slots=True)
class _Dialect:
    """One version: renamed attributes, missing attributes, shapes of sub-entities, spelling of the status."""

    names: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    shapes: Mapping[str, _Shape] = field(default_factory=dict)
    prose_status: bool = False
    typed: bool = False


_DIALECT_2 = _Dialect(
    names=_OLD_NAMES | {"affectedNumberOfServices": "affectingServiceNumber"},
    absent=frozenset(
        {"name", "originatorParty", "responsibleParty", "affectedService", "affectedResource", "rootCauseService"}
        | {"rootCauseResource", "troubleTicket", "slaViolation", "errorMessage"}
    ),
    shapes=_SHAPES_2,
    prose_status=True,
)
_DIALECT_3 = _Dialect(
    names=_OLD_NAMES | {"troubleTicket": "associatedTroubleTicket", "slaViolation": "associatedSLAViolation"},
    absent=frozenset({"name", "errorMessage"}),
    shapes=_SHAPES_3,
    prose_status=True,
)
_DIALECTS = {
    "2": _DIALECT_2,
    "3": _DIALECT_3,
    R18_5: _DIALECT_3,
    "4": _Dialect(absent=frozenset({"errorMessage"})),
    "5": _Dialect(shapes=_SHAPES_5, typed=True),
}
_MODEL_NAMES = {
    version: {theirs: ours for ours, theirs in dialect.names.items()} for version, dialect in _DIALECTS.items()
}

_PROSE_STATUS = {
    "submitted": "Submitted",
    "rejected": "Rejected",
    "acknowledged": "Acknowledged",
    "inProgress": "In Progress",
    "held": "In Progress - Held",
    "pending": "In Progress - Pending",
    "resolved": "Resolved",
    "closed": "Closed",
    "cancelled": "Cancelled",
}
_MODEL_STATUS = {theirs: ours for ours, theirs in _PROSE_STATUS.items()}


def base_path(version: str) -> str:
    """Return the path under which `version` is served, without a slash at the end."""
    return f"/tmf-api/serviceProblemManagement/v{'4' if version == R18_5 else version}"


def wire_name(attribute: str, version: str) -> str:
    """Return what `version` calls the v4 attribute."""
    return _DIALECTS[version].names.get(attribute, attribute)


def model_name(attribute: str, version: str) -> str:
    """Return the v4 name of what `version` calls `attribute`."""
    return _MODEL_NAMES[version].get(attribute, attribute)


def encode(problem: Mapping[str, Any], version: str) -> Json:
    """Return the v4-named `problem` (or merge patch) as `version` writes it.

    `problem` is not changed and may share parts of the result.
    """
    dialect = _DIALECTS[version]
    body = {
        dialect.names.get(name, name): _encode_value(name, value, dialect)
        for name, value in problem.items()
        if name not in dialect.absent
    }
    if dialect.typed:
        body.setdefault("@type", "ServiceProblem")
    return body


def encode_attribute(problem: Mapping[str, Any], name: str, version: str) -> Any:
    """Return the one attribute that `version` calls `name` as it writes it, None when the problem or the version has
    none.
    """
    dialect = _DIALECTS[version]
    ours = model_name(name, version)
    if ours in dialect.absent or dialect.names.get(ours, ours) != name:
        return None
    if name == "@type" and dialect.typed:
        return problem.get(name, "ServiceProblem")
    return _encode_value(ours, problem.get(ours), dialect)


def decode(body: Mapping[str, Any], version: str) -> Json:
    """Return what `version` wrote as a v4-named problem (or merge patch).

    Attributes the version does not have are left out.
    """
    dialect = _DIALECTS[version]
    names = _MODEL_NAMES[version]
    problem = {
        ours: _decode_value(ours, value, dialect)
        for ours, value in ((names.get(name, name), value) for name, value in body.items() if name not in dialect.names)
        if ours not in dialect.absent
    }
    if dialect.typed and problem.get("@type") == "ServiceProblem":
        del problem["@type"]
    return problem


def project(problem: Mapping[str, Any], version: str) -> Json:
    """Return what of the v4-named `problem` can be said in `version`, in v4 names: all that a reader of it can ever
    know.
    """
    return decode(encode(problem, version), version)


def _encode_value(name: str, value: Any, dialect: _Dialect) -> Any:
    if value is None:
        return None
    if name == "status":
        return _PROSE_STATUS.get(value, value) if dialect.prose_status and isinstance(value, str) else value
    if name == "externalIdentifier" and name in dialect.names:
        return value[0].get("id") if value else None
    shape = dialect.shapes.get(name)
    return _each(value, shape, _encode_entity) if shape else value


def _decode_value(name: str, value: Any, dialect: _Dialect) -> Any:
    if value is None:
        return None
    if name == "status":
        return _MODEL_STATUS.get(value, value) if dialect.prose_status and isinstance(value, str) else value
    if name == "externalIdentifier" and name in dialect.names:
        return [{"id": value, "externalIdentifierType": "correlationId"}]
    shape = dialect.shapes.get(name)
    return _each(value, shape, _decode_entity) if shape else value


def _each(value: Any, shape: _Shape, change: Callable[[Json, _Shape], Json]) -> Any:
    """Apply `change` to the entity or to every entity of the list; anything else is not ours to change."""
    if isinstance(value, list):
        return [change(item, shape) if isinstance(item, dict) else item for item in value]
    return change(value, shape) if isinstance(value, dict) else value


def _encode_entity(entity: Json, shape: _Shape) -> Json:
    names = shape.names
    said = {
        name if names is None else names[name]: _each(value, shape.inner[name], _encode_entity)
        if name in shape.inner
        else value
        for name, value in entity.items()
        if names is None or name in names
    }
    if shape is _CHARACTERISTIC_2 and said.get("value") is not None:
        said["value"] = _text(said["value"])
    if shape is _CHARACTERISTIC_5:
        said.setdefault("@type", _characteristic_type(said.get("value")))
    elif shape.nested:
        said = _nest(said, shape)
    elif shape.type:
        said.setdefault("@type", shape.type)
    return said


def _nest(entity: Json, shape: _Shape) -> Json:
    inside = {name: value for name, value in entity.items() if name != "role"}
    inside.setdefault("@type", shape.nested_type)
    outside: Json = {"role": entity["role"]} if "role" in entity else {}
    return outside | {"@type": shape.type, shape.nested: inside}


def _decode_entity(entity: Json, shape: _Shape) -> Json:
    if shape.nested:
        inside = entity.get(shape.nested)
        outside = {name: value for name, value in entity.items() if name not in (shape.nested, "@type")}
        return outside | _without_type(inside, shape.nested_type) if isinstance(inside, dict) else outside
    if shape.names is not None:
        ours = {theirs: name for name, theirs in shape.names.items()}
        entity = {ours[name]: value for name, value in entity.items() if name in ours}
    said = {
        name: _each(value, shape.inner[name], _decode_entity) if name in shape.inner else value
        for name, value in entity.items()
    }
    if shape is _CHARACTERISTIC_5:
        return _without_type(said, _characteristic_type(said.get("value")))
    return _without_type(said, shape.type) if shape.type else said


def _without_type(entity: Json, default: str) -> Json:
    return {name: value for name, value in entity.items() if name != "@type" or value != default}


def _text(value: Any) -> str:
    """Return a characteristic's value as v2 carries it: text, whatever it was."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _characteristic_type(value: Any) -> str:
    """Return the `@type` v5's examples give a characteristic with this value."""
    if isinstance(value, bool):
        return "BooleanCharacteristic"
    if isinstance(value, int):
        return "IntegerCharacteristic"
    if isinstance(value, float):
        return "NumberCharacteristic"
    return "StringCharacteristic"
