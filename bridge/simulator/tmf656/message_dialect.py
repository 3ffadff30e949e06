"""How each version of TMF656 writes an event and an error; `bridge.simulator.tmf656.dialect` writes the problem in it.

Pure functions over JSON values, written apart from `bridge.tmf656.wire` like those.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from bridge.simulator.tmf656.dialect import R18_5, Json, base_path, encode, wire_name


class EventKind(StrEnum):
    """What happened, independent of how a version names it."""

    CREATE = "Create"
    STATE_CHANGE = "StateChange"
    ATTRIBUTE_VALUE_CHANGE = "AttributeValueChange"
    INFORMATION_REQUIRED = "InformationRequired"
    DELETE = "Delete"


_KIND_NAMES = {
    "2": {
        EventKind.CREATE: "Creation",
        EventKind.STATE_CHANGE: "StatusChange",
        EventKind.ATTRIBUTE_VALUE_CHANGE: "Change",
        EventKind.DELETE: "Remove",
    },
    "3": {EventKind.DELETE: "Remove"},
    R18_5: {EventKind.DELETE: "Remove"},
}


def event_type(kind: EventKind, version: str, resource: str = "ServiceProblem") -> str:
    """Return the eventType: `ServiceProblemStateChangeEvent` in v4 and v5, `…Notification` before.

    v2 has no official names; these are those of the draft before it. A delete exists officially in v5 only; the name
    returned for the older ones is that of TM Forum's reference implementation.
    """
    word = _KIND_NAMES.get(version, {}).get(kind, kind.value)
    return f"{resource}{word}{'Event' if version in ('4', '5') else 'Notification'}"


def listener_name(type_: str) -> str:
    """Return the last segment of the listener path for an eventType: the same, with a small first letter."""
    return type_[:1].lower() + type_[1:]


def encode_event(
    kind: EventKind,
    problem: Mapping[str, Any],
    version: str,
    *,
    event_id: str | None,
    event_time: str | None,
    field_path: str | None = None,
) -> Json:
    """Return the envelope `version` POSTs to a listener, with the v4-named `problem` (whole, or a merge patch with its
    id) inside.

    `event_id` and `event_time` (ISO 8601) are left out when None, as servers in the field do. `field_path` names the
    v4 attribute that changed or is required. In v5 an InformationRequired carries a reference and a list of JSON
    patches.
    """
    body = encode(problem, version)
    envelope = _envelope(event_type(kind, version), version, event_id=event_id, event_time=event_time)
    path = wire_name(field_path, version) if field_path else None
    if version == "5" and kind is EventKind.INFORMATION_REQUIRED:
        reference = {name: body[name] for name in ("id", "href") if name in body} | {"@type": "ServiceProblemRef"}
        wanted = [{"op": "add", "path": path or "priority"}]
        return envelope | {"event": {"serviceProblem": reference, "informationRequired": wanted}}
    if path and (version in ("3", R18_5) or (version == "4" and kind in _PATHED_4)):
        envelope["fieldPath"] = f"serviceProblem.{path}"
    if version in ("3", R18_5):
        envelope["resourcePath"] = f"{base_path(version)}/serviceProblem/{body.get('id')}"
    return envelope | {"event": {"serviceProblem": body}}


_PATHED_4 = (EventKind.ATTRIBUTE_VALUE_CHANGE, EventKind.INFORMATION_REQUIRED)


def encode_task_event(
    kind: EventKind, resource: str, task: Mapping[str, Any], *, event_id: str | None, event_time: str | None
) -> Json:
    """Return the envelope of a v5 task event; `resource` is `ProblemAcknowledgement` or one of its three siblings."""
    envelope = _envelope(event_type(kind, "5", resource), "5", event_id=event_id, event_time=event_time)
    return envelope | {"event": {listener_name(resource): dict(task)}}


def _envelope(type_: str, version: str, *, event_id: str | None, event_time: str | None) -> Json:
    envelope: Json = {"eventType": type_}
    if event_id is not None:
        envelope["eventId"] = event_id
    if event_time is not None:
        envelope["eventTime"] = event_time
    if version in ("4", "5"):
        envelope |= {"title": type_, "description": f"{type_} of a service problem", "domain": "ServiceAssurance"}
        envelope["priority"] = "3"
        if event_time is not None:
            envelope["timeOcurred" if version == "4" else "timeOccurred"] = event_time
    if version == "5":
        system = {"id": "SPM-1", "name": "Service Problem Management", "@type": "EntityRef", "@referredType": "System"}
        envelope |= {"source": system, "reportingSystem": system, "@type": type_, "@baseType": "Event"}
    return envelope


def encode_error(status: int, message: str, version: str) -> Json:
    """Return the Error object of `version`: numbers before v4 (v2 even types `reason` as one), text from v4 on, typed
    in v5.
    """
    reasons = _REASONS.get(status, "Error")
    if version == "2":
        return {"code": status, "reason": status, "message": message, "status": status}
    if version in ("3", R18_5):
        return {"code": status, "reason": reasons, "message": message, "status": status}
    error: Json = {"code": str(status), "reason": reasons, "message": message, "status": str(status)}
    return error | {"@type": "Error"} if version == "5" else error


_REASONS = {
    400: "Bad request",
    401: "Unauthorized",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    429: "Too many requests",
    500: "Internal server error",
    501: "Not implemented",
}
