"""Deletions that wait because a source is read from another address than before (`bridge.source.moved_at`).

Another address may be another server, whose list lacks everything that the former one had. `bridge.storage.source`
writes the move with the address. Complete passes that list nearly all known problems show that it is the same server by
another name; they are counted in the transaction that ends the pass, so a crash neither loses nor doubles one.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct

from bridge.storage.database import Connection
from bridge.storage.queries import queries

PASSES: Final = 2
"""Complete passes in a row after which deletions no longer wait."""
MISSING: Final = 0.1
"""Share of the known problems that such a pass may lack."""


class SourceMove(Struct, frozen=True):
    """Since when deletions wait, and how many passes in a row have shown the known problems since."""

    moved_at: datetime
    passes: int

    def reason(self, name: str) -> str:
        """Say why they wait, and what ends that."""
        return (
            f"it has been read from another address since {self.moved_at:%Y-%m-%d %H:%M} UTC; deletions wait until "
            f"{PASSES} complete passes have listed {1 - MISSING:.0%} of the known problems ({self.passes} so far); if "
            f"they are gone: tmf656-bridge sync {name} --accept-deletions"
        )


async def find(connection: Connection, source_id: int) -> SourceMove | None:
    """Return why deletions of a source wait; None: they do not."""
    row = await connection.fetchrow(queries("source_move")["find"], source_id)
    return None if row is None else SourceMove(row["moved_at"], row["passes_since_move"])


async def every(connection: Connection) -> dict[int, SourceMove]:
    """Return the sources whose deletions wait."""
    rows = await connection.fetch(queries("source_move")["all"])
    return {row["id"]: SourceMove(row["moved_at"], row["passes_since_move"]) for row in rows}


async def note_pass(connection: Connection, source_id: int, *, missing: int, known: int) -> bool:
    """Count a complete pass; True when deletions no longer wait after it. Part of the transaction that
    ends the pass.
    """
    is_alike = missing <= MISSING * known
    return bool(await connection.fetchval(queries("source_move")["note_pass"], source_id, is_alike, PASSES))


async def release(connection: Connection, source_id: int) -> None:
    """Let deletions wait no longer, on the word of an operator."""
    await connection.execute(queries("source_move")["release"], source_id)
