"""Which problems changed, in an order that can be followed: `bridge.change`, and `LISTEN service_problem_changed`.

Each transaction that changes problems adds one row a source, and notifies listeners in the same statement: Postgres
delivers that at the commit and never without it, so a crash leaves both or neither.

A follower keeps a `Position` and reads `after` it. Only rows of transactions older than every one still under way are
read, because transactions commit in another order than they begin: nothing is ever added below. So a writing
transaction that stays open, in any database of that server, holds followers back (`held_back`). A row says that a
problem may have changed: the follower reads what it needs, and may see a change twice.

A transaction that notifies takes a lock of the whole server while it commits, so two cannot share a flush to disk;
that is why notifications are committed in groups. A listener that keeps a transaction open keeps the queue from being
emptied; when it is half full (4 GB) nothing is added to it any more, so that it never fails a commit.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio

from bridge.domain.stream_event import Position
from bridge.storage.database import Connection
from bridge.storage.queries import queries

CHANNEL = "service_problem_changed"
LINK_CHANNEL = "link_changed"
"""Links, conflicts, blocked writes and the states of rules, for pages only: nothing follows it."""


@dataclass(frozen=True, slots=True)
class ProblemChange:
    """A transaction changed these problems of a source."""

    position: Position
    changed_at: datetime
    source_id: int
    problem_ids: list[str]


async def horizon(connection: Connection) -> Position:
    """Return the position from which to follow everything that is not yet to be seen, and perhaps a little that is."""
    return Position(int(await connection.fetchval(queries("change")["horizon"])), 0)


async def after(connection: Connection, position: Position, *, limit: int = 1000) -> list[ProblemChange]:
    """Return the next changes; none is missed by going on from the last one's position. Those of a day are kept."""
    rows = await connection.fetch(queries("change")["after"], str(position.committed), position.id, limit)
    return [
        ProblemChange(
            Position(int(row["committed"]), row["id"]), row["changed_at"], row["source_id"], row["problem_ids"]
        )
        for row in rows
    ]


async def held_back(connection: Connection) -> tuple[float, str | None]:
    """Return for how many seconds changes have been held back by a transaction under way, and by which, where that can
    be seen (another role's only by members of pg_monitor).
    """
    seconds = float(await connection.fetchval(queries("change")["held_back"]))
    if seconds == 0:
        return 0.0, None
    return seconds, await connection.fetchval(queries("change")["oldest_transaction"])


async def complete(connection: Connection, position: Position) -> bool:
    """Is everything after this position still there? Not when it is from more than a day ago, or of another server
    (the database was restored from a dump).
    """
    kept: bool = await connection.fetchval(queries("change")["complete"], str(position.committed), position.id)
    return kept


async def current(connection: Connection, problems: Sequence[tuple[int, str]]) -> dict[tuple[int, str], dict[str, Any]]:
    """Return, by key, the current rows of these problems, as far as there are any; `body` is JSON in bytes."""
    rows = await connection.fetch(
        queries("change")["current"], [one[0] for one in problems], [one[1] for one in problems]
    )
    return {(row["source_id"], row["id"]): dict(row) for row in rows}


@asynccontextmanager
async def listening(
    connection: Connection, on_change: Callable[[], None], channel: str = CHANNEL
) -> AsyncIterator[None]:
    """Call `on_change` whenever something was committed, while the block runs; a hint that may be lost when the
    connection is, or behind a pooler.
    """

    def on_notify(*_: object) -> None:
        on_change()

    await connection.add_listener(channel, on_notify)
    try:
        yield
    finally:
        with anyio.move_on_after(1, shield=True):
            await connection.remove_listener(channel, on_notify)
