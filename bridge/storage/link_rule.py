"""Rules of the configuration as rows, with how far the decisions of each have come.

The position in `bridge.change` moves in the transaction that decides, so a crash repeats a step or nothing. The state
is read again in that transaction, and in the one before each request (`outbox.begin`): a pause takes effect at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from bridge.domain.stream_event import Position
from bridge.storage.database import Connection
from bridge.storage.queries import queries


@dataclass(frozen=True, slots=True)
class LinkRuleRow:
    """A rule as the tables know it. `state`: on, plan, off, paused, held or gone."""

    id: int
    name: str
    left_source_id: int
    right_source_id: int
    left_source: str
    right_source: str
    state: str
    state_reason: str | None
    state_since: datetime
    settings_hash: str
    created_at: datetime
    walked_at: datetime | None


@dataclass(frozen=True, slots=True)
class RulePosition:
    """How far a rule has come. `from_other_server`: the position is none of this server, so a walk begins.

    `walked`: source id and ticket after which a walk goes on. `walked_at`: when the last one ended, None: one runs.
    """

    state: str
    settings_hash: str
    from_other_server: bool
    position: Position
    walked: tuple[int, str]
    walked_at: datetime | None


async def ensure(
    connection: Connection,
    name: str,
    sources: tuple[int, int],
    *,
    state: str,
    settings: dict[str, Any],
    settings_hash: str,
) -> int:
    """Write a rule as configured (`state`: on, plan or off) and return its key; `sources`: ids of left and right."""
    number: int = await connection.fetchval(
        queries("link_rule")["ensure"], name, *sources, state, orjson.dumps(settings), settings_hash
    )
    return number


async def carry_pause(connection: Connection, configured: Sequence[str]) -> list[tuple[str, str, str]]:
    """Have rules that were made in this transaction stay paused, or held, as one between the same sources, or of the
    same name, is that goes in it, before `mark_gone`; return the name of each, its state, and the name of that one.
    """
    rows = await connection.fetch(queries("link_rule")["carry_pause"], list(configured))
    return [(row["name"], row["state"], row["former"]) for row in rows]


async def mark_gone(connection: Connection, configured: Sequence[str]) -> None:
    """Mark the rules that are not among the configured ones; their links stay, and are not decided."""
    await connection.execute(queries("link_rule")["mark_gone"], list(configured))


async def find(connection: Connection, name: str | None = None) -> list[LinkRuleRow]:
    """Return all rules, or the one of that name."""
    return [LinkRuleRow(**dict(row)) for row in await connection.fetch(queries("link_rule")["find"], name)]


async def lock(connection: Connection, rule_id: int) -> RulePosition | None:
    """Lock the position of a rule until the end of the transaction; None: one of its sources was removed."""
    row = await connection.fetchrow(queries("link_rule")["lock"], rule_id)
    if row is None:
        return None
    return RulePosition(
        state=row["state"],
        settings_hash=row["settings_hash"],
        from_other_server=row["from_other_server"],
        position=Position(int(row["committed"]), row["change_id"]),
        walked=(row["walked_source_id"], row["walked_id"]),
        walked_at=row["walked_at"],
    )


async def begin_walk(connection: Connection, rule_id: int) -> None:
    """Look at all tickets from the first one on, and follow the changes from now on."""
    await connection.execute(queries("link_rule")["begin_walk"], rule_id)


async def walk_again(connection: Connection, rule_id: int) -> None:
    """Look at all tickets from the first one on, and go on following the changes from where that has come."""
    await connection.execute(queries("link_rule")["walk_again"], rule_id)


async def write_position(connection: Connection, rule_id: int, position: Position) -> None:
    """Changes up to here are decided."""
    await connection.execute(queries("link_rule")["write_position"], rule_id, str(position.committed), position.id)


async def write_walk(connection: Connection, rule_id: int, walked: tuple[int, str]) -> None:
    """Tickets up to here are decided."""
    await connection.execute(queries("link_rule")["write_walk"], rule_id, *walked)


async def end_walk(connection: Connection, rule_id: int, at: datetime) -> None:
    """All tickets are decided."""
    await connection.execute(queries("link_rule")["end_walk"], rule_id, at)


async def write_state(
    connection: Connection, rule_id: int, state: str, reason: str | None, *, only_from: Sequence[str]
) -> bool:
    """Change the state of a rule that is in one of `only_from`; return whether it changed."""
    tag = await connection.execute(queries("link_rule")["write_state"], rule_id, state, reason, list(only_from))
    return not tag.endswith(" 0")


async def tickets(
    connection: Connection, source_id: int, after: str, *, until: str | None = None, limit: int
) -> list[str]:
    """Return the next ids of the tickets of a source, deleted ones too, in the order of the database."""
    rows = await connection.fetch(queries("link_rule")["tickets"], source_id, after, until, limit)
    return [row["id"] for row in rows]


async def complete_since(connection: Connection, source_id: int, at: datetime) -> bool:
    """Has a pass over everything of that source been complete since?"""
    return bool(await connection.fetchval(queries("link_rule")["complete_since"], source_id, at))


async def lag(connection: Connection) -> dict[str, float]:
    """Return, of each rule that is on, how many seconds old the oldest change is that it has not decided yet."""
    return {row["name"]: row["seconds"] for row in await connection.fetch(queries("link_rule")["lag"])}
