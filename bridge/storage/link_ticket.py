"""Tickets as links need them: the current rows of service problems, and what they said before."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from bridge.storage.database import Connection
from bridge.storage.queries import queries

_VERSIONS = 50


class TicketRow(Struct, frozen=True):
    """A service problem as it is now. `body`: JSON with version 4 names."""

    source_id: int
    id: str
    revision: int
    status: str
    deleted_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None
    status_changed_at: datetime | None
    observed_at: datetime
    via: str
    body: bytes


class TicketVersion(Struct, frozen=True):
    """What a ticket said from `effective_at` on."""

    effective_at: datetime
    status: str
    body: bytes


async def read(connection: Connection, keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], TicketRow]:
    """Return tickets by (source id, id), as far as there are any."""
    wanted = sorted(keys)
    rows = await connection.fetch(
        queries("link_ticket")["read"], [source_id for source_id, _ in wanted], [ticket_id for _, ticket_id in wanted]
    )
    return {(row["source_id"], row["id"]): TicketRow(**dict(row)) for row in rows}


async def page(connection: Connection, source_id: int, after: str, *, limit: int) -> list[TicketRow]:
    """Return the next tickets of a source, deleted ones too."""
    return [
        TicketRow(**dict(row))
        for row in await connection.fetch(queries("link_ticket")["page"], source_id, after, limit)
    ]


async def versions(connection: Connection, source_id: int, ticket_id: str) -> list[TicketVersion]:
    """Return what a ticket said, the latest first; of a long history the latest part."""
    rows = await connection.fetch(queries("link_ticket")["versions"], source_id, ticket_id, _VERSIONS)
    return [TicketVersion(**dict(row)) for row in rows]
