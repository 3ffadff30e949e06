"""How far polling and reconciling have come, and which problems a complete pass did not return."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from bridge.storage.database import Connection
from bridge.storage.queries import queries

Unseen: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
"""Those of some ids that a pass did not return."""


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
    """Keep a complete pass; an older one never takes the mark back."""
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


async def mark_missed(connection: Connection, source_id: int, *, started_at: datetime, unseen: Unseen) -> list[str]:
    """Close a complete pass that began at `started_at`: return the ids it missed as the complete pass before did.

    Problems missed for the first time are marked; problems seen are not missed any more. All ids are gone through, some
    thousands at a time.
    """
    await connection.execute(queries("service_problem")["by_key"])
    async for ids in _portions(connection, "missed", source_id):
        seen = set(ids).difference(unseen(ids))
        if seen:
            await connection.execute(queries("service_problem")["clear_missed"], source_id, sorted(seen))
    gone: list[str] = []
    async for ids in _portions(connection, "not_seen_since", source_id, started_at):
        missing = unseen(ids)
        if missing:
            rows = await connection.fetch(queries("service_problem")["mark_missed"], source_id, started_at, missing)
            gone += [row["id"] for row in rows]
    return gone


async def _portions(connection: Connection, query: str, *parameters: object) -> AsyncIterator[list[str]]:
    """Ids in their order; each portion is asked for by the last id of the one before. As arrays they take us less than
    half of what rows of a cursor do, which a pooler of connections would not know to close.
    """
    last = ""
    while ids := await connection.fetchval(queries("service_problem")[query], *parameters, last):
        yield ids
        last = ids[-1]
