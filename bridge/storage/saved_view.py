"""Lists of problems that people keep under a name: `bridge.saved_view`. Who changes one holds its row until the end of
the transaction, so that what the audit says of it is true.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from bridge.storage.database import Connection
from bridge.storage.queries import queries

MOST: Final = 100
"""That one person may keep."""
LONGEST_NAME: Final = 60
LONGEST_PARAMETERS: Final = 8000


class SavedView(Struct, frozen=True):
    """A list with a name. `parameters`: the query of its address. `shared`: everybody sees it."""

    id: int
    owner: str
    name: str
    parameters: str
    shared: bool
    saved_at: datetime


async def visible(connection: Connection, who: str) -> Sequence[SavedView]:
    """Return what somebody sees, their own first."""
    return [SavedView(**row) for row in await connection.fetch(queries("saved_view")["visible"], who)]


async def lock(connection: Connection, number: int, who: str) -> SavedView | None:
    """Return and hold one that somebody sees, None where there is none."""
    row = await connection.fetchrow(queries("saved_view")["lock"], number, who)
    return None if row is None else SavedView(**row)


async def named(connection: Connection, owner: str, name: str) -> SavedView | None:
    """Return and hold what somebody keeps under a name, None where there is none."""
    row = await connection.fetchrow(queries("saved_view")["named"], owner, name)
    return None if row is None else SavedView(**row)


async def save(connection: Connection, owner: str, name: str, parameters: str, *, shared: bool) -> bool:
    """Keep a list, in the place of what its owner has under that name; False where they have MOST others."""
    values = (owner, name, parameters, shared, MOST)
    return await connection.fetchval(queries("saved_view")["save"], *values) is not None


async def rename(connection: Connection, number: int, name: str) -> None:
    """Give it another name, which its owner has not yet."""
    await connection.execute(queries("saved_view")["rename"], number, name)


async def share(connection: Connection, number: int, *, shared: bool) -> None:
    """Show it to everybody, or to its owner only."""
    await connection.execute(queries("saved_view")["share"], number, shared)


async def remove(connection: Connection, number: int) -> None:
    """Keep it no longer."""
    await connection.execute(queries("saved_view")["remove"], number)


async def remove_own(connection: Connection, owner: str) -> Sequence[str]:
    """Keep no longer what only its owner sees; return the names. What everybody sees stays."""
    return sorted(row["name"] for row in await connection.fetch(queries("saved_view")["remove_own"], owner))
