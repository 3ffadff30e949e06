"""Sources: their short keys, callback secrets, and what they are doing, as other processes read it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.storage.database import Connection
from bridge.storage.queries import queries

_SECRET_BYTES = 24
"""192 bits, 32 URL-safe characters."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source as the tables know it."""

    id: int
    callback_secret: str
    version: str | None


async def ensure(connection: Connection, name: str, url: str) -> Source:
    """Return the source of that name, made when new; its secret is made once and stays."""
    row = await connection.fetchrow(queries("source")["ensure"], name, url, secrets.token_urlsafe(_SECRET_BYTES))
    if row is None:
        raise LookupError(name)
    return Source(row["id"], row["callback_secret"], row["version"])


async def find(connection: Connection, name: str) -> Source | None:
    """Return the source of that name, if the tables know it."""
    row = await connection.fetchrow(queries("source")["find"], name)
    return None if row is None else Source(row["id"], row["callback_secret"], row["version"])


async def note(
    connection: Connection, source_id: int, *, mode: str | None = None, last_push_at: datetime | None = None
) -> None:
    """Keep what the source is doing; None leaves what stands there."""
    await connection.execute(queries("source")["note"], source_id, mode, last_push_at)


async def recognise(connection: Connection, source_id: int, version: str | None) -> None:
    """Keep the version that the source's problems look like; None keeps what is known."""
    if version is not None:
        await connection.execute(queries("source")["recognise"], source_id, version)


async def fail(connection: Connection, source_id: int, error: str | None) -> None:
    """Keep what last went wrong, or None when it works again."""
    await connection.execute(queries("source")["fail"], source_id, error)


async def status(connection: Connection) -> list[dict[str, Any]]:
    """One dictionary a source, keys as in the query."""
    return [dict(row) for row in await connection.fetch(queries("source")["status"])]
