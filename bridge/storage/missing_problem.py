"""Problems that complete passes did not return, until GET by id has said what became of them.

One complete pass marks a problem as missed; the second one in a row adds it here, in the transaction that ends the
pass. So a crash loses none: the next check goes on with those that are due. One that GET by id still gives stays here
while the list hides it, and is asked for at long intervals. It leaves when a list shows it again, or when it is
recorded as deleted. Anything that is received about a problem removes the mark: then two more passes have to miss it.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from bridge.domain.list_choice import ListChoice
from bridge.storage.database import Connection
from bridge.storage.queries import queries
from bridge.storage.row_builder import columns

Unseen: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
"""Those of some ids that a pass did not return."""

_PORTION = 10_000


class LastAnswer(StrEnum):
    """What GET by id last answered for a missing problem that is not known to be deleted."""

    GIVEN = "given"
    """The problem: only the list hides it."""
    REFUSED = "refused"
    """Something that says nothing about the problem."""
    FAILED = "failed"
    """Nothing usable: the source was away."""


@dataclass(frozen=True, slots=True)
class MissingProblem:
    """A problem to be asked for by id. `attempts`: how often that was done, with `answer` last."""

    problem_id: str
    attempts: int
    answer: LastAnswer | None


@dataclass(frozen=True, slots=True)
class Missed:
    """What a complete pass did not return of what is known: problems `once`, and those (`twice`) that the complete pass
    before did not return either.
    """

    once: list[str]
    twice: list[str]

    def __len__(self) -> int:
        return len(self.once) + len(self.twice)


async def mark(
    connection: Connection, source_id: int, *, started_at: datetime, unseen: Unseen, choice: ListChoice | None = None
) -> Missed:
    """End a complete pass that began at `started_at`: mark what it missed, and take the mark from what it returned.
    All ids are gone through, some thousands at a time. `choice`: all that the server was asked for; the pass says
    nothing about other problems.
    """
    statuses = list(choice.statuses) or None if choice else None
    categories = list(choice.categories) or None if choice else None
    await connection.execute(queries("service_problem")["by_key"])
    async for ids in _portions(connection, "missed", source_id):
        seen = set(ids).difference(unseen(ids))
        if seen:
            await connection.execute(queries("service_problem")["clear_missed"], source_id, sorted(seen))
    missed = Missed([], [])
    async for ids in _portions(connection, "not_seen_since", source_id, started_at, statuses, categories):
        missing = unseen(ids)
        if missing:
            rows = await connection.fetch(queries("service_problem")["mark_missed"], source_id, started_at, missing)
            missed.once.extend(row["id"] for row in rows if not row["twice"])
            missed.twice.extend(row["id"] for row in rows if row["twice"])
    return missed


async def all_missed(connection: Connection, source_id: int) -> list[str]:
    """Return the living problems that the last complete pass did not return."""
    return [row["id"] for row in await connection.fetch(queries("service_problem")["all_missing"], source_id)]


async def some_listed(connection: Connection, source_id: int, limit: int) -> list[str]:
    """Return a few living problems that the last complete pass returned."""
    return [row["id"] for row in await connection.fetch(queries("service_problem")["some_listed"], source_id, limit)]


async def count_living(connection: Connection, source_id: int) -> int:
    """Return how many problems the source has, as far as is known."""
    return int(await connection.fetchval(queries("service_problem")["count_living"], source_id))


async def _portions(connection: Connection, query: str, *parameters: object) -> AsyncIterator[list[str]]:
    """Yield ids in their order; each portion is asked for by the last id of the one before. Arrays cost less than half
    of what rows of a cursor do, and a pooler of connections would not know to close a cursor.
    """
    last = ""
    while ids := await connection.fetchval(queries("service_problem")[query], *parameters, last):
        yield ids
        last = ids[-1]


async def add(connection: Connection, source_id: int, problem_ids: Sequence[str], at: datetime) -> None:
    """Have these asked for by id, at once; part of the transaction that ends the pass. Those that are here already keep
    their time, unless the source was away when it was last asked.
    """
    if problem_ids:
        await connection.execute(queries("missing_problem")["add"], source_id, problem_ids, at)


async def remove_seen(connection: Connection, source_id: int, unseen: Unseen) -> None:
    """Remove those that a complete pass did return; part of the transaction that ends it."""
    last = ""
    while ids := await connection.fetchval(queries("missing_problem")["ids"], source_id, last, _PORTION):
        seen = set(ids).difference(unseen(ids))
        await remove(connection, source_id, sorted(seen))
        last = ids[-1]


async def remove(connection: Connection, source_id: int, problem_ids: Sequence[str]) -> None:
    """Remove these: shown by the list again, or recorded as deleted."""
    if problem_ids:
        await connection.execute(queries("missing_problem")["remove"], source_id, problem_ids)


async def due(connection: Connection, source_id: int, now: datetime, limit: int) -> list[MissingProblem]:
    """Return those that may be asked for now and about which nothing was received since the passes missed them."""
    rows = await connection.fetch(queries("missing_problem")["due"], source_id, now, limit)
    return [
        MissingProblem(row["problem_id"], row["attempts"], LastAnswer(row["answer"]) if row["answer"] else None)
        for row in rows
    ]


async def write_answers(
    connection: Connection, source_id: int, answers: Sequence[tuple[str, LastAnswer, datetime]], at: datetime
) -> None:
    """Keep (problem id, answer, when to ask again) of those asked `at`."""
    if answers:
        await connection.execute(queries("missing_problem")["write_answers"], source_id, at, *columns(answers))


async def next_due_at(connection: Connection, source_id: int) -> datetime | None:
    """Return when the next one may be asked for."""
    at: datetime | None = await connection.fetchval(queries("missing_problem")["next_due_at"], source_id)
    return at


async def undecided(connection: Connection, source_id: int) -> int:
    """Count those of which it is not known whether they are deleted."""
    return int(await connection.fetchval(queries("missing_problem")["undecided"], source_id))


async def hidden(connection: Connection, source_id: int) -> int:
    """Count those that only the list hides."""
    return int(await connection.fetchval(queries("missing_problem")["hidden"], source_id))
