"""A ticket of the routes ↔ its record and a version 4 service problem; no I/O.

The record is the ticket as the routes write it, without its notes: `name`, `state`, …, and the fields of its type below
`fields`. A rule names one of those by its path, `fields.Incident Number`.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from bridge.domain.ticket_system import Record, RemoteNote, WriteRefusedError, characteristics_of

KEY_OWNER: Final = "tmf656-bridge"

_SAME: Final = ("id", "name", "description")
_RENAMED: Final = {"state": "status", "type": "category", "createdAt": "creationDate", "lastModified": "lastUpdate"}
_CUSTOM: Final = "fields."


def record_in(ticket: Mapping[str, Any]) -> Record:
    """Return the fields of a ticket."""
    return {name: value for name, value in ticket.items() if name != "notes"}


def item_of(ticket: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ticket as a version 4 service problem; words stay as they are. A ticket without a priority has its
    severity's.
    """
    item: dict[str, Any] = {name: ticket[name] for name in _SAME if name in ticket}
    item |= {ours: ticket[theirs] for theirs, ours in _RENAMED.items() if ticket.get(theirs) is not None}
    urgency = ticket.get("priority") or ticket.get("severity")
    if urgency is not None:
        item["priority"] = urgency
    if creator := ticket.get("createdBy"):
        item["originatorParty"] = {"name": creator, "role": "originator"}
    if assignee := ticket.get("assignee"):
        item["responsibleParty"] = {"name": assignee, "role": "assignee"}
    if key := ticket.get("key"):
        item["externalIdentifier"] = [{"id": key, "owner": KEY_OWNER, "externalIdentifierType": "link"}]
    notes = [each for each in _list(ticket.get("notes")) if isinstance(each, dict)]
    if notes:
        item["note"] = [
            {"id": each.get("id"), "author": each.get("author"), "date": each.get("at"), "text": each.get("text")}
            for each in notes
        ]
    item["characteristic"] = characteristics_of(record_in(ticket))
    return item


def notes_in(document: object) -> list[RemoteNote]:
    """Return the notes that stand below `notes`, in their order. A note without an id is known by its place."""
    listed = _list(document.get("notes") if isinstance(document, Mapping) else document)
    notes = [each for each in listed if isinstance(each, Mapping) and isinstance(each.get("text"), str)]
    return [
        RemoteNote(str(each.get("id") or place), str(each.get("author") or ""), instant(each.get("at")), each["text"])
        for place, each in enumerate(notes, 1)
    ]


def instant(value: object) -> datetime | None:
    """Read a time of the routes; None where there is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def body_of(fields: Mapping[str, Any], writable: Collection[str] | None, custom: Collection[str] | None) -> Record:
    """Return what POST and PUT take: the fields of the ticket, those of its type below `fields`.

    `writable`, `custom`: the names that the system lists, None where it lists none. WriteRefusedError for others.
    """
    body: Record = {}
    own: Record = {}
    for name, value in fields.items():
        if name.startswith(_CUSTOM):
            own[name.removeprefix(_CUSTOM)] = value
        elif name == "fields" and isinstance(value, Mapping):
            own |= value
        else:
            body[name] = value
    unknown = [name for name in body if writable is not None and name not in writable]
    unknown += [f"{_CUSTOM}{name}" for name in own if custom is not None and name not in custom]
    if unknown:
        known = sorted([*(writable or ()), *(f"{_CUSTOM}{name}" for name in custom or ())])
        raise WriteRefusedError(f"no such field to write: {', '.join(sorted(unknown))} (there are: {', '.join(known)})")
    return body | {"fields": own} if own else body


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
