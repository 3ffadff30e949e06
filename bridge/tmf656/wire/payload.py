"""Where an event has the problem or the task that it is about, when it is not where the standard has it.

Servers put the problem at the top level, under other names, within a record of the change, or name it by a path only.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bridge.domain.service_problem import id_in
from bridge.errors import UnreadableError
from bridge.tmf656.wire.envelope import PROBLEM_NAMES, envelope_of, events_in
from bridge.tmf656.wire.event import (
    ATTRIBUTE_VALUE_CHANGE,
    TASKS,
    EventChange,
    change_of,
    event_name,
    problem_in_place,
    task_event_name,
    verb_of,
)
from bridge.tmf656.wire.problem import ALIASES, WHOLE
from bridge.tmf656.wire.shapes import SHAPES

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


def problem_in(envelope: dict[str, Any], *, declared: bool) -> tuple[dict[str, Any], str | None]:
    """Return the problem: in its place, at the top level, within the event under another name, as the event itself, or
    the body itself when it has no envelope at all. Else the id of a problem that is only named.

    `declared`: the event is known to be about a service problem, so that an event with nothing but an id names one.
    """
    in_place = problem_in_place(envelope)
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


def task_in(envelope: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
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


def named_by_task(task: Mapping[str, Any]) -> Iterator[str]:
    for name in _NAMED_BY_TASK:
        named = task.get(name)
        for reference in named if isinstance(named, list) else (named,):
            problem_id = id_in(reference) if isinstance(reference, dict) else None
            if problem_id:
                yield problem_id


def by_content(envelope: dict[str, Any], stated: str | None) -> tuple[str, dict[str, Any], str | None, str | None]:
    """Return the type that an event without a known one is treated as, its payload or the problem it names, and why
    that is in doubt.
    """
    problem, named_only = problem_in(envelope, declared=False)
    if problem or named_only:
        verb, certain = verb_of(stated)
        if verb is not None and certain:
            return verb, problem, named_only, None
        deleted = verb or (event_name(problem.get("@type")) if isinstance(problem.get("@type"), str) else None)
        doubt = "deleted" if deleted is not None and change_of(deleted) is EventChange.DELETE else None
        return ATTRIBUTE_VALUE_CHANGE, problem, named_only, doubt
    task, payload = task_in(envelope)
    if task is None:
        described = "without a type" if stated is None else f"of the unknown type {stated[:80]!r}"
        raise UnreadableError(
            "no_problem",
            f"an event {described}, without a service problem in it",
            hint="see what else this source was asked to send here",
        )
    return task_event_name(task), payload, None, None


def problem_named(body: object) -> str | None:
    """Return the problem's id in a body that cannot be kept, if that much of it can be written down."""
    events = [event for event in events_in(body) if isinstance(event, dict)]
    if len(events) != 1:
        return None
    problem, named_only = problem_in(envelope_of(events[0]).content, declared=True)
    problem_id: str | None = id_in(problem) or named_only
    try:
        return problem_id if problem_id is None else problem_id.encode().decode()
    except UnicodeEncodeError:
        return None
