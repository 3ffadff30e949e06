"""How each source is, as the console shows it; no secret is among it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from msgspec import Struct

from bridge.storage import lease, source_move
from bridge.storage.database import Connection
from bridge.storage.errors import sqlstate_of
from bridge.storage.queries import queries
from bridge.storage.source_move import SourceMove

_SEARCH_MILLISECONDS = "700"
_CANCELLED = "57014"


class HourOfChanges(Struct, frozen=True):
    """How many changes of a source were found in an hour, and which way."""

    source: str
    hour: datetime
    by_push: int
    by_poll: int
    by_reconcile: int


class SourceGlance(Struct, frozen=True):
    """What there is to be said of a source at a glance. `failures`: how often in a row its jobs failed."""

    name: str
    mode: str
    failures: Mapping[str, int]
    incomplete: bool
    held_back: int


class Waiting(Struct, frozen=True):
    """How much waits for a person. `led`: a bridge leads on this database."""

    led: bool
    dead_letters: int
    conflicts: int
    blocked: int


async def glance(connection: Connection) -> list[SourceGlance]:
    """Return what there is to be said of each source at a glance; by name."""
    rows = await connection.fetch(queries("console_source")["glance"])
    return [
        SourceGlance(
            row["name"],
            row["mode"],
            {job: failed["failures"] for job, failed in orjson.loads(row["failing_jobs"]).items()},
            row["incomplete"],
            row["held_back"],
        )
        for row in rows
    ]


async def waiting(connection: Connection) -> Waiting:
    """Count what waits for a person."""
    leader = await lease.find_holder(connection, lease.LEADER)
    [row] = await connection.fetch(queries("console_source")["waiting"])
    return Waiting(leader is not None and leader.held, row["dead_letters"], row["conflicts"], row["blocked"])


async def every(connection: Connection) -> list[dict[str, Any]]:
    """Return one dictionary a source, keys as in the query; by name."""
    rows = await connection.fetch(queries("console_source")["all"])
    moves = await source_move.every(connection)
    return [_with_move(dict(row), moves) | {"failing_jobs": orjson.loads(row["failing_jobs"])} for row in rows]


def _with_move(row: dict[str, Any], moves: Mapping[int, SourceMove]) -> dict[str, Any]:
    move = moves.get(row["id"])
    return row | {
        "moved_at": None if move is None else move.moved_at,
        "passes_since_move": 0 if move is None else move.passes,
    }


async def hours(connection: Connection) -> list[HourOfChanges] | None:
    """Return the hours of a day in which something was found; None when there is too much to be counted in a moment.
    Run inside a transaction, and as its last statement: it may be cancelled.
    """
    await connection.execute(queries("problem_timeline")["limit_time"], _SEARCH_MILLISECONDS)
    try:
        rows = await connection.fetch(queries("console_source")["hours"])
    except Exception as error:  # of the driver, which only `storage.errors` reads
        if sqlstate_of(error) == _CANCELLED:
            return None
        raise
    return [HourOfChanges(**dict(row)) for row in rows]
