"""What operators ask of the bridge: `bridge.request`. The console writes a row, the process that leads takes it.

There is one open request of a kind for each source and subject, so a double click asks once. A request is taken again
when the process that worked on it has ended: nothing marks a row as belonging to a process, because only one leads.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import orjson
from asyncpg import Record
from msgspec import Struct

from bridge.storage.database import Connection
from bridge.storage.dead_letter import clean
from bridge.storage.queries import queries

RequestKind = Literal[
    "poll",
    "reconcile",
    "register",
    "rotate_secret",
    "replay",
    "discard",
    "retry_link",
    "retry_writes",
    "separate_link",
    "join_tickets",
    "resolve_conflict",
    "pause_rule",
    "resume_rule",
    "release_rule",
    "give_up_write",
]
RequestOutcome = Literal["done", "incomplete", "failed"]
KEPT_DAYS: Final = 90
"""Days that ended requests are kept."""


class OperatorRequest(Struct, frozen=True):
    """A request that was taken. `source` None: dead letters of every source, or links; `attempts`: 1 the first time."""

    id: int
    kind: RequestKind
    asked_by: str
    source: str | None
    source_id: int | None
    attempts: int
    arguments: dict[str, Any]
    subject: str = ""


class RequestState(Struct, frozen=True):
    """A request as the console shows it. `state`: asked, no_leader, running, or how it ended."""

    id: int
    source: str | None
    kind: RequestKind
    asked_by: str
    asked_at: datetime
    taken_at: datetime | None
    ended_at: datetime | None
    progress_done: int | None
    progress_total: int | None
    attempts: int
    outcome: RequestOutcome | None
    detail: str | None
    arguments: dict[str, Any]
    state: str
    subject: str = ""


async def ask(
    connection: Connection,
    source_id: int | None,
    kind: RequestKind,
    asked_by: str,
    arguments: dict[str, Any],
    *,
    subject: str = "",
) -> tuple[int, bool]:
    """Return the number of the open request of this kind about this, and whether it is new."""
    while True:
        given = orjson.dumps(arguments)
        number = await connection.fetchval(queries("request")["ask"], source_id, kind, subject, asked_by, given)
        if number is not None:
            return int(number), True
        number = await connection.fetchval(queries("request")["open"], source_id, kind, subject)
        if number is not None:  # else it ended between the two statements
            return int(number), False


async def take(connection: Connection, under_way: list[int]) -> list[OperatorRequest]:
    """Begin with every open request but those under way. Run inside a transaction that holds the lease."""
    rows = await connection.fetch(queries("request")["take"], under_way)
    return [
        OperatorRequest(**dict(row) | {"arguments": orjson.loads(row["arguments"])})
        for row in sorted(rows, key=lambda row: int(row["id"]))
    ]


async def write_progress(connection: Connection, number: int, done: int, total: int | None) -> None:
    """Keep how far a request has come."""
    await connection.execute(queries("request")["write_progress"], number, done, total)


async def lock_open(connection: Connection, number: int) -> bool:
    """Lock a request until the end of the transaction; False when it has ended."""
    return await connection.fetchval(queries("request")["lock_open"], number) is not None


async def end(connection: Connection, number: int, outcome: RequestOutcome, detail: str) -> bool:
    """End an open request; False when it has ended already."""
    return await connection.fetchval(queries("request")["end"], number, outcome, clean(detail)) is not None


async def latest(connection: Connection, source: str | None = None) -> list[RequestState]:
    """Return the latest request of each kind, of one source or of all; without those about links."""
    return [_state(row) for row in await connection.fetch(queries("request")["latest"], source)]


async def recent(
    connection: Connection, kinds: Sequence[RequestKind], *, hours: int, limit: int, subjects: Sequence[str] = ()
) -> list[RequestState]:
    """Return the newest requests of these kinds that are open, or ended within so many hours; with `subjects`
    only those about these, or a part of them.
    """
    rows = await connection.fetch(queries("request")["recent"], list(kinds), hours, limit, list(subjects) or None)
    return [_state(row) for row in rows]


def _state(row: Record) -> RequestState:
    return RequestState(**dict(row) | {"arguments": orjson.loads(row["arguments"])})


async def prune(connection: Connection) -> None:
    """Delete requests that ended long ago."""
    await connection.execute(queries("request")["prune"], KEPT_DAYS)


async def source_id(connection: Connection, name: str) -> int | None:
    """Return the key of a source, if the tables know it."""
    found = await connection.fetchval(queries("request")["source_id"], name)
    return None if found is None else int(found)


async def arguments_of(connection: Connection, number: int) -> dict[str, Any]:
    """Return the arguments of a request."""
    found: dict[str, Any] = orjson.loads(await connection.fetchval(queries("request")["arguments"], number))
    return found
