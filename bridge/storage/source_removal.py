"""Removing a source and every row of it, a batch a transaction: a crash leaves some, and the next call goes on.

Nothing may write to the source meanwhile. The row of the source itself goes last, so that what is left can be found.
"""

from dataclasses import dataclass

from bridge.storage.database import Connection, Database
from bridge.storage.queries import queries

_BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class SourceContents:
    """How much there is of a source."""

    problems: int
    dead_letters: int


async def contents(connection: Connection, source_id: int) -> SourceContents:
    """Count what would go."""
    row = await connection.fetchrow(queries("source_removal")["counts"], source_id)
    return SourceContents(0, 0) if row is None else SourceContents(row["problems"], row["dead_letters"])


async def remove(database: Database, source_id: int) -> int:
    """Delete every row of the source, then the source; return how many rows went."""
    async with database.connection() as connection:
        found = await connection.fetch(queries("source_removal")["statements"])
    removed = 0
    for statement in (str(row["statement"]) for row in found):
        while True:
            async with database.transaction() as connection:
                tag = await connection.execute(statement, source_id, _BATCH_ROWS)
            deleted = int(tag.rpartition(" ")[2])
            removed += deleted
            if deleted < _BATCH_ROWS:
                break
    async with database.transaction() as connection:
        await connection.execute(queries("source_removal")["source"], source_id)
    return removed
