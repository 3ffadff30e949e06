"""A received event → what it says of which problem, and what has to be asked of the server because it does not say
enough.

An event is understood by its type, else by the path it was posted to, else by the `@type` of its envelope, else by what
it holds; never by the `@type` of the problem, which TM Forum's own examples have wrong. The standard does not mark
whether a payload is the whole problem; how that is decided stands at `_kind`. In doubt the problem is fetched by id.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import is_
from typing import Any

from msgspec import Struct

from bridge.domain import timestamp
from bridge.domain.observation import TOMBSTONE_HASH, Kind, Notification, Observation, Via
from bridge.domain.service_problem import ID_CHARACTERS, Unmapped, columns_of, id_in, unmapped_value, usable_id
from bridge.domain.timestamp import Instant, Precision, plausible, precision_of
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary
from bridge.errors import UnreadableError, without_frames
from bridge.tmf656.wire import document
from bridge.tmf656.wire.envelope import EVENT_TIMES, PROBLEM_NAMES, Envelope, envelope_of, events_in
from bridge.tmf656.wire.event import (
    ATTRIBUTE_VALUE_CHANGE,
    SERVICE_PROBLEM,
    TASKS,
    EventChange,
    change_of,
    event_name,
    task_event_name,
    type_of,
    verb_of,
)
from bridge.tmf656.wire.problem import ALIASES, WHOLE, is_whole, normalise, observation_of
from bridge.tmf656.wire.shapes import SHAPES

NO_USABLE_ID = "no usable id"
NO_PROBLEM_NAMED = "task event names no problem"

_NAMED_BY_TASK = ("problem", "ackProblem", "unackProblem", "parentProblem", "childProblem")
_NESTED = (
    "problem",
    "resource",
    "entity",
    "payload",
    "data",
    "object",
    "content",
    "body",
    "item",
    "record",
    "document",
)
_NESTED_AFTER = ("after", "new", "newValue", "current", "updated", "before", "old")
"""Under which names a problem was seen within `event`; after a change before what was before it."""
_PATHS = ("resourcePath", "subject", "href", "resource", "url", "source")
_PATH_OF_PROBLEM = re.compile(r"service-?_?problem/([^/?#]+)/?(?:[?#].*)?$", re.IGNORECASE)

_ENVELOPE = frozenset(("event", "eventType", "eventId", "eventTime"))
_NAMED_ONLY = frozenset(("id", "href"))
_REFERENCE = _NAMED_ONLY | {"name"}
_KNOWN = frozenset(
    (
        *WHOLE,
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


class _Event(Struct, frozen=True):
    """An event as far as it is understood: its type, what it is about (a problem or a task), and its own time.

    `named_only`: an id that was found beside the payload. `doubt`: why the problem is to be fetched, whatever is said.
    """

    event_type: str
    change: EventChange
    payload: dict[str, Any]
    event_time: Instant | None
    received_at: datetime
    vocabulary: SourceVocabulary
    named_only: str | None = None
    doubt: str | None = None


class ReadEvent(Struct, frozen=True):
    """One event of a body: its JSON (`raw`), and what it says or why that could not be understood."""

    raw: bytes
    notification: Notification | None
    error: UnreadableError | None


def read_notifications(
    raw: bytes,
    *,
    received_at: datetime,
    event_hint: str | None = None,
    limits: document.DocumentLimits = document.DEFAULT,
    vocabulary: SourceVocabulary = BUILT_IN,
) -> list[ReadEvent]:
    """Read the events of one body as it was posted, at least one; each is understood or not by itself.

    `event_hint` is the last segment of the path it was posted to; it counts when an event states no type that is
    known. Raises UnreadableError with what `document.read_document` refuses. An event's own error is one of these, or
    `no_problem` for an unknown event without a service problem in it.
    """
    body = document.read_document(raw, limits, _problem_named)
    if isinstance(body, dict) and _problem_in_place(body) is not None:
        return [_read_envelope(Envelope(body, body), raw, received_at, event_hint, vocabulary)]
    events = events_in(body)
    if not events or not any(isinstance(event, dict) for event in events):
        raise document.not_object(body)
    if len(events) == 1 and events[0] is body and isinstance(body, dict):
        return [_read_event(body, raw, received_at, event_hint, limits, vocabulary)]
    return [
        _read_event(event, document.canonical(event), received_at, event_hint, limits, vocabulary) for event in events
    ]


def read_notification(
    raw: bytes,
    *,
    received_at: datetime,
    event_hint: str | None = None,
    limits: document.DocumentLimits = document.DEFAULT,
    vocabulary: SourceVocabulary = BUILT_IN,
) -> Notification:
    """Read a body of one event as `read_notifications` does; raises the event's error, too."""
    event, *_ = read_notifications(
        raw, received_at=received_at, event_hint=event_hint, limits=limits, vocabulary=vocabulary
    )
    if event.notification is None:
        raise event.error or document.not_object(None)
    return event.notification


