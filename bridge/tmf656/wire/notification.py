"""A received event → what it says of which problem, and what has to be asked of the server because it does not say
enough.

An event is understood by its eventType, else by the path it was posted to, else by what it holds, and never by
`@type` alone: TM Forum's own examples have that wrong. The standard does not mark whether a payload is the whole
problem; how that is decided stands at `_kind`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import is_
from typing import Any

from bridge.domain import timestamp
from bridge.domain.observation import TOMBSTONE_HASH, Kind, Notification, Observation, Via
from bridge.domain.service_problem import columns_of
from bridge.domain.value import dataclass
from bridge.errors import UnreadableError
from bridge.tmf656.wire import document
from bridge.tmf656.wire.event import (
    ATTRIBUTE_VALUE_CHANGE,
    SERVICE_PROBLEM,
    TASKS,
    EventChange,
    change_of,
    event_name,
    task_event_name,
)
from bridge.tmf656.wire.identity import ID_CHARACTERS, id_in, usable_id
from bridge.tmf656.wire.problem import ALIASES, normalise, observation_of
from bridge.tmf656.wire.shapes import SHAPES

NO_USABLE_ID = "no usable id"
NO_PROBLEM_NAMED = "task event names no problem"

_PROBLEM_KEYS = (SERVICE_PROBLEM, "ServiceProblem")
_NAMED_BY_TASK = ("problem", "ackProblem", "unackProblem", "parentProblem", "childProblem")
_EVENT_TIMES = ("eventTime", "timeOccurred", "timeOcurred")
"""`timeOcurred` is version 4's spelling, and that of version 5's examples."""

_ENVELOPE = frozenset(("event", "eventType", "eventId", "eventTime"))
_WHOLE = ("description", "category", "priority", "reason", "status")
_NAMED_ONLY = frozenset(("id", "href"))
_REFERENCE = _NAMED_ONLY | {"name"}
_KNOWN = frozenset(
    (
        *_WHOLE,
        *ALIASES,
        *ALIASES.values(),
        *SHAPES,
        "name",
        "correlationId",
        "externalIdentifier",
        "originatingSystem",
        "statusChangeDate",
        "statusChangeReason",
        "resolutionDate",
        "impactImportanceFactor",
        "problemEscalation",
    )
)
"""Attributes by which an object without an envelope is known as a service problem."""


@dataclass(frozen=True, slots=True)
class _Event:
    """An event as far as it is understood: its type, what it is about (a problem or a task), and its own time."""

    event_type: str
    change: EventChange
    payload: dict[str, Any]
    event_time: datetime | None
    received_at: datetime


def read_notification(
    raw: bytes,
    *,
    received_at: datetime,
    event_hint: str | None = None,
    limits: document.DocumentLimits = document.DEFAULT,
) -> Notification:
    """Read one event as it was posted.

    `event_hint` is the last segment of the path it was posted to; it counts when the event states no type that is
    known. Raises UnreadableError with what `document.read_object` refuses, and `no_problem` for an unknown event
    without a service problem in it.
    """
    envelope = document.read_object(raw, limits, _problem_named)
    event = _understand(envelope, event_hint, received_at)
    problem_id = None if event.change is EventChange.TASK else id_in(event.payload)
    observation, verbatim = _observation(event, problem_id) if problem_id else (None, False)
    refetch = _refetch(event, problem_id, observation)
    event_id = usable_id(envelope.get("eventId"))
    body = document.canonical(envelope)
    return Notification(
        event_id=event_id,
        event_type=event.event_type,
        event_time=event.event_time,
        received_at=received_at,
        problem_id=problem_id,
        digest=document.digest(body),
        dedupable=event_id is not None or event.event_time is not None,
        body=body,
        observation=observation,
        frame=_frame(envelope, event.payload) if verbatim else None,
        refetch=refetch,
        poll_reason=None if observation or refetch else _poll_reason(event),
    )


def _understand(envelope: dict[str, Any], event_hint: str | None, received_at: datetime) -> _Event:
    """Find the type, then the payload. A known event without a payload still says that something has changed."""
    stated = envelope.get("eventType")
    stated = stated if isinstance(stated, str) and stated.strip() else None
    name = event_name(stated) or event_name(event_hint)
    if name is None:
        name, payload = _by_content(envelope)
        event_type = stated[:ID_CHARACTERS] if stated else name
    else:
        payload = (
            _task_in(envelope)[1] if change_of(name) is EventChange.TASK else _problem_in(envelope, declared=True) or {}
        )
        event_type = name
    return _Event(event_type, change_of(name), payload, _first_instant(envelope, _EVENT_TIMES), received_at)


def _named(event_type: object) -> str:
    return (
        "an event without eventType" if event_type is None else f"an event of the unknown type {str(event_type)[:80]!r}"
    )


def _by_content(envelope: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the type that an event without a known one is treated as, and its payload."""
    problem = _problem_in(envelope, declared=False)
    if problem is not None:
        return ATTRIBUTE_VALUE_CHANGE, problem
    task, payload = _task_in(envelope)
    if task is None:
        raise UnreadableError(
            "no_problem",
            f"{_named(envelope.get('eventType'))} without a service problem in it",
            hint="see what else this source was told to send here",
        )
    return task_event_name(task), payload


