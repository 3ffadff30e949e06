"""Values that need a person, and values that were overruled, so that nothing a person wrote is lost.

A conflict is open until `settled_at`. One that waits is decided by a person (`decide`); the choice then holds, for the
decider and the sender, until the write that follows from it was answered (`settle`). One that a policy decided is
open, too, until its write was answered, and is not kept twice however often it is decided meanwhile.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
from msgspec import Struct

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.word_map import Side
from bridge.storage.database import Connection
from bridge.storage.queries import queries
from bridge.storage.row_builder import columns

POLICY = "policy"
"""`decided_by` of what a policy of the configuration decided."""
DISMISSED = "dismissed"
"""A person left both sides as they are."""


class NewConflict(Struct, frozen=True):
    """Values to keep. `field`: empty when it is about the link itself. `winner`: None while it waits for a person."""

    link_id: int
    field: str
    kind: ConflictKind
    left_value: str | None = None
    right_value: str | None = None
    left_base: str | None = None
    right_base: str | None = None
    left_at: datetime | None = None
    right_at: datetime | None = None
    winner: Side | None = None
    decided_by: str = POLICY


class ConflictRow(Struct, frozen=True):
    """A conflict, for people. `outcome`: waiting, left, right, dismissed or agreed."""

    link_id: int
    field: str
    kind: ConflictKind
    left_value: str | None
    right_value: str | None
    left_at: datetime | None
    right_at: datetime | None
    outcome: str
    decided_by: str | None
    opened_at: datetime
    decided_at: datetime | None
    settled_at: datetime | None


async def keep(connection: Connection, conflicts: Sequence[NewConflict]) -> int:
    """Keep these, one that is kept already not twice; return how many were new, or say something else now."""
    waiting = [
        (
            one.link_id,
            one.field,
            one.kind.value,
            one.left_value,
            one.right_value,
            one.left_base,
            one.right_base,
            one.left_at,
            one.right_at,
        )
        for one in conflicts
        if one.winner is None
    ]
    decided = [
        (
            one.link_id,
            one.field,
            one.kind.value,
            one.winner.value,
            one.decided_by,
            one.left_value,
            one.right_value,
            one.left_base,
            one.right_base,
            one.left_at,
            one.right_at,
        )
        for one in conflicts
        if one.winner is not None
    ]
    kept = 0
    if waiting:
        kept += len(await connection.fetch(queries("conflict")["wait"], *columns(waiting)))
    if decided:
        kept += len(await connection.fetch(queries("conflict")["overrule"], *columns(decided)))
    return kept


async def settle(connection: Connection, fields: Sequence[tuple[int, str]], at: datetime, *, agreed: bool) -> None:
    """End what is open about these (link, field). `agreed`: both sides mean the same; else a write was answered, and
    what waits for a person stays.
    """
    if fields:
        rows = [(link_id, field, agreed) for link_id, field in fields]
        await connection.execute(queries("conflict")["settle"], *columns(rows), at)


class OpenConflicts(Struct, frozen=True):
    """What is open of some links. `fields`: (link, field); `choices`: by link and field, the side that a person chose,
    until the write that follows was answered.
    """

    fields: frozenset[tuple[int, str]]
    choices: dict[int, dict[str, Side]]


async def opened(connection: Connection, link_ids: Iterable[int]) -> OpenConflicts:
    """Return what is open of these links."""
    rows = await connection.fetch(queries("conflict")["opened"], sorted(link_ids))
    chosen: dict[int, dict[str, Side]] = {}
    for row in rows:
        if row["chosen"] is not None:
            chosen.setdefault(row["link_id"], {})[row["field"]] = Side(row["chosen"])
    return OpenConflicts(frozenset((row["link_id"], row["field"]) for row in rows), chosen)


async def undone(connection: Connection, rule_id: int, *, limit: int) -> list[int]:
    """Return links of a rule with a choice that was made since they were last decided."""
    return [row["link_id"] for row in await connection.fetch(queries("conflict")["undone"], rule_id, limit)]


def seen_mark(left_value: str | None, right_value: str | None) -> str:
    """Return a short text that is another one when either value is: what a person saw who chooses."""
    return blake2b(orjson.dumps([left_value, right_value]), digest_size=8).hexdigest()


async def decide(connection: Connection, link_id: int, field: str, outcome: Side | str, by: str) -> bool:
    """A person chose a side for what waits, or `DISMISSED` it; False: nothing waits there."""
    return await connection.fetchval(queries("conflict")["decide"], link_id, field, str(outcome), by) is not None


async def dismiss(connection: Connection, link_ids: Sequence[int], by: str) -> None:
    """Nothing of these links waits for a person any more."""
    await connection.execute(queries("conflict")["dismiss"], list(link_ids), by)


async def of_links(connection: Connection, link_ids: Iterable[int]) -> dict[int, list[ConflictRow]]:
    """Return all conflicts of links, oldest first."""
    found: dict[int, list[ConflictRow]] = {}
    for row in await connection.fetch(queries("conflict")["of_links"], sorted(link_ids)):
        one = ConflictRow(**(dict(row) | {"kind": ConflictKind(row["kind"])}))
        found.setdefault(one.link_id, []).append(one)
    return found


async def waiting(connection: Connection) -> dict[str, int]:
    """Return how many wait for a person, by rule."""
    return {row["rule"]: row["conflicts"] for row in await connection.fetch(queries("conflict")["waiting"])}


async def listed(
    connection: Connection, *, rule: str | None = None, settled: bool = False, limit: int
) -> list[dict[str, Any]]:
    """Return conflicts for people, as `report.conflict` has them, the latest first."""
    rows = await connection.fetch(queries("conflict")["listed"], rule, settled, limit)
    return [dict(row) for row in rows]
