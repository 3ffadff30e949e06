"""How far polling and reconciling have come, and which problems the reconcile pass under way has seen."""

from collections.abc import Sequence
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


async def begin_pass(connection: Connection, source_id: int) -> None:
    """Forget what an earlier pass had seen."""
    await connection.execute(queries("watermark")["begin_pass"], source_id)


async def see(connection: Connection, source_id: int, problem_ids: Sequence[str]) -> None:
    """The pass under way has seen these."""
    await connection.execute(queries("watermark")["see"], source_id, list(problem_ids))


async def sightings(connection: Connection, source_id: int) -> int:
    """How many different problems the pass under way has seen."""
    return int(await connection.fetchval(queries("watermark")["sightings"], source_id))


async def mark_missed(connection: Connection, source_id: int, *, started_at: datetime) -> list[str]:
    """Close a complete pass that began at `started_at`: return the ids it missed as the complete pass before did.

    Problems missed for the first time are marked; problems seen are not missed any more.
    """
    await connection.execute(queries("service_problem")["clear_missed"], source_id)
    rows = await connection.fetch(queries("service_problem")["mark_missed"], source_id, started_at)
    return [row["id"] for row in rows]
