"""Summaries for reports over all problems: `bridge.resolution`, a row for each problem, and `bridge.daily_flow`, the
sums of what these rows add to each day (`sql/migrations/0002_summary.sql`).

There are two ways to go on. `follow` takes the problems that changed since (bridge.change). `scan` takes all problems
one after the other, for a database without summaries and to find what no change row names. Each step is bounded, runs
in the caller's transaction and stores the position it reached there: a crash repeats a step or nothing. Reports wait
for neither: they compute what changed after the position from the facts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.stream_event import Position
from bridge.storage import change
from bridge.storage.database import Connection
from bridge.storage.queries import queries

_CHANGES = 20
"""Change rows that a step of `follow` takes at most."""
_SCANNED = 2000
"""Problems that a step of `scan` compares; few of them are computed again."""


@dataclass(frozen=True, slots=True)
class SummaryState:
    """How far the summaries have come. `scanned_at` is when the last complete scan ended, None while one runs.
    `from_other_server`: the position is none of this server, so `reset` comes first. `other_time_zone`: so does
    `take_time_zone`.
    """

    complete: bool
    from_other_server: bool
    position: Position
    scanned: tuple[int, str]
    scanned_at: datetime | None
    other_time_zone: bool


@dataclass(frozen=True, slots=True)
class SummaryStep:
    """What a step did: problems compared, problems computed again, and whether nothing is left to do now."""

    compared: int
    computed: int
    done: bool


async def lock(connection: Connection) -> SummaryState:
    """Lock the summaries against other writers until the end of the transaction; return how far they have come."""
    row = await connection.fetchrow(queries("summary")["lock"])
    assert row is not None  # noqa: S101 -- the migration made the row
    return SummaryState(
        complete=row["complete"],
        from_other_server=row["from_other_server"],
        position=Position(int(row["committed"]), row["change_id"]),
        scanned=(row["scanned_source_id"], row["scanned_id"]),
        scanned_at=row["scanned_at"],
        other_time_zone=row["other_time_zone"],
    )


async def usable(connection: Connection) -> bool:
    """May reports use the summaries?"""
    return bool(await connection.fetchval(queries("summary")["usable"]))


async def reset(connection: Connection) -> None:
    """Delete all summaries and follow the changes from now on."""
    await connection.execute(queries("summary")["reset"])


async def take_time_zone(connection: Connection) -> None:
    """Sum up the days again, in the time zone that reports have now."""
    await connection.execute(queries("summary")["delete_days"])
    await connection.execute(queries("summary")["take_time_zone"])


async def begin_scan(connection: Connection) -> None:
    """Start again at the first problem; usable summaries stay in use meanwhile."""
    await connection.execute(queries("summary")["begin_scan"])


async def follow(connection: Connection, state: SummaryState, *, problems: int) -> SummaryStep:
    """Compute the summaries of the problems that the next changes name: `problems`, and the rest of the last change."""
    changes = await change.after(connection, state.position, limit=_CHANGES)
    taken, named = 0, 0
    while taken < len(changes) and named < problems:
        named += len(changes[taken].problem_ids)
        taken += 1
    if taken == 0:
        return SummaryStep(0, 0, done=True)
    keys = sorted({(one.source_id, problem_id) for one in changes[:taken] for problem_id in one.problem_ids})
    await _compute(connection, keys)
    last = changes[taken - 1].position
    await connection.execute(queries("summary")["write_position"], str(last.committed), last.id)
    return SummaryStep(len(keys), len(keys), done=taken == len(changes) < _CHANGES)


async def scan(connection: Connection, state: SummaryState, *, at: datetime, limit: int = _SCANNED) -> SummaryStep:
    """Compare the next problems in the order of their keys, and compute the summaries that are missing or old."""
    source_id, problem_id = state.scanned
    row = await connection.fetchrow(queries("summary")["scan"], source_id, problem_id, limit)
    until = (32767, "") if row is None else (row["source_id"], row["id"])
    orphans = await connection.fetch(queries("summary")["orphans"], source_id, problem_id, *until)
    keys = [(orphan["source_id"], orphan["id"]) for orphan in orphans]
    if row is not None:
        keys += zip(row["source_ids"] or (), row["ids"] or (), strict=True)
    if keys:
        await _compute(connection, keys)
    if row is None:
        await connection.execute(queries("summary")["end_scan"], at)
        return SummaryStep(0, len(keys), done=True)
    await connection.execute(queries("summary")["write_scan_position"], *until)
    return SummaryStep(row["problems"], len(keys), done=False)


async def mark_maintained(connection: Connection, at: datetime) -> None:
    """Record that a leader maintains the summaries."""
    await connection.execute(queries("summary")["mark_maintained"], at)


async def _compute(connection: Connection, keys: Sequence[tuple[int, str]]) -> None:
    await connection.execute(queries("summary")["recompute"], [key[0] for key in keys], [key[1] for key in keys])
