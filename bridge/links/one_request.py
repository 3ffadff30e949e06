"""What is sent to a target for a write that was decided. Nothing is tried again here."""

from bridge.domain.ticket_system import OutcomeUnknownError, Ticket
from bridge.errors import BridgeError, DatabaseUnavailableError
from bridge.links.decided_write import DecidedWrite
from bridge.links.duplicates import end_duplicate
from bridge.links.kept_notes import put_back_notes
from bridge.links.target import WriteTarget
from bridge.storage.database import Database
from bridge.storage.outbox import OutboxRow, WriteKind


async def carry_out(target: WriteTarget, database: Database, row: OutboxRow, decided: DecidedWrite) -> Ticket:
    """Send a write and return the ticket as it is now."""
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
    return await writer.change(ticket_id, decided.values, version=decided.sent.version)


async def _as_it_is(target: WriteTarget, ticket_id: str) -> Ticket:
    """Read a ticket that was written a moment ago."""
    try:
        return await target.writer.fetch(ticket_id)
    except DatabaseUnavailableError:
        raise
    except BridgeError as error:
        raise OutcomeUnknownError(f"written, but not read afterwards: {error}") from error
