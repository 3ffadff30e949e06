"""Registrations at hubs. No version of the standard lets a client list its own, so an id that is lost here is lost for
good.

A new registration is stored (and the old one marked as left over) in one transaction after the hub said yes; left-overs
are deleted at the hub afterwards. A crash between the hub's yes and the store leaves one registration nobody knows: the
next start registers again, and notifications that come twice change nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from bridge.storage.database import Connection
from bridge.storage.queries import queries


@dataclass(frozen=True, slots=True)
class HubSubscription:
    """A registration as stored."""

    id: int
    hub_id: str | None
    url: str
    callback: str
    query: str
    registered_at: datetime


async def active(connection: Connection, source_id: int) -> HubSubscription | None:
    """Return the registration in use."""
    row = await connection.fetchrow(queries("subscription")["active"], source_id)
    return None if row is None else HubSubscription(**dict(row))


async def age_seconds(connection: Connection, source_id: int) -> float | None:
    """How long ago, by Postgres' clock, the registration in use was made; None when there is none."""
    age = await connection.fetchval(queries("subscription")["age_seconds"], source_id)
    return None if age is None else float(age)


async def left_over(connection: Connection, source_id: int) -> list[HubSubscription]:
    """Return replaced registrations that are still to be deleted at the hub."""
    return [
        HubSubscription(**dict(row)) for row in await connection.fetch(queries("subscription")["left_over"], source_id)
    ]


async def replace(
    connection: Connection, source_id: int, *, hub_id: str | None, url: str, callback: str, query: str
) -> None:
    """Make this the registration in use; the one before becomes a left-over. Run inside a transaction."""
    await connection.execute(queries("subscription")["retire"], source_id)
    await connection.execute(queries("subscription")["add"], source_id, hub_id, url, callback, query)


async def gone(connection: Connection, subscription_id: int) -> None:
    """The hub does not have it any more."""
    await connection.execute(queries("subscription")["mark_deleted"], subscription_id)
