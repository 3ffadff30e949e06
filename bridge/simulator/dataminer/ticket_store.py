"""The tickets of a simulated DataMiner: both APIs answer from them.

Changes happen between two awaits, so a request is carried out or not begun. Times only grow: no two changes have the
same, as with DataMiner's ticks of 100 ns.
"""

import copy
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Values = dict[str, Any]

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)


@dataclass
class StoredNote:
    """A note; `code` is None where a person wrote it."""

    id: str
    author: str
    at: datetime
    text: str
    code: str | None = None


@dataclass
class StoredTicket:
    """A ticket. `values`: its fields by name; `custom`: those that only the ticket's type has."""

    number: int
    guid: str
    values: Values
    custom: Values
    created_at: datetime
    modified_at: datetime
    created_by: str
    modified_by: str
    key: str | None = None
    notes: list[StoredNote] = field(default_factory=list)

    @property
    def ticks(self) -> int:
        """When it was last changed, in 100 ns since the year 1."""
        return (self.modified_at - _EPOCH) // timedelta(microseconds=1) * 10


class TicketStore:
    """All tickets, by `StoredTicket.guid`."""

    def __init__(self, clock: Callable[[], datetime], dice: Random) -> None:
        """Start empty; `dice` makes the ids."""
        self.tickets: dict[str, StoredTicket] = {}
        self.deleted: set[str] = set()
        self._clock = clock
        self._dice = dice
        self._last = _EPOCH
        self._number = 0
        self._before: tuple[str, StoredTicket | None] | None = None

    def now(self) -> datetime:
        """Return the server's time."""
        return self._clock()

    def create(
        self, values: Mapping[str, Any], custom: Mapping[str, Any], *, key: str | None = None, author: str
    ) -> StoredTicket:
        """Make a ticket."""
        at = self._next_time()
        self._number += 1
        guid = str(uuid.UUID(int=self._dice.getrandbits(128), version=4))
        self._before = (guid, None)
        ticket = StoredTicket(self._number, guid, dict(values), dict(custom), at, at, author, author, key)
        self.tickets[guid] = ticket
        return ticket

    def change(self, ticket: StoredTicket, values: Mapping[str, Any], custom: Mapping[str, Any], author: str) -> bool:
        """Change fields; return whether anything is different now. Without a difference nothing is stamped."""
        if all(ticket.values.get(name) == value for name, value in values.items()) and all(
            ticket.custom.get(name) == value for name, value in custom.items()
        ):
            return False
        self._remember(ticket)
        ticket.values.update(values)
        ticket.custom.update(custom)
        self._stamp(ticket, author)
        return True

    def replace(self, ticket: StoredTicket, values: Mapping[str, Any], author: str) -> None:
        """Make these its only fields."""
        self._remember(ticket)
        ticket.values = dict(values)
        self._stamp(ticket, author)

    def add_note(self, ticket: StoredTicket, text: str, author: str, *, code: str | None = None) -> StoredNote:
        """Add a note, which changes the ticket."""
        self._remember(ticket)
        self._stamp(ticket, author)
        note = StoredNote(f"{ticket.number}-{len(ticket.notes) + 1}", author, ticket.modified_at, text, code)
        ticket.notes.append(note)
        return note

    def delete(self, guid: str) -> None:
        """Remove a ticket. Raises KeyError when there is none."""
        self._before = (guid, self.tickets.pop(guid))
        self.deleted.add(guid)

    def with_key(self, key: str) -> list[StoredTicket]:
        """Return the tickets that carry a key, oldest first."""
        return [ticket for ticket in self.tickets.values() if ticket.key == key]

    def listed(self, *, stale: bool = False) -> list[StoredTicket]:
        """Return all tickets, the one changed longest ago first; `stale`: as they were before the last change."""
        shown = dict(self.tickets)
        if stale and self._before is not None:
            guid, ticket = self._before
            shown.pop(guid, None)
            if ticket is not None:
                shown[guid] = ticket
        return sorted(shown.values(), key=lambda ticket: (ticket.modified_at, ticket.guid))

    def _remember(self, ticket: StoredTicket) -> None:
        before = copy.copy(ticket)
        before.values, before.custom, before.notes = dict(ticket.values), dict(ticket.custom), list(ticket.notes)
        self._before = (ticket.guid, before)

    def _stamp(self, ticket: StoredTicket, author: str) -> None:
        ticket.modified_at = self._next_time()
        ticket.modified_by = author

    def _next_time(self) -> datetime:
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        return self._last
