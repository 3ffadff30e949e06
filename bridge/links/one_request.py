"""What is sent to a target for a write that was decided. Nothing is tried again here; of a change that was refused as a
whole, each field is tried alone, so that one that is refused keeps back no other.
"""

from bridge.domain.ticket_system import OutcomeUnknownError, Ticket, WriteRefusedError
from bridge.errors import BridgeError, DatabaseUnavailableError
from bridge.links.decided_write import DecidedWrite
from bridge.links.duplicates import end_duplicate
from bridge.links.kept_notes import put_back_notes
from bridge.links.target import WriteTarget
from bridge.storage.database import Database
from bridge.storage.outbox import OutboxRow, WriteKind


class PartlyRefusedError(WriteRefusedError):
    """Some fields of a change were refused. `ticket`: as it is with the others; `refused`: why, by field."""

    def __init__(self, ticket: Ticket, refused: dict[str, WriteRefusedError]) -> None:
        """Say which, in the words of the system."""
        first = next(iter(refused.values()))
        super().__init__("; ".join(f"{name}: {error}" for name, error in refused.items()), first.status)
        self.ticket = ticket
        self.refused = refused


async def carry_out(target: WriteTarget, database: Database, row: OutboxRow, decided: DecidedWrite) -> Ticket:
    """Send a write and return the ticket as it is now. PartlyRefusedError: a part of it was done."""
    writer, link = target.writer, decided.link
    if row.kind is WriteKind.CREATE:
        return await writer.create(decided.values, link.key)
    if row.kind is WriteKind.END_DUPLICATE:
        return await end_duplicate(target, row.item, decided.values)
    ticket_id = link.ticket(row.side) or ""
    if row.kind is WriteKind.NOTE:
        text, journal = decided.values["text"], decided.values["journal"]
        await writer.add_note(ticket_id, text, code=row.item, journal=journal)
        written = await _as_it_is(target, ticket_id)
        return await put_back_notes(target, database, written, decided.sent.version)
    try:
        return await writer.change(ticket_id, decided.values, version=decided.sent.version)
    except WriteRefusedError as error:
        return await _each_alone(target, ticket_id, decided, error)


async def _each_alone(target: WriteTarget, ticket_id: str, decided: DecidedWrite, whole: WriteRefusedError) -> Ticket:
    """Write each field by itself, after all of them were refused together; raises `whole` where none is taken.
    OutcomeUnknownError where some are taken and then something else goes wrong: reading the ticket tells which.
    """
    ticket: Ticket | None = None
    refused: dict[str, WriteRefusedError] = {}
    for name, values in decided.parts.items():
        version = decided.sent.version if ticket is None else ticket.version
        try:
            ticket = await target.writer.change(ticket_id, values, version=version)
        except WriteRefusedError as error:
            refused[name] = error
        except DatabaseUnavailableError:
            raise
        except BridgeError as error:
            if ticket is None:
                raise
            raise OutcomeUnknownError(f"written in part, and then: {error}") from error
    if ticket is None:
        raise whole
    if refused:
        raise PartlyRefusedError(ticket, refused)
    return ticket


async def _as_it_is(target: WriteTarget, ticket_id: str) -> Ticket:
    """Read a ticket that was written a moment ago."""
    try:
        return await target.writer.fetch(ticket_id)
    except DatabaseUnavailableError:
        raise
    except BridgeError as error:
        raise OutcomeUnknownError(f"written, but not read afterwards: {error}") from error
