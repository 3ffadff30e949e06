"""Words and references that the console searches: `bridge.problem_search`, a row for each problem that is to have one
(`sql/migrations/0013_problem_search.sql`).

As with summaries there are two ways to go on: `follow` takes the problems that changed since (bridge.change), `scan`
all problems one after the other, where there are no words yet or others than wanted. Each step is bounded, runs in the
caller's transaction and stores the position it reached there: a crash repeats a step or nothing. Searches wait for
neither: what changed after the position they look at themselves. A problem whose text has not changed, only its status
say, costs a hash and no write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bridge.domain.stream_event import Position
from bridge.storage import change
from bridge.storage.database import Connection
from bridge.storage.queries import queries

Kept = Literal["off", "open", "all"]
"""Which problems have words."""

MOST_WORD_BYTES = 500_000
"""In one row; a tsvector ends at 1 MB. A problem with more is looked at itself in each search."""
_CHANGES = 20
_CLEARED = 2000


@dataclass(frozen=True, slots=True)
class SearchState:
    """How far the words have come. `complete`: all that are to have words have them, but for what changed since.
    `lost`: changes after `position` cannot be followed. `scanned_at` is when the last complete scan ended. `any_words`:
    some problem has words.
    """

    kept: Kept
    complete: bool
    lost: bool
    position: Position
    scanned: tuple[int, str]
    scanned_problems: int
    scanned_at: datetime | None
    any_words: bool

    @property
    def scans(self) -> bool:
        """Is a scan under way?"""
        return self.kept != "off" and self.scanned_at is None


@dataclass(frozen=True, slots=True)
class SearchStep:
    """What a step did: problems it looked at, and whether nothing is left to do now."""

    problems: int
    done: bool


async def lock(connection: Connection) -> SearchState:
    """Lock the words against other writers until the end of the transaction; return how far they have come."""
    await connection.execute(queries("problem_search")["lock"])
    return await read(connection)


async def read(connection: Connection) -> SearchState:
    """Return how far the words have come."""
    row = await connection.fetchrow(queries("problem_search")["state"])
    assert row is not None  # noqa: S101 -- the migration made the row
    return SearchState(
        kept=row["kept"],
        complete=row["complete"],
        lost=row["lost"],
        position=Position(int(row["committed"]), row["change_id"]),
        scanned=(row["scanned_source_id"], row["scanned_id"]),
        scanned_problems=row["scanned_problems"],
        scanned_at=row["scanned_at"],
        any_words=row["any_words"],
    )


async def take(connection: Connection, state: SearchState, wanted: Kept) -> bool:
    """Go over to other problems, or begin again where changes were lost; return whether there is anything new to do.

    From all to open ones the words stay in use, while a scan removes those of finished problems.
    """
    if wanted == state.kept and (wanted == "off" or not state.lost):
        return False
    usable = state.complete and not state.lost and (state.kept, wanted) == ("all", "open")
    await connection.execute(queries("problem_search")["begin_scan"], wanted, usable)
    return True


async def clear(connection: Connection) -> SearchStep:
    """Delete some words, once none are to be kept."""
    tag = await connection.execute(queries("problem_search")["clear"], _CLEARED)
    deleted = int(tag.rpartition(" ")[2])
    return SearchStep(deleted, done=deleted < _CLEARED)


async def follow(connection: Connection, state: SearchState, *, problems: int) -> SearchStep:
    """Compute the words of the problems that the next changes name: `problems`, and the rest of the last change."""
    changes = await change.after(connection, state.position, limit=_CHANGES)
    taken, named = 0, 0
    while taken < len(changes) and named < problems:
        named += len(changes[taken].problem_ids)
        taken += 1
    if taken == 0:
        return SearchStep(0, done=True)
    keys = sorted({(one.source_id, problem_id) for one in changes[:taken] for problem_id in one.problem_ids})
    await _write(connection, state, keys)
    last = changes[taken - 1].position
    await connection.execute(queries("problem_search")["write_position"], str(last.committed), last.id)
    return SearchStep(len(keys), done=taken == len(changes) < _CHANGES)


async def scan(connection: Connection, state: SearchState, *, at: datetime, problems: int) -> SearchStep:
    """Compute the words of the next problems in the order of their keys, and delete those of problems that are gone.
    The transaction waits for no disk: when the server crashes, words and position go together.
    """
    await connection.execute(queries("problem_search")["write_without_flush"])
    source_id, problem_id = state.scanned
    rows = await connection.fetch(queries("problem_search")["scan"], source_id, problem_id, problems)
    keys = [(row["source_id"], row["id"]) for row in rows]
    until = keys[-1] if keys else (32767, "")
    orphans = await connection.fetch(queries("problem_search")["orphans"], source_id, problem_id, *until)
    await _write(connection, state, [*keys, *((row["source_id"], row["id"]) for row in orphans)])
    if not keys:
        await connection.execute(queries("problem_search")["end_scan"], at)
        return SearchStep(0, done=True)
    await connection.execute(queries("problem_search")["write_scan_position"], *until, len(keys))
    return SearchStep(len(keys), done=False)


async def others_active(connection: Connection) -> bool:
    """Does another session of this database run a statement at this moment, as far as that can be seen?"""
    return bool(await connection.fetchval(queries("problem_search")["others_active"]))


async def _write(connection: Connection, state: SearchState, keys: Sequence[tuple[int, str]]) -> None:
    if keys:
        ids = ([key[0] for key in keys], [key[1] for key in keys])
        await connection.execute(queries("problem_search")["write"], *ids, state.kept, MOST_WORD_BYTES)
