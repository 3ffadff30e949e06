"""What was posted → the events in it, each in TMF656's envelope (`eventType`, `eventId`, `eventTime`, `event`).

Brokers and gateways wrap events: CloudEvents (`data`, `data_base64`), TMF688 (an event within an event), EventBridge
(`detail`), SNS and SQS (JSON as text), Event Grid and others (`data`, `payload`, `notification`), and lists of these.
What is in an envelope of TMF656's own kind is left alone.
"""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import orjson
from msgspec import Struct

from bridge.errors import UnreadableError
from bridge.tmf656.wire.event import SERVICE_PROBLEM, TASKS, type_of
from bridge.tmf656.wire.spelling import camel_case

PROBLEM_NAMES = (SERVICE_PROBLEM, "ServiceProblem", "service_problem", "serviceproblem", "service-problem")

EVENT_TIMES = ("eventTime", "timeOccurred", "timeOcurred", "event_time", "eventDate")
"""`timeOcurred` is version 4's spelling, and that of version 5's examples."""

_WRAPPERS = ("notification", "Notification", "data", "data_base64", "detail", "payload", "message", "Message", "body")
_BROKERS = ("specversion", "detail-type", "MessageId", "Records", "eventSource")
"""By these an envelope of a broker is known, whose `id` and `time` are those of the event."""
_LISTS = ("events", "notifications", "notification", "Records", "records", "event", "data", "payload", "items")
_IDS = ("id", "MessageId", "messageId")
_TIMES = ("time", "timestamp", "Timestamp")
_WITHIN = frozenset((*PROBLEM_NAMES, *TASKS, *(f"{task[0].upper()}{task[1:]}" for task in TASKS)))
_WRAPPED_MOST = 4
_EVENTS_MOST = 10_000


class Envelope(Struct, frozen=True):
    """One event. `received`: what is kept of it, as it came; `content`: the same in TMF656's envelope, the very same
    object where it came in one; `decoded`: JSON that came as text and was not checked yet.
    """

    received: dict[str, Any]
    content: dict[str, Any]
    decoded: bytes | None = None


def events_in(document: object) -> list[object]:
    """Return the events in a body, at least one; what is no object is returned as it is. UnreadableError when they are
    too many.
    """
    if isinstance(document, list):
        items = [event for item in document for event in (_split(item) if isinstance(item, dict) else [item])]
    else:
        items = _split(document) if isinstance(document, dict) else [document]
    if len(items) > _EVENTS_MOST:
        raise UnreadableError(
            "too_many", f"more than {_EVENTS_MOST} events in one body", hint="send fewer at a time", malformed=True
        )
    return items


def envelope_of(received: dict[str, Any]) -> Envelope:
    """Take an event out of what wraps it; what it does not say itself is taken from around it."""
    content, decoded = camel_case(received), None
    for _ in range(_WRAPPED_MOST):
        found = _inner(content)
        if found is None:
            break
        inner, text = found
        content, decoded = _inherit(content, inner), text or decoded
    return Envelope(received, content, decoded)


def _split(document: dict[str, Any]) -> list[object]:
    """Take a list of events apart, and an event about several problems."""
    if (spelled := camel_case(document)) is not document:
        parts = _split(spelled)
        return parts if len(parts) > 1 else [document]
    if not _WITHIN.isdisjoint(document):
        return [document]
    event = document.get("event")
    if isinstance(event, dict):
        for name in PROBLEM_NAMES:
            problems = event.get(name)
            if isinstance(problems, list) and len(problems) > 1:
                return [document | {"event": event | {name: problem}} for problem in problems]
        return [document]
    for name in _LISTS:
        listed = document.get(name)
        if isinstance(listed, list) and any(isinstance(item, dict) for item in listed):
            if len(listed) == 1 and name not in ("Records", "records", "events", "notifications", "items"):
                continue
            if name in ("event", "data", "payload"):
                return [document | {name: item} for item in listed]
            return [*listed]
    return [document]


def _inner(document: Mapping[str, Any]) -> tuple[dict[str, Any], bytes | None] | None:
    """Return what a document wraps, with its JSON if that came as text; None when it is an envelope of TMF656's."""
    if not _WITHIN.isdisjoint(document):
        return None
    event = document.get("event")
    if isinstance(event, dict):
        return (event, None) if isinstance(event.get("event"), dict) and _WITHIN.isdisjoint(event) else None
    for name in _WRAPPERS:
        held: object = document.get(name)
        text: bytes | None = None
        if isinstance(held, str):
            held, text = _decoded(held, base64=name == "data_base64")
        if isinstance(held, list) and len(held) == 1:
            held = held[0]
        if isinstance(held, dict) and held:
            return held, text
    return None


def _decoded(text: str, *, base64: bool) -> tuple[object, bytes | None]:
    """Read JSON that came as text."""
    if not base64 and not text.lstrip().startswith(("{", "[")):
        return None, None
    try:
        raw = b64decode(text, validate=True) if base64 else text.encode()
        return orjson.loads(raw), raw
    except ValueError:
        return None, None


def _inherit(outer: Mapping[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """Put type, id and time of what is around an event into it, where it has none of its own."""
    broker = any(name in outer for name in _BROKERS)
    is_event = not _WITHIN.isdisjoint(inner) or any(name in inner for name in ("event", "eventType", *_WRAPPERS))
    event: dict[str, Any] = dict(inner) if is_event else {"event": inner}
    stated = type_of(outer)
    if stated is not None and type_of(event) is None:
        event["eventType"] = stated
    for name in ("eventId", *(_IDS if broker else ())):
        if "eventId" not in event and outer.get(name) is not None:
            event["eventId"] = outer[name]
    for name in (*EVENT_TIMES, *(_TIMES if broker or "eventTime" not in outer else ())):
        if not any(time in event for time in EVENT_TIMES) and outer.get(name) is not None:
            event["eventTime"] = outer[name]
    for name in ("@type", "subject", "resourcePath"):
        if name in outer:
            event.setdefault(name, outer[name])
    return event
