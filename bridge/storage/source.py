"""Sources: their short keys, callback secrets, and what they are doing, as other processes read it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from bridge.storage.database import Connection
from bridge.storage.queries import queries

_SECRET_BYTES = 24
"""192 bits, 32 URL-safe characters."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as the tables know it.

    `secrets` are accepted in the callback path: the one in force, and the one before. `retired`: digests of older ones.
    """

    id: int
    version: str | None
    secrets: tuple[str, ...]
    retired: frozenset[bytes]


async def ensure(connection: Connection, name: str, url: str, configured_secret: str = "") -> SourceRow:
    """Return the source of that name, made when new. Run inside a transaction.

    The secret in force is the configured one, else one that is made once and stays. When it is another than the last
    time, the old one is accepted besides, so that nothing is refused while the server still posts to it; the one before
    that is retired.
    """
    row = await connection.fetchrow(queries("source")["ensure"], name, url, secrets.token_urlsafe(_SECRET_BYTES))
    if row is None:
        raise LookupError(name)
    current = configured_secret or row["callback_secret"]
    previous, retired = row["previous_secret"], set(row["retired_secrets"])
    if row["current_secret"] != current:
        retired |= {digest(previous)} if previous else set()
        previous = row["current_secret"]
        retired -= {digest(current)} | ({digest(previous)} if previous else set())
        await connection.execute(queries("source")["write_secrets"], row["id"], current, previous, sorted(retired))
    return SourceRow(row["id"], row["version"], (current, previous) if previous else (current,), frozenset(retired))


async def rotate_secret(connection: Connection, name: str) -> bool:
    """Put another secret of our own making in force, as `ensure` does with a configured one; False when the tables do
    not know that source. Run inside a transaction.
    """
    url = await connection.fetchval(
        queries("source")["write_callback_secret"], name, secrets.token_urlsafe(_SECRET_BYTES)
    )
    if url is None:
        return False
    await ensure(connection, name, url)
    return True


async def accepted(connection: Connection) -> dict[int, tuple[tuple[str, ...], frozenset[bytes]]]:
    """Key of a source → the secrets accepted for it, the one in force first, and the digests of retired ones."""
    return {
        row["id"]: (
            tuple(filter(None, (row["current_secret"], row["previous_secret"]))),
            frozenset(row["retired_secrets"]),
        )
        for row in await connection.fetch(queries("source")["accepted"])
    }


async def find(connection: Connection, name: str) -> int | None:
    """Return the key of the source of that name, if the tables know it."""
    found = await connection.fetchval(queries("source")["find"], name)
    return None if found is None else int(found)


def digest(secret: str) -> bytes:
    """What is kept of a retired secret."""
    return blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=16).digest()


async def write_state(
    connection: Connection,
    source_id: int,
    *,
    mode: str | None = None,
    last_push_at: datetime | None = None,
    reason: str | None = None,
) -> datetime | None:
    """Keep what the source is doing, and with a mode the `reason` for it; None for mode or time leaves what stands
    there. Return when any process last received something from it.
    """
    at: datetime | None = await connection.fetchval(
        queries("source")["write_state"], source_id, mode, last_push_at, reason
    )
    return at


async def request_poll(connection: Connection, source_id: int) -> None:
    """Wish for a poll, for the process that polls to grant."""
    await connection.execute(queries("source")["request_poll"], source_id)


async def take_poll_request(connection: Connection, source_id: int) -> bool:
    """Did any process wish for a poll? It has to be made then: the wish is forgotten."""
    return await connection.fetchval(queries("source")["take_poll_request"], source_id) is not None


async def write_version(connection: Connection, source_id: int, version: str | None) -> None:
    """Keep the version that the source's problems look like; None keeps what is known."""
    if version is not None:
        await connection.execute(queries("source")["write_version"], source_id, version)


async def write_error(
    connection: Connection, source_id: int, error: str | None, failing_jobs: dict[str, dict[str, Any]]
) -> None:
    """Keep what last went wrong, or None when it works again, and the jobs that fail: name → `failures` in a row,
    `failed_at`, `error`.
    """
    jobs = orjson.dumps(failing_jobs, option=orjson.OPT_SORT_KEYS)
    await connection.execute(queries("source")["write_error"], source_id, error, jobs)


async def mode(connection: Connection, source_id: int) -> str:
    """Return the mode as the process that leads wrote it."""
    return str(await connection.fetchval(queries("source")["mode"], source_id))


async def pushed_since(connection: Connection, source_id: int, at: datetime) -> bool:
    """Has a notification, to whichever process, changed something since?"""
    return bool(await connection.fetchval(queries("source")["pushed_since"], source_id, at))


async def status(connection: Connection) -> list[dict[str, Any]]:
    """One dictionary a source, keys as in the query."""
    rows = await connection.fetch(queries("source")["status"])
    return [dict(row) | {"failing_jobs": orjson.loads(row["failing_jobs"])} for row in rows]
