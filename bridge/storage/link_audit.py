"""Audits of links, how far each has come, and what they found different without a known reason.

An audit writes what it found together with how far it has come, so that one that was interrupted goes on without
counting anything twice.
"""

from collections.abc import Sequence

from msgspec import Struct

from bridge.storage.database import Connection
from bridge.storage.queries import queries
from bridge.storage.row_builder import columns


class AuditPosition(Struct, frozen=True):
    """How far an audit has come: `links` are compared, up to `last_link_id`."""

    id: int
    links: int = 0
    last_link_id: int = 0


class DriftRow(Struct, frozen=True):
    """A field that differs. An empty `field`: a ticket is gone at its source, the side whose value is None."""

    link_id: int
    field: str
    left: str | None
    right: str | None


async def begin(connection: Connection, rule_id: int) -> AuditPosition:
    """Begin an audit of a rule."""
    return AuditPosition(await connection.fetchval(queries("link_audit")["begin"], rule_id))


async def unfinished(connection: Connection, rule_id: int) -> AuditPosition | None:
    """Return the last audit of a rule if it was interrupted."""
    row = await connection.fetchrow(queries("link_audit")["unfinished"], rule_id)
    return None if row is None else AuditPosition(**dict(row))


async def count(connection: Connection, rule_id: int, *, after: int) -> int:
    """Return how many links are still to be compared."""
    return int(await connection.fetchval(queries("link_audit")["count"], rule_id, after))


async def next_links(connection: Connection, rule_id: int, *, after: int, limit: int) -> list[tuple[int, str, str]]:
    """Return the next links to compare, with their tickets on the left and right."""
    rows = await connection.fetch(queries("link_audit")["next"], rule_id, after, limit)
    return [(row["id"], row["left_id"], row["right_id"]) for row in rows]


async def proceed(connection: Connection, audit_id: int, links: Sequence[int], drift: Sequence[DriftRow]) -> None:
    """These links are compared, with what was found."""
    if drift:
        rows = [(one.link_id, one.field, one.left, one.right) for one in drift]
        await connection.execute(queries("link_audit")["add_drift"], audit_id, *columns(rows))
    if links:
        await connection.execute(queries("link_audit")["proceed"], audit_id, len(links), max(links))


async def finish(connection: Connection, audit_id: int) -> None:
    """All links of the rule are compared."""
    await connection.execute(queries("link_audit")["finish"], audit_id)


async def drift(connection: Connection) -> dict[str, int]:
    """Return how many fields audits found different, by rule."""
    return {row["rule"]: row["fields"] for row in await connection.fetch(queries("link_audit")["drift"])}
