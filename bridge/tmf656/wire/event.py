"""Event types: every spelling seen in the field → v5's name, and what kind of change a name stands for.

v3 says `…CreateNotification`, v4 and v5 `…CreateEvent`; drafts and TM Forum's own reference implementation say
`…CreationNotification`, `…RemoveNotification`, `…StatusChangeNotification`, `…ChangeNotification`; paths and some
libraries start with a lower-case letter.
"""

from enum import Enum, auto

from bridge.domain.observation import CREATED

SERVICE_PROBLEM = "serviceProblem"
"""Name of the attribute of `event` that holds the problem, and of the collection in a path."""

TASKS = ("problemAcknowledgement", "problemUnacknowledgement", "problemGroup", "problemUngroup")
"""Names of the attributes of `event` that hold a task (v5)."""


class EventChange(Enum):
    """What an event says has happened."""

    CREATE = auto()
    STATE_CHANGE = auto()
    ATTRIBUTE_VALUE_CHANGE = auto()
    INFORMATION_REQUIRED = auto()
    DELETE = auto()
    TASK = auto()


ATTRIBUTE_VALUE_CHANGE = "ServiceProblemAttributeValueChangeEvent"
"""The event type of a problem that came without one."""

_CHANGES = {
    CREATED: EventChange.CREATE,
    "ServiceProblemStateChangeEvent": EventChange.STATE_CHANGE,
    ATTRIBUTE_VALUE_CHANGE: EventChange.ATTRIBUTE_VALUE_CHANGE,
    "ServiceProblemInformationRequiredEvent": EventChange.INFORMATION_REQUIRED,
    "ServiceProblemDeleteEvent": EventChange.DELETE,
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
_SEPARATORS = str.maketrans("", "", " \t\r\n_-.")


def event_name(raw: str | None) -> str | None:
    """Return v5's name of the event type that `raw` means, or None when it is none of TMF656's.

    >>> event_name("serviceProblemStatusChangeNotification")
    'ServiceProblemStateChangeEvent'
    """
    if raw is None:
        return None
    return _SPELLINGS.get(raw) or _SPELLINGS.get(raw.translate(_SEPARATORS).lower())


def task_event_name(task: str) -> str:
    """Return the event type of a task that came without one: that something happened to it."""
    return f"{task[0].upper()}{task[1:]}StateChangeEvent"


def change_of(name: str) -> EventChange:
    """Return what a canonical name (from `event_name` or `task_event_name`) stands for."""
    return _CHANGES.get(name, EventChange.TASK)
