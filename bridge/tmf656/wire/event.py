"""Event types: every spelling seen in the field → v5's name, and what kind of change a name stands for.

v3 says `…CreateNotification`, v4 and v5 `…CreateEvent`; drafts and TM Forum's own reference implementation say
`…CreationNotification`, `…RemoveNotification`, `…StatusChangeNotification`, `…ChangeNotification`; paths and some
libraries start with a lower-case letter.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from bridge.domain.observation import CREATED

SERVICE_PROBLEM = "serviceProblem"
"""Name of the attribute of `event` that holds the problem, and of the collection in a path."""

TASKS = ("problemAcknowledgement", "problemUnacknowledgement", "problemGroup", "problemUngroup")
"""Names of the attributes of `event` that hold a task (v5)."""


TYPE_NAMES = ("eventType", "event_type", "eventName", "notificationType", "type", "detail-type", "operation", "action")
"""Where an event's type stands, the standard's name first."""


class EventChange(Enum):
    """What an event says has happened."""

    CREATE = auto()
    STATE_CHANGE = auto()
    ATTRIBUTE_VALUE_CHANGE = auto()
    INFORMATION_REQUIRED = auto()
    DELETE = auto()
    TASK = auto()


DELETED = "ServiceProblemDeleteEvent"

ATTRIBUTE_VALUE_CHANGE = "ServiceProblemAttributeValueChangeEvent"
"""The event type of a problem that came without one."""

_CHANGES = {
    CREATED: EventChange.CREATE,
    "ServiceProblemStateChangeEvent": EventChange.STATE_CHANGE,
    ATTRIBUTE_VALUE_CHANGE: EventChange.ATTRIBUTE_VALUE_CHANGE,
    "ServiceProblemInformationRequiredEvent": EventChange.INFORMATION_REQUIRED,
    DELETED: EventChange.DELETE,
}

_WORDS = {
    "Create": ("create", "created", "creation"),
    "StateChange": ("statechange", "statechanged", "statuschange", "statuschanged"),
    "AttributeValueChange": (
        "attributevaluechange",
        "attributevaluechanged",
        "attributechange",
        "change",
        "changed",
        "update",
        "updated",
    ),
    "InformationRequired": ("informationrequired",),
    "Delete": ("delete", "deleted", "deletion", "remove", "removed", "removal"),
}

_TASK_WORDS = ("Create", "StateChange", "Delete")


def _spellings() -> dict[str, str]:
    subjects = {SERVICE_PROBLEM: tuple(_WORDS)} | dict.fromkeys(TASKS, _TASK_WORDS)
    known: dict[str, str] = {}
    for subject, words in subjects.items():
        for word in words:
            name = f"{subject[0].upper()}{subject[1:]}{word}Event"
            known[name] = name
            for spelling in _WORDS[word]:
                known |= {f"{subject.lower()}{spelling}{suffix}": name for suffix in ("event", "notification", "")}
    return known


_SPELLINGS = _spellings()
_SEPARATORS = str.maketrans("", "", " \t\r\n_-.:/#")
_VERSION = re.compile(r"v?[0-9]+(\.[0-9]+)*$")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NO_VERB = frozenset(("event", "events", "notification", "msg", "message", "v"))
_ANY_SUBJECT = frozenset(("problem", "serviceproblem", "resource", "entity", "object", "record", "item", "op", "event"))
_LONGEST_TYPE = 300
_VERBS = {
    spelling: f"ServiceProblem{word}Event"
    for word, spellings in _WORDS.items()
    for spelling in spellings
    if word in ("Create", "Delete")
} | {"destroy": DELETED, "destroyed": DELETED, "purge": DELETED, "purged": DELETED, "insert": CREATED, "added": CREATED}


def type_of(envelope: Mapping[str, Any]) -> str | None:
    """Return the event type as stated, None when there is none."""
    for name in TYPE_NAMES:
        stated = envelope.get(name)
        if isinstance(stated, str) and stated.strip():
            return stated
    event = envelope.get("event")
    return event if isinstance(event, str) and event.strip() else None


def event_name(raw: str | None) -> str | None:
    """Return v5's name of the event type that `raw` means, or None when it is none of TMF656's.

    The last words decide: what is before them is a name space (`com.acme.…`), a version may follow.

    >>> event_name("com.acme.serviceProblemStatusChangeNotification.v1")
    'ServiceProblemStateChangeEvent'
    """
    if raw is None:
        return None
    if raw in _SPELLINGS:
        return _SPELLINGS[raw]
    folded = _VERSION.sub("", raw[:_LONGEST_TYPE].strip().lower()).translate(_SEPARATORS)
    if folded in _SPELLINGS:
        return _SPELLINGS[folded]
    subjects = [(folded.rfind(subject.lower()), subject) for subject in (SERVICE_PROBLEM, *TASKS)]
    place, _ = max(subjects)
    return _SPELLINGS.get(folded[place:]) if place >= 0 else None


def verb_of(raw: str | None) -> tuple[str | None, bool]:
    """Return the event type that the last word of a type without TMF656's subject stands for (create and delete only),
    and whether its subject can only be a problem: `deleted`, `problem.deleted`, but not `NoteDeleted`.
    """
    words = [word.lower() for word in _WORD.findall((raw or "")[:_LONGEST_TYPE])]
    while words and (words[-1] in _NO_VERB or words[-1].isdigit()):
        words.pop()
    name = _VERBS.get(words[-1]) if words else None
    return name, name is not None and (len(words) == 1 or words[-2] in _ANY_SUBJECT)


def task_event_name(task: str) -> str:
    """Return the event type of a task that came without one: that something happened to it."""
    return f"{task[0].upper()}{task[1:]}StateChangeEvent"


def change_of(name: str) -> EventChange:
    """Return what a canonical name (from `event_name` or `task_event_name`) stands for."""
    return _CHANGES.get(name, EventChange.TASK)


def problem_in_place(envelope: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the problem where the standard has it; None when it is not there, or says nothing."""
    event = envelope.get("event")
    problem = event.get(SERVICE_PROBLEM) if isinstance(event, dict) else None
    return problem if isinstance(problem, dict) and problem else None
