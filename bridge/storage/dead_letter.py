"""Dead letters: what could not be understood or stored, kept with its bytes until somebody replays or discards it.

The same bytes arriving again are counted on the letter that waits, so that a sender that keeps retrying fills nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from bridge.storage.database import Connection
from bridge.storage.queries import queries

_DETAIL_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One thing that could not be understood. `via` is `push` or the kind of pass that met it; `raw` the bytes as
    received.
    """

    source_id: int
    received_at: datetime
    raw: bytes
    reason: str
    detail: str
    hint: str = ""
    problem_id: str | None = None
    event_hint: str | None = None
    via: str = "push"


async def keep(connection: Connection, letters: Sequence[DeadLetter], *, logged: bool = True) -> None:
    """Store letters; with `logged` pushed ones also stand in the log of notifications. Run inside a transaction."""
    by_key = {(letter.source_id, _digest(letter)): letter for letter in letters}
    times = Counter((letter.source_id, _digest(letter)) for letter in letters)
    rows = [
        (
            letter.source_id,
            letter.received_at,
            letter.via,
            clean(letter.event_hint),
            clean(letter.problem_id),
            letter.reason,
            clean(letter.detail),
            letter.hint,
            key[1],
            letter.raw,
            times[key],
        )
        for key, letter in by_key.items()
    ]
    if rows:
        await connection.execute(queries("dead_letter")["keep"], *map(list, zip(*rows, strict=True)))
    pushed = [(one.source_id, one.received_at, clean(one.problem_id)) for one in letters if one.via == "push"]
    if pushed and logged:
        await connection.execute(queries("dead_letter")["log"], *map(list, zip(*pushed, strict=True)))


async def count(connection: Connection) -> dict[int, int]:
    """Waiting letters by source id."""
    return {row["source_id"]: row["letters"] for row in await connection.fetch(queries("dead_letter")["count"])}


async def listed(connection: Connection, *, source: str | None, settled: bool, limit: int) -> list[dict[str, Any]]:
    """The newest letters first, without their bytes."""
    return [dict(row) for row in await connection.fetch(queries("dead_letter")["list"], source, settled, limit)]


async def show(connection: Connection, letter_id: int) -> dict[str, Any] | None:
    """One letter with its bytes."""
    row = await connection.fetchrow(queries("dead_letter")["show"], letter_id)
    return None if row is None else dict(row)


async def waiting(
    connection: Connection, source: str | None, *, reason: str | None = None, up_to: int | None = None
) -> list[int]:
    """Numbers of the letters that wait, oldest first; None: of any source, for any reason, without a newest one."""
    return [row["id"] for row in await connection.fetch(queries("dead_letter")["waiting"], source, reason, up_to)]


async def settle(connection: Connection, letter_id: int, state: str) -> bool:
    """Mark a waiting letter `replayed` or `discarded`; False when it was not waiting."""
    return await connection.fetchval(queries("dead_letter")["settle"], letter_id, state) is not None


def clean(text: str | None) -> str | None:
    """Text that Postgres can keep: no NUL, no lone surrogates, of bounded length."""
    if text is None:
        return None
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\0")[:_DETAIL_CHARACTERS]


def _digest(letter: DeadLetter) -> bytes:
    return blake2b(letter.raw, digest_size=16).digest()


async def reasons(connection: Connection, source: str | None) -> list[dict[str, Any]]:
    """Return reason, number, newest time and number, and hint of what waits; the most frequent first."""
    return [dict(row) for row in await connection.fetch(queries("dead_letter")["reasons"], source)]


async def page(
    connection: Connection, *, source: str | None, reason: str | None, settled: bool, before: int, limit: int
) -> list[dict[str, Any]]:
    """Return letters below the number `before`, the newest first, without their bytes; None: any."""
    rows = await connection.fetch(queries("dead_letter")["page"], source, reason, settled, before, limit)
    return [dict(row) for row in rows]
