"""Problems waiting to be fetched by id. `bridge.storage.observation` adds and settles them in its own transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.storage.database import Connection
from bridge.storage.queries import queries


@dataclass(frozen=True, slots=True)
class RefetchRequest:
    """One problem to be fetched, and why."""

    problem_id: str
    reason: str
    requested_at: datetime
    attempts: int


async def request(connection: Connection, rows: Sequence[tuple[int, str, str, datetime]]) -> None:
    """Ask for (source id, problem id, reason, now) to be fetched at once."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(queries("refetch")["request"], *columns, [0.0] * len(rows))


async def due(connection: Connection, source_id: int, now: datetime, limit: int) -> list[RefetchRequest]:
    """Return what may be fetched now, oldest first."""
    return [
        RefetchRequest(**dict(row)) for row in await connection.fetch(queries("refetch")["due"], source_id, now, limit)
    ]


async def next_due(connection: Connection, source_id: int) -> tuple[datetime | None, int]:
    """When the next one may be fetched, and how many wait."""
    row = await connection.fetchrow(queries("refetch")["next_due"], source_id)
    return (None, 0) if row is None else (row["due_at"], row["waiting"])


async def postpone(
    connection: Connection, source_id: int, asked: RefetchRequest, due_at: datetime, *, counted: bool = True
) -> None:
    """It failed; try again at `due_at`. Not `counted`: the problem was not the cause. A newer request stays."""
    await connection.execute(
        queries("refetch")["postpone"], source_id, asked.problem_id, due_at, int(counted), asked.requested_at
    )


async def drop(connection: Connection, source_id: int, asked: RefetchRequest) -> None:
    """Fetching it again would tell nothing more; a newer request stays."""
    await connection.execute(queries("refetch")["drop"], source_id, asked.problem_id, asked.requested_at)
