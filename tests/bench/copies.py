"""Copies of lives that went through the door, under other ids: what the door would have made of the same statements
about another problem, at a twentieth of the cost.

An id stands in keys, bodies and, through these, in hashes; nothing else of a life depends on it. So a copy is the
same rows with the id replaced in all three. Postgres has no BLAKE2, hence this is done here and not in SQL. The log
and the current rows name versions by their hashes, so what is renamed is remembered from one table to the next.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from bridge.domain.fact import canonical, hash_of
from bridge.storage.database import Connection

Row = tuple[Any, ...]
Said = dict[tuple[int, bytes], bytes]
"""Number of a copy and hash of a body → that body in the copy."""

TABLES = ("service_problem", "service_problem_version", "status_change", "notification", "notification_digest")
_KEYS = ("id", "problem_id", "event_id")
_BODIES = ("body", "patch")
_HASHES = ("content_hash", "body_hash", "digest")
_ROWS = {
    "service_problem_version": """
        select v.* from bridge.service_problem_version as v where v.source_id = $1 and v.problem_id = any($2)
        order by v.observed_at""",
    "service_problem": "select p.* from bridge.service_problem as p where p.source_id = $1 and p.id = any($2)",
    "status_change": "select c.* from bridge.status_change as c where c.source_id = $1 and c.problem_id = any($2)",
    "notification": """
        select n.* from bridge.notification as n
        where n.source_id = $1 and n.problem_id = any($2) and n.received_at between $3 and $4 and n.body is not null
        order by n.received_at""",
}


async def copy(
    connection: Connection, source_id: int, ids: Sequence[str], wanted: int, *, since: datetime, until: datetime
) -> int:
    """Make about `wanted` problems by copying each of these lives of a source equally often; return how many it made.

    `since`, `until`: between which their notifications were received. Lives with a doubtful answer, or with something
    still to be asked for, are left out: their hashes are of bodies that are kept nowhere.
    """
    fit = await connection.fetch(
        """
        select p.id from bridge.service_problem as p
        where
            p.source_id = $1 and p.id = any($2) and p.doubt_hash is null
            and not exists (select from bridge.refetch as r where r.source_id = p.source_id and r.problem_id = p.id)""",
        source_id,
        list(ids),
    )
    chosen = [row["id"] for row in fit]
    copies = max(0, round(wanted / len(chosen))) if chosen else 0
    said: Said = {}
    for table, query in _ROWS.items():
        more = (since, until) if table == "notification" else ()
        rows = await connection.fetch(query, source_id, chosen, *more)
        if not rows:
            continue
        names = list(rows[0].keys())
        made = [row for number in range(1, copies + 1) for row in _renamed(rows, names, number, said)]
        await connection.copy_records_to_table(table, schema_name="bridge", columns=names, records=made)
        if table == "notification":
            await _remember(connection, made, names, said)
    return copies * len(chosen)


def copied_id(problem_id: str, number: int) -> str:
    """The id of a copy."""
    return f"{problem_id}.{number:02}"


def _renamed(rows: Sequence[Any], names: list[str], number: int, said: Said) -> list[Row]:
    """The same rows about the copies."""
    keys = [names.index(name) for name in _KEYS if name in names]
    bodies = [names.index(name) for name in _BODIES if name in names]
    hashes = [names.index(name) for name in _HASHES if name in names]
    return [_row(list(row), keys, bodies, hashes, number, said) for row in rows]


def _row(row: list[Any], keys: list[int], bodies: list[int], hashes: list[int], number: int, said: Said) -> Row:
    problem_id = row[keys[0]]
    old, new = problem_id.encode(), copied_id(problem_id, number).encode()
    for place in keys:
        row[place] = row[place].replace(problem_id, new.decode())
    for place in bodies:
        if row[place] is not None:
            text = canonical(orjson.loads(row[place]))
            row[place] = text.replace(old, new)
            said[number, hash_of(text)] = row[place]
    for place in hashes:
        text = said.get((number, row[place]))
        row[place] = row[place] if text is None else hash_of(text)
    return tuple(row)


async def _remember(connection: Connection, made: Sequence[Row], names: list[str], said: Said) -> None:
    """Digests are of whole events, also where the log has the problem only by the hash of its version."""
    source_id, at, body, content_hash = (
        names.index(name) for name in ("source_id", "received_at", "body", "content_hash")
    )
    texts = {hash_of(text): text for text in said.values()}
    digests = {}
    for row in made:
        event = orjson.loads(row[body])
        if row[content_hash] is not None:
            event["event"]["serviceProblem"] = orjson.loads(texts[row[content_hash]])
        digests[row[source_id], hash_of(canonical(event))] = row[at]
    await connection.copy_records_to_table(
        "notification_digest",
        schema_name="bridge",
        columns=["source_id", "digest", "received_at"],
        records=[(*key, received_at) for key, received_at in digests.items()],
    )
