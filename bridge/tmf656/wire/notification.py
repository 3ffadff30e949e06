"""A received event → what it says of which problem, and what has to be asked of the server because it does not say
enough.

An event is understood by its type, else by the path it was posted to, else by the `@type` of its envelope, else by what
it holds; never by the `@type` of the problem, which TM Forum's own examples have wrong. The standard does not mark
whether a payload is the whole problem; how that is decided stands at `_kind`. In doubt the problem is fetched by id.
"""

from collections.abc import Mapping
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
from bridge.tmf656.wire.envelope import EVENT_TIMES, Envelope, envelope_of, events_in
from bridge.tmf656.wire.event import (
    ATTRIBUTE_VALUE_CHANGE,
    SERVICE_PROBLEM,
    EventChange,
    change_of,
    event_name,
    problem_in_place,
    type_of,
)
from bridge.tmf656.wire.payload import by_content, named_by_task, problem_in, problem_named, task_in
from bridge.tmf656.wire.problem import is_whole, normalise, observation_of

NO_USABLE_ID = "no usable id"
NO_PROBLEM_NAMED = "task event names no problem"


_NAMED_ONLY = frozenset(("id", "href"))
_REFERENCE = _NAMED_ONLY | {"name"}


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
    body = document.read_document(raw, limits, problem_named)
    if isinstance(body, dict) and problem_in_place(body) is not None:
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
            document.read_document(envelope.decoded, limits, problem_named)
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
    event_id = usable_id(content.get("eventId", content.get("event_id")))
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
        name, payload, named_only, doubt = by_content(envelope, stated or event_hint)
        change = change_of(name)
        known = name != ATTRIBUTE_VALUE_CHANGE and change is not EventChange.TASK
        event_type = stated[:ID_CHARACTERS] if stated and not known else name
    else:
        change, event_type = change_of(name), name
        if change is EventChange.TASK:
            payload = task_in(envelope)[1]
        else:
            in_place = problem_in_place(envelope)
            payload, named_only = (in_place, None) if in_place else problem_in(envelope, declared=True)
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
        return tuple((named, "task") for named in dict.fromkeys(named_by_task(event.payload)))
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
