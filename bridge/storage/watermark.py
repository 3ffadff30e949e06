"""How far polling and reconciling have come."""

from dataclasses import dataclass
from datetime import datetime

from bridge.storage.database import Connection
from bridge.storage.queries import queries


@dataclass(frozen=True, slots=True)
class Watermark:
    """The last complete pass of one kind. `changed_at` is the source's clock, the others ours."""

    changed_at: datetime | None
    filter_style: str | None
    started_at: datetime
    finished_at: datetime
    problems: int


async def find(connection: Connection, source_id: int, kind: str) -> Watermark | None:
    """Return the watermark of `poll` or `reconcile`."""
    row = await connection.fetchrow(queries("watermark")["find"], source_id, kind)
    return None if row is None else Watermark(**dict(row))


async def advance(connection: Connection, source_id: int, kind: str, mark: Watermark) -> None:
    """Keep a complete pass; an older one never takes the watermark back."""
    await connection.execute(
        queries("watermark")["advance"],
        source_id,
        kind,
        mark.changed_at,
        mark.filter_style,
        mark.started_at,
        mark.finished_at,
        mark.problems,
    )