def _read_event(
    received: object,
    raw: bytes,
    received_at: datetime,
    event_hint: str | None,
    limits: document.DocumentLimits,
    vocabulary: SourceVocabulary,
) -> ReadEvent:
    if not isinstance(received, dict):
        error = document.not_object(received)
        error.malformed = False  # the others of this body are events
        return ReadEvent(raw, None, error)
    envelope = envelope_of(received)
    if envelope.decoded is not None:
        try:
            document.read_document(envelope.decoded, limits, _problem_named)
        except UnreadableError as error:
            return ReadEvent(raw, None, without_frames(error))
    return _read_envelope(envelope, raw, received_at, event_hint, vocabulary)


def _read_envelope(
    envelope: Envelope, raw: bytes, received_at: datetime, event_hint: str | None, vocabulary: SourceVocabulary
) -> ReadEvent:
    try:
        notification = _notification(envelope, event_hint, received_at, vocabulary)
    except UnreadableError as error:
        return ReadEvent(raw, None, without_frames(error))
    return ReadEvent(raw, notification, None)


def _notification(
    envelope: Envelope, event_hint: str | None, received_at: datetime, vocabulary: SourceVocabulary
) -> Notification:
    content = envelope.content
    unmapped: list[Unmapped] = []
    event = _understand(content, event_hint, received_at, vocabulary, unmapped)
    problem_id = None if event.change is EventChange.TASK else id_in(event.payload) or event.named_only
    observation, verbatim = _observation(event, problem_id) if problem_id else (None, False)
    refetch = _refetch(event, problem_id, observation)
    event_id = usable_id(content.get("eventId"))
    body = document.canonical(envelope.received)
    event_at = event.event_time.at if event.event_time else None
    if observation is not None:
        unmapped += observation.unmapped
    return Notification(
        event_id=event_id,
        event_type=event.event_type,
        event_time=event_at,
        received_at=received_at,
        problem_id=problem_id,
        digest=document.digest(body),
        dedupable=event_id is not None or event_at is not None,
        body=body,
        observation=observation,
        frame=_frame(content, event.payload) if verbatim and content is envelope.received else None,
        refetch=refetch,
        poll_reason=None if observation or refetch else _poll_reason(event),
        unmapped=tuple(unmapped),
    )


def _understand(
    envelope: dict[str, Any],
    event_hint: str | None,
    received_at: datetime,
    vocabulary: SourceVocabulary,
    unmapped: list[Unmapped],
) -> _Event:
    """Find the type, then the payload. A known event without a payload still says that something has changed."""
    stated = type_of(envelope)
    type_name = envelope.get("@type")
    name = event_name(stated) or event_name(event_hint)
    if name is None and isinstance(type_name, str):
        name = event_name(type_name)
    doubt = named_only = None
    if name is None:
        name, payload, named_only, doubt = _by_content(envelope, stated or event_hint)
        change = change_of(name)
        known = name != ATTRIBUTE_VALUE_CHANGE and change is not EventChange.TASK
        event_type = stated[:ID_CHARACTERS] if stated and not known else name
    else:
        change, event_type = change_of(name), name
        if change is EventChange.TASK:
            payload = _task_in(envelope)[1]
        else:
            payload, named_only = _problem_in(envelope, declared=True)
    return _Event(
        event_type,
        change,
        payload,
        _event_time(envelope, received_at, unmapped),
        received_at,
        vocabulary,
        named_only,
        doubt,
    )


