"""Summaries of lives, kept beside the facts so that reports over everything are quick: `bridge.resolution`, a row a
problem, and `bridge.flow`, the sums of what these add to each day. `sql/migrations/0007_summaries.sql` says how and
why.

Two ways of going further: `follow` takes what changed since (bridge.change), `walk` takes problem after problem, for a
database from before and to find what nothing told of. Each does a bounded step inside the caller's transaction, with
the position reached in it, so a crash repeats a step or does not, and loses none. Reports do not wait for either: what
changed after the position they compute from the facts themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.stream_event import Position
from bridge.storage import change
from bridge.storage.database import Connection
from bridge.storage.queries import queries

_CHANGES = 20
"""Followed in a step, at most."""
_WALKED = 2000
"""Looked at in a step of a walk; few of them are summarised anew."""


@dataclass(frozen=True, slots=True)
class SummaryState:
    """How far the summaries have come. `walked_at` is when the last whole walk ended, None while one is under way.
    `strange`: there is nothing to go on from, see `forget`.
    """

    complete: bool
    strange: bool
    position: Position
    walked: tuple[int, str]
    walked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SummaryStep:
    """What a step did: problems looked at, problems summarised anew, and whether nothing is left to do at once."""

    seen: int
    renewed: int
    done: bool


async def hold(connection: Connection) -> SummaryState:
    """Lock the summaries against other writers until the end of the transaction; return how far they have come."""
    row = await connection.fetchrow(queries("summary")["hold"])
    assert row is not None  # noqa: S101 -- the migration made the row
    return SummaryState(
        complete=row["complete"],
        strange=row["strange"],
        position=Position(int(row["committed"]), row["change_id"]),
        walked=(row["walked_source_id"], row["walked_id"]),
        walked_at=row["walked_at"],
    )


async def reliable(connection: Connection) -> bool:
    """May reports use the summaries?"""
    return bool(await connection.fetchval(queries("summary")["reliable"]))


async def forget(connection: Connection) -> None:
    """Drop all summaries, and follow what changes from now on."""
    await connection.execute(queries("summary")["forget"])


async def begin_walk(connection: Connection) -> None:
    """Start over from the first problem; summaries that can be relied on stay in use meanwhile."""
    await connection.execute(queries("summary")["begin_walk"])


async def follow(connection: Connection, state: SummaryState, *, problems: int) -> SummaryStep:
    """Summarise anew what the next changes name: so many problems, and the rest of the last change."""
    changes = await change.after(connection, state.position, limit=_CHANGES)
    taken, named = 0, 0
    while taken < len(changes) and named < problems:
        named += len(changes[taken].problem_ids)
        taken += 1
    if taken == 0:
        return SummaryStep(0, 0, done=True)
    keys = sorted({(one.source_id, problem_id) for one in changes[:taken] for problem_id in one.problem_ids})
    await _renew(connection, keys)
    last = changes[taken - 1].position
    await connection.execute(queries("summary")["reach"], str(last.committed), last.id)
    return SummaryStep(len(keys), len(keys), done=taken == len(changes) < _CHANGES)


async def walk(connection: Connection, state: SummaryState, *, at: datetime, limit: int = _WALKED) -> SummaryStep:
    """Look at the next problems in the order of their keys, and summarise those whose summary is missing or old."""
    source_id, problem_id = state.walked
    row = await connection.fetchrow(queries("summary")["amiss"], source_id, problem_id, limit)
    until = (32767, "") if row is None else (row["source_id"], row["id"])
    orphans = await connection.fetch(queries("summary")["orphans"], source_id, problem_id, *until)
    keys = [(orphan["source_id"], orphan["id"]) for orphan in orphans]
    if row is not None:
        keys += zip(row["source_ids"] or (), row["ids"] or (), strict=True)
    if keys:
        await _renew(connection, keys)
    if row is None:
        await connection.execute(queries("summary")["end_walk"], at)
        return SummaryStep(0, len(keys), done=True)
    await connection.execute(queries("summary")["walk_to"], *until)
    return SummaryStep(row["problems"], len(keys), done=False)


async def mark_maintained(connection: Connection, at: datetime) -> None:
    """Say that somebody looks after the summaries."""
    await connection.execute(queries("summary")["tend"], at)


async def _renew(connection: Connection, keys: Sequence[tuple[int, str]]) -> None:
    await connection.execute(queries("summary")["renew"], [key[0] for key in keys], [key[1] for key in keys])
