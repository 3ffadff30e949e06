"""What a ticket system must offer, so that pull and links need to know no kind of system.

A *ticket* has two forms. `record` holds the fields as the system itself names them: what rules compare and write.
`item` is the same ticket as a version 4 service problem: what is stored, so that every report works on it. The item of
a system that is no TMF656 server keeps the whole record in its list `characteristic`, one element a field
(`record_of`).

Reading alone never changes anything there; a source is written to only where its settings say `write = true`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from msgspec import Struct

from bridge.errors import PermanentError, TransientError

Record = dict[str, Any]
"""The fields of a ticket by the names of its system; values as JSON has them."""


class Ticket(Struct, frozen=True):
    """One ticket as its system wrote it.

    `version`: counts the changes at the system, None where it does not count. `asked_at`: our clock before the request
    was started. `server_at`: the clock of the system when it answered, where it says. `url`: for people.
    """

    id: str
    record: Record
    item: dict[str, Any]
    asked_at: datetime
    version: str | None = None
    updated_at: datetime | None = None
    server_at: datetime | None = None
    url: str | None = None


class RemoteNote(Struct, frozen=True):
    """One note of a ticket. `id`: stays the same whenever it is read. `at`: None where the system does not say.
    `journal`: the list it stands in, where a system has several: `comments` for everybody, `work_notes` for the desk.
    """

    id: str
    author: str
    at: datetime | None
    text: str
    journal: str = ""


WORK_NOTES: Final = "work_notes"
JOURNALS: Final = ("comments", WORK_NOTES)
"""The journals of ServiceNow: what the caller sees, and what stays with the desk."""


class Capabilities(Struct, frozen=True):
    """What a system can do.

    `compare_and_set`: a change can name the version it expects. `counts_versions`: `Ticket.version` is set. `notes`:
    how one is added: as an element of its own (`append`), with the whole list (`replace`), or not at all (`none`).
    `keys_unique`: the system itself makes no second ticket with a key. `settle_seconds`: how long a request may still
    be worked on after we gave up. `concurrency`: requests at a time, reads included. `status_steps`: the version of
    TMF656 by whose life cycle a status is moved, a request each; empty: by one. `absent`: what the system has no place
    for, and leaves out of what is written.
    """

    compare_and_set: bool = False
    counts_versions: bool = False
    notes: str = "append"
    keys_unique: bool = False
    settle_seconds: float = 90
    concurrency: int = 4
    status_steps: str = ""
    absent: frozenset[str] = frozenset()


class WriteRefusedError(PermanentError):
    """The system does not take what was written: a rule, a policy, a right is missing. The text has its words.

    `status`: of HTTP; None where nothing was sent.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        """Keep the status."""
        super().__init__(message)
        self.status = status


class VersionChangedError(PermanentError):
    """Somebody changed the ticket since the version that the change expected: nothing was written."""

    def __init__(self, message: str, ticket: Ticket | None = None) -> None:
        """Keep the ticket as it is now, where the system answered it."""
        super().__init__(message)
        self.ticket = ticket


class OutcomeUnknownError(TransientError):
    """A write was sent and not answered (time-out, disconnect, 5xx): it may be done, now or later."""


class TicketReader(Protocol):
    """Reads single tickets."""

    @property
    def capabilities(self) -> Capabilities:
        """What this system can do."""
        ...

    async def fetch(self, ticket_id: str) -> Ticket:
        """Read one ticket; NotFoundError only where the system answers 404 or 410."""
        ...

    async def find(self, key: str, *, since: datetime | None = None) -> list[Ticket]:
        """Find the tickets that carry our key, oldest first; `since`: none of them was made before."""
        ...

    async def notes(self, ticket_id: str) -> list[RemoteNote]:
        """Read the notes of a ticket, oldest first."""
        ...


class TicketWriter(TicketReader, Protocol):
    """Writes tickets too.

    Each method sends what it says once and never tries again by itself. Besides the errors above: TransientError where
    it is certain that nothing arrived (connection refused, 401, 403 of a gateway, 429 with its pause), NotFoundError
    where the ticket is gone. Values in `fields` and `changes` are as in a record; a name that the system does not have
    is refused before anything is sent.
    """

    async def create(self, fields: Mapping[str, Any], key: str) -> Ticket:
        """Make a ticket that carries `key`, and return it as it is now."""
        ...

    async def change(self, ticket_id: str, changes: Mapping[str, Any], *, version: str | None = None) -> Ticket:
        """Change fields and return the ticket as it is now; `version`: the one expected, where that can be said."""
        ...

    async def add_note(self, ticket_id: str, text: str, *, code: str, journal: str = "") -> None:
        """Add a note. `code` stands in its first line already, and tells a repeated request from a second note.
        `journal`: the one it goes into, of a system that has several; empty: the usual one.
        """
        ...


def characteristics_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a record as the list `characteristic` of a version 4 problem."""
    return [{"name": name, "value": value} for name, value in sorted(record.items())]


def record_of(item: Mapping[str, Any]) -> Record:
    """Return the record that `characteristics_of` put into an item."""
    listed = item.get("characteristic")
    elements = listed if isinstance(listed, list) else []
    return {
        each["name"]: each.get("value")
        for each in elements
        if isinstance(each, dict) and isinstance(each.get("name"), str)
    }