def _by_content(envelope: dict[str, Any], stated: str | None) -> tuple[str, dict[str, Any], str | None, str | None]:
    """Return the type that an event without a known one is treated as, its payload or the problem it names, and why
    that is in doubt.
    """
    problem, named_only = _problem_in(envelope, declared=False)
    if problem or named_only:
        verb, certain = verb_of(stated)
        if verb is not None and certain:
            return verb, problem, named_only, None
        deleted = verb or (event_name(problem.get("@type")) if isinstance(problem.get("@type"), str) else None)
        doubt = "deleted" if deleted is not None and change_of(deleted) is EventChange.DELETE else None
        return ATTRIBUTE_VALUE_CHANGE, problem, named_only, doubt
    task, payload = _task_in(envelope)
    if task is None:
        described = "without a type" if stated is None else f"of the unknown type {stated[:80]!r}"
        raise UnreadableError(
            "no_problem",
            f"an event {described}, without a service problem in it",
            hint="see what else this source was asked to send here",
        )
    return task_event_name(task), payload, None, None


def _problem_in(envelope: dict[str, Any], *, declared: bool) -> tuple[dict[str, Any], str | None]:
    """Return the problem: in its place, at the top level, within the event under another name, as the event itself, or
    the body itself when it has no envelope at all. Else the id of a problem that is only named.

    `declared`: the event is known to be about a service problem, so that an event with nothing but an id names one.
    """
    in_place = _problem_in_place(envelope)
    if in_place is not None:
        return in_place, None
    event = envelope.get("event")
    for holder in (event, envelope):
        problem = _held(holder, PROBLEM_NAMES)
        if problem:
            return problem, None
    if isinstance(event, dict):
        nested = _nested_in(event)
        if nested is not None:
            return nested, None
        if not _KNOWN.isdisjoint(event) and id_in(event):
            return event, None
        if declared and (only := id_in(event)):
            return {}, only
        if (only := _named_by_path(event)) is not None:
            return {}, only
    nested = _nested_in(envelope) if _ENVELOPE.isdisjoint(envelope) or declared else None
    if nested is not None:
        return nested, None
    if _ENVELOPE.isdisjoint(envelope) and not _KNOWN.isdisjoint(envelope) and id_in(envelope):
        return envelope, None
    return {}, _named_by_path(envelope) if declared or not _ENVELOPE.isdisjoint(envelope) else None


