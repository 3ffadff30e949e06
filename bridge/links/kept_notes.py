"""Where notes are written as a whole list, one that somebody adds between our read and our write is overwritten.

Where it was seen meanwhile, by a push or a poll, it is put back before the write ends: a crash leaves a write that is
settled, and settling looks again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import orjson
import structlog

from bridge.domain.note import vanished
from bridge.domain.ticket_system import OutcomeUnknownError, Ticket
from bridge.errors import BridgeError, DatabaseUnavailableError
from bridge.links.target import WriteTarget
from bridge.storage import link_ticket
from bridge.storage.database import Database

log = structlog.get_logger(__name__)


@runtime_checkable
class NoteListWriter(Protocol):
    """Writes notes as the list as a whole, so a note that somebody adds meanwhile may be lost."""

    async def put_back(self, ticket_id: str, notes: Sequence[Mapping[str, Any]]) -> Ticket:
        """Write these notes, elements of a version 4 body, as far as they are not there; return the ticket."""
        ...


async def put_back_notes(target: WriteTarget, database: Database, ticket: Ticket, since: str | None) -> Ticket:
    """Put back the notes that the tables have of a ticket, from after `since`, and that it has not any more; return it
    as it is then. `since`: when it last changed, as it was known before the write.
    """
    writer = target.writer
    if since is None or not isinstance(writer, NoteListWriter) or writer.capabilities.notes != "replace":
        return ticket
    known_at = datetime.fromisoformat(since)
    async with database.connection() as connection:
        versions = await link_ticket.versions(connection, target.source_id, ticket.id)
    later = [orjson.loads(version.body) for version in versions if version.effective_at > known_at]
    lost = vanished(reversed(later), ticket.record)
    if not lost:
        return ticket
    log.warning("notes put back", target=target.name, ticket=ticket.id, notes=len(lost))
    try:
        return await writer.put_back(ticket.id, lost)
    except DatabaseUnavailableError:
        raise
    except BridgeError as error:
        raise OutcomeUnknownError(f"written, but {len(lost)} notes of others not put back: {error}") from error