def _problem_in(envelope: dict[str, Any], *, declared: bool) -> dict[str, Any] | None:
    """Return the problem: in its place, at the top level, as the event itself, or the body itself when it has no
    envelope at all.

    `declared`: the event is known to be about a service problem, so that an event with nothing but an id is one too.
    """
    event = envelope.get("event")
    for holder in (event, envelope):
        problem = _held(holder, _PROBLEM_KEYS)
        if problem:
            return problem
    if isinstance(event, dict) and (declared or not _KNOWN.isdisjoint(event)) and id_in(event):
        return event
    if _ENVELOPE.isdisjoint(envelope) and not _KNOWN.isdisjoint(envelope) and id_in(envelope):
        return envelope
    return None


def _task_in(envelope: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Return name and content of the task in `event`; without one, the event itself may still name problems."""
    event = envelope.get("event")
    for task in TASKS:
        payload = _held(event, (task, task[0].upper() + task[1:]))
        if payload is not None:
            return task, payload
    return None, event if isinstance(event, dict) else {}


def _held(holder: object, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the object that `holder` has under one of the names; a list of one object counts as the object."""
    if not isinstance(holder, dict):
        return None
    for name in names:
        held = holder.get(name)
        if isinstance(held, list) and len(held) == 1:
            held = held[0]
        if isinstance(held, dict):
            return held
    return None


def _observation(event: _Event, problem_id: str) -> tuple[Observation | None, bool]:
    """Return what the event says of the problem, None when it only names it (information required), and whether that
    is the payload word for word.
    """
    if event.change is EventChange.DELETE:
        return _tombstone(event, problem_id), False
    if event.change is EventChange.INFORMATION_REQUIRED and _only_refers(event.payload, _REFERENCE):
        return None, False
    body = normalise(event.payload)
    columns = columns_of(body)
    kind = _kind(event.change, body)
    if kind is Kind.PARTIAL:
        body.pop("id", None)
        body.pop("href", None)
    elif body.get("id") is None:
        body["id"] = problem_id
    said = observation_of(
        document.canonical(body),
        columns,
        problem_id=problem_id,
        kind=kind,
        via=Via.PUSH,
        observed_at=event.received_at,
        effective_at=columns.updated_at
        or (columns.status_at if event.change is EventChange.STATE_CHANGE else None)
        or event.event_time,
        event_type=event.event_type,
    )
    return said, kind is Kind.FULL and _same(body, event.payload)


def _same(body: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    """Is every attribute the very object that came, in its place? What is shaped anew is another one."""
    return list(body) == list(payload) and all(map(is_, body.values(), payload.values()))


def _frame(envelope: Mapping[str, Any], payload: Mapping[str, Any]) -> bytes | None:
    event = envelope.get("event")
    if not isinstance(event, dict) or event.get(SERVICE_PROBLEM) is not payload:
        return None
    around = {name: value for name, value in event.items() if name != SERVICE_PROBLEM}
    return document.canonical({**envelope, "event": around})


def _tombstone(event: _Event, problem_id: str) -> Observation:
    """A deletion holds since the event: a lastUpdate in it is from before."""
    return Observation(
        problem_id=problem_id,
        kind=Kind.TOMBSTONE,
        via=Via.PUSH,
        observed_at=event.received_at,
        effective_at=event.event_time or event.received_at,
        stamped=event.event_time is not None,
        body=b"{}",
        content_hash=TOMBSTONE_HASH,
        event_type=event.event_type,
    )


def _kind(change: EventChange, body: Mapping[str, Any]) -> Kind:
    """Decide whether a payload is the whole problem.

    A create event carries the whole entity (TM Forum's rule for v5, and v3's samples), unless it only names it. Any
    other event may carry everything (v3, and servers that always do) or what changed (v5): it is whole when it has
    all that no problem can be created without, and a status.
    """
    if change is EventChange.CREATE:
        return Kind.PARTIAL if _only_refers(body, _NAMED_ONLY) else Kind.FULL
    return Kind.PARTIAL if None in map(body.get, _WHOLE) else Kind.FULL


def _only_refers(payload: Mapping[str, Any], names: frozenset[str]) -> bool:
    return all(name in names or name.startswith("@") for name in payload)


def _refetch(event: _Event, problem_id: str | None, observation: Observation | None) -> tuple[tuple[str, str], ...]:
    """Return what has to be asked of the server by id, with the reason."""
    if event.change is EventChange.TASK:
        return tuple((named, "task") for named in dict.fromkeys(_named_by_task(event.payload)))
    if problem_id is None:
        return ()
    if observation is None:
        return ((problem_id, "information_required"),)
    if observation.kind is Kind.PARTIAL:
        return ((problem_id, "partial"),)
    return () if observation.stamped else ((problem_id, "unstamped"),)


def _poll_reason(event: _Event) -> str:
    return NO_PROBLEM_NAMED if event.change is EventChange.TASK else NO_USABLE_ID


def _named_by_task(task: Mapping[str, Any]) -> Iterator[str]:
    for name in _NAMED_BY_TASK:
        named = task.get(name)
        for reference in named if isinstance(named, list) else (named,):
            problem_id = id_in(reference) if isinstance(reference, dict) else None
            if problem_id:
                yield problem_id


def _first_instant(item: Mapping[str, Any], names: tuple[str, ...]) -> datetime | None:
    for name in names:
        at = timestamp.parse(item.get(name))
        if at is not None:
            return at
    return None


def _problem_named(envelope: object) -> str | None:
    """Return the problem's id in an event that cannot be kept, if that much of it can be written down."""
    problem = _problem_in(envelope, declared=True) if isinstance(envelope, dict) else None
    problem_id: str | None = id_in(problem) if problem else None
    try:
        return problem_id if problem_id is None else problem_id.encode().decode()
    except UnicodeEncodeError:
        return None