def _problem_in_place(envelope: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the problem where the standard has it; None when it is not there, or says nothing."""
    event = envelope.get("event")
    problem = event.get(SERVICE_PROBLEM) if isinstance(event, dict) else None
    return problem if isinstance(problem, dict) and problem else None


def _nested_in(holder: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what looks like a problem among the attributes of an event."""
    for name in (*_NESTED, *_NESTED_AFTER):
        held = _held(holder, (name,))
        if held is None:
            continue
        problem = _held(held, PROBLEM_NAMES) or held
        if id_in(problem) and not _KNOWN.isdisjoint(problem):
            return problem
        deeper = _nested_in(held) if name in ("data", "payload", "resource", "object") and held is not holder else None
        if deeper is not None:
            return deeper
    return None


def _named_by_path(holder: Mapping[str, Any]) -> str | None:
    """Return the id of the problem that a path such as version 3's `resourcePath` names."""
    for name in _PATHS:
        path = holder.get(name)
        match = _PATH_OF_PROBLEM.search(path[-2048:]) if isinstance(path, str) else None
        if match:
            return id_in({"href": f"/{match[1]}"})
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
    """Return what the event says of the problem, None when it only names it, and whether that is the payload word for
    word.
    """
    if event.change is EventChange.DELETE:
        return _tombstone(event, problem_id), False
    if not event.payload and event.named_only:
        return None, False
    if event.change is EventChange.INFORMATION_REQUIRED and _only_refers(event.payload, _REFERENCE):
        return None, False
    return _statement(event, problem_id, event.change)


def _statement(event: _Event, problem_id: str, change: EventChange) -> tuple[Observation, bool]:
    body = normalise(event.payload, event.vocabulary)
    columns = columns_of(body, event.vocabulary)
    kind = _kind(change, body)
    if kind is Kind.PARTIAL:
        body.pop("id", None)
        body.pop("href", None)
    elif body.get("id") is None:
        body["id"] = problem_id
    since, precision = columns.updated_at, columns.precision
    if since is None or not plausible(since, event.received_at):
        since = columns.status_at if change is EventChange.STATE_CHANGE else None
        if since is not None and plausible(since, event.received_at):
            precision = precision_of(since)
        elif event.event_time is not None:
            since, precision = event.event_time.at, event.event_time.precision
        else:
            since = None
    statement = observation_of(
        document.canonical(body),
        columns,
        problem_id=problem_id,
        kind=kind,
        via=Via.PUSH,
        observed_at=event.received_at,
        effective_at=since,
        precision=precision,
        event_type=event.event_type,
        event_at=event.event_time.at if event.event_time else None,
        vocabulary=event.vocabulary,
    )
    return statement, kind is Kind.FULL and _same(body, event.payload)


def _same(body: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    """Is every attribute the very object that came, in its place? What is shaped is another object."""
    return list(body) == list(payload) and all(map(is_, body.values(), payload.values()))


def _frame(envelope: Mapping[str, Any], payload: Mapping[str, Any]) -> bytes | None:
    event = envelope.get("event")
    if not isinstance(event, dict) or event.get(SERVICE_PROBLEM) is not payload:
        return None
    around = {name: value for name, value in event.items() if name != SERVICE_PROBLEM}
    return document.canonical({**envelope, "event": around})


def _tombstone(event: _Event, problem_id: str) -> Observation:
    """A deletion holds since the event: a lastUpdate in it is from before. What it says beside the id was so to the
    end (`last`).
    """
    at = event.event_time
    last = None
    if not _only_refers(event.payload, _NAMED_ONLY):
        last, _ = _statement(event, problem_id, EventChange.ATTRIBUTE_VALUE_CHANGE)
    return Observation(
        problem_id=problem_id,
        kind=Kind.TOMBSTONE,
        via=Via.PUSH,
        observed_at=event.received_at,
        effective_at=at.at if at else event.received_at,
        stamped=at is not None,
        body=b"{}",
        content_hash=TOMBSTONE_HASH,
        event_type=event.event_type,
        precision=at.precision if at else Precision.MICROSECOND,
        event_at=at.at if at else None,
        last=last,
        unmapped=last.unmapped if last else (),
        vocabulary=event.vocabulary,
    )


def _kind(change: EventChange, body: Mapping[str, Any]) -> Kind:
    """Decide whether a payload is the whole problem.

    A create event carries the whole entity (TM Forum's rule for v5, and v3's samples), unless it only names it. Any
    other event may carry everything (v3, and servers that always do) or what changed (v5): it is whole when it has
    all that no problem can be created without, and a status.
    """
    if is_whole(body) or (change is EventChange.CREATE and not _only_refers(body, _NAMED_ONLY)):
        return Kind.FULL
    return Kind.PARTIAL


def _only_refers(payload: Mapping[str, Any], names: frozenset[str]) -> bool:
    return all(name in names or name.startswith("@") for name in payload)


def _refetch(event: _Event, problem_id: str | None, observation: Observation | None) -> tuple[tuple[str, str], ...]:
    """Return what has to be asked of the server by id, with the reason."""
    if event.change is EventChange.TASK:
        return tuple((named, "task") for named in dict.fromkeys(_named_by_task(event.payload)))
    if problem_id is None:
        return ()
    if event.doubt is not None:
        return ((problem_id, event.doubt),)
    if observation is None:
        return ((problem_id, "information_required" if event.payload else "named_only"),)
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


def _event_time(envelope: Mapping[str, Any], received_at: datetime, unmapped: list[Unmapped]) -> Instant | None:
    """Return the first time of the event that can be read and is plausible."""
    for name in EVENT_TIMES:
        value = envelope.get(name)
        if value is None:
            continue
        found = timestamp.read(value)
        if found is not None and plausible(found.at, received_at):
            return found
        if found is None and not timestamp.blank(value):
            unmapped.append(unmapped_value(name, value))
    return None


def _problem_named(body: object) -> str | None:
    """Return the problem's id in a body that cannot be kept, if that much of it can be written down."""
    events = [event for event in events_in(body) if isinstance(event, dict)]
    if len(events) != 1:
        return None
    problem, named_only = _problem_in(envelope_of(events[0]).content, declared=True)
    problem_id: str | None = id_in(problem) or named_only
    try:
        return problem_id if problem_id is None else problem_id.encode().decode()
    except UnicodeEncodeError:
        return None
