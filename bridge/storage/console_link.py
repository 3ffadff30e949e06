"""Links, writes and conflicts as the console lists them: from views without marks and intents, page by page.

A condition that is not set compares a parameter that is null: the front's sessions plan with the values, so that
condition is not in the plan. Pages are found by the number of the row before.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from msgspec import Struct

from bridge.storage.database import Connection
from bridge.storage.outbox import BlockedFilter
from bridge.storage.queries import queries

NEWEST: Final = 2**62
"""Above every number."""
MOST_GROUPED: Final = 10_000
"""Of more blocked writes, only the newest are counted by their error."""
_NOTES = 50
_DRIFT = 20


class ConsoleRule(Struct, frozen=True):
    """A rule. `state`: on, plan, off, paused, held or gone."""

    id: int
    name: str
    left_source_id: int
    right_source_id: int
    left_source: str
    right_source: str
    state: str
    state_reason: str | None
    state_since: datetime
    walked_at: datetime | None


class RuleSums(Struct):
    """How many links of a rule are in each state, and what waits."""

    states: dict[str, int] = {}
    behind: int = 0
    open_writes: int = 0
    blocked_writes: int = 0
    conflicts: int = 0


class ConsoleLink(Struct, frozen=True):
    """A link; the comments of the columns of bridge.link hold here too. `under_way`: a write without an outcome."""

    id: int
    rule_id: int
    origin: str
    state: str
    state_reason: str | None
    state_since: datetime
    key: str
    left_id: str | None
    right_id: str | None
    base: dict[str, tuple[str, str]]
    under_way: bool
    created_at: datetime
    linked_at: datetime | None
    checked_at: datetime | None
    behind_since: datetime | None
    unsure_until: datetime | None


class ConsoleConflict(Struct, frozen=True):
    """A conflict with its tickets. `outcome`: waiting, left, right, dismissed or agreed."""

    id: int
    link_id: int
    rule: str
    field: str
    kind: str
    outcome: str
    decided_by: str | None
    left_value: str | None
    right_value: str | None
    left_base: str | None
    right_base: str | None
    left_at: datetime | None
    right_at: datetime | None
    opened_at: datetime
    decided_at: datetime | None
    settled_at: datetime | None
    left_source: str
    left_id: str | None
    right_source: str
    right_id: str | None


async def rules(connection: Connection) -> list[ConsoleRule]:
    """Return all rules, by name."""
    return [ConsoleRule(**dict(row)) for row in await connection.fetch(queries("console_link")["rules"])]


async def sums(connection: Connection) -> dict[int, RuleSums]:
    """Return the sums by rule; this reads all links."""
    found: dict[int, RuleSums] = {}
    for row in await connection.fetch(queries("console_link")["link_sums"]):
        of_rule = found.setdefault(row["rule_id"], RuleSums())
        of_rule.states[row["state"]] = row["links"]
        of_rule.behind += row["behind"]
    for row in await connection.fetch(queries("console_link")["write_sums"]):
        of_rule = found.setdefault(row["rule_id"], RuleSums())
        of_rule.open_writes, of_rule.blocked_writes = row["open_writes"], row["blocked_writes"]
    for row in await connection.fetch(queries("console_link")["conflict_sums"]):
        found.setdefault(row["rule_id"], RuleSums()).conflicts = row["conflicts"]
    return found


async def named(connection: Connection, text: str) -> list[int]:
    """Return the links with this number, key or ticket."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
    return [row["id"] for row in await connection.fetch(queries("console_link")["named"], text, number)]


async def listed(
    connection: Connection,
    *,
    rule_id: int | None = None,
    states: Sequence[str] = (),
    behind: bool = False,
    conflicts: bool = False,
    numbers: Sequence[int] | None = None,
    before: int = NEWEST,
    limit: int,
) -> list[dict[str, Any]]:
    """Return links with both tickets, the newest first; `numbers` None: any."""
    values = (rule_id, list(states) or None, behind, conflicts, None if numbers is None else list(numbers))
    found = await connection.fetch(queries("console_link")["ids"], *values, before, limit)
    return await shown(connection, [row["id"] for row in found])


async def shown(connection: Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return these links with both tickets, as report.link and report.linked_problem have them."""
    return [dict(row) for row in await connection.fetch(queries("console_link")["shown"], list(numbers))]


async def find(connection: Connection, number: int) -> ConsoleLink | None:
    """Return a link."""
    row = await connection.fetchrow(queries("console_link")["one"], number)
    if row is None:
        return None
    base = {name: (pair[0], pair[1]) for name, pair in orjson.loads(row["base"]).items()}
    return ConsoleLink(**dict(row) | {"base": base})


async def writes(
    connection: Connection,
    chosen: BlockedFilter,
    *,
    states: Sequence[str] = (),
    link_id: int | None = None,
    before: int = NEWEST,
    limit: int,
) -> list[dict[str, Any]]:
    """Return writes in these states (none: any), the newest first, `fields` and `cause` as JSON values."""
    values = (chosen.rule, chosen.target, chosen.kind, list(states) or None, chosen.error, link_id, before, limit)
    rows = await connection.fetch(queries("console_link")["writes"], *values)
    return [
        dict(row) | {name: None if row[name] is None else orjson.loads(row[name]) for name in ("fields", "cause")}
        for row in rows
    ]


async def errors(connection: Connection, chosen: BlockedFilter) -> list[dict[str, Any]]:
    """Return why writes are blocked, with how many, the most frequent first."""
    values = (chosen.rule, chosen.target, chosen.kind, chosen.error, MOST_GROUPED)
    return [dict(row) for row in await connection.fetch(queries("console_link")["errors"], *values)]


async def blocked(connection: Connection, chosen: BlockedFilter) -> tuple[int, int]:
    """Return how many writes are blocked, and the number of the newest of them."""
    values = (chosen.rule, chosen.target, chosen.kind, chosen.error)
    row = await connection.fetchrow(queries("console_link")["blocked"], *values)
    return (0, 0) if row is None else (row["writes"], row["up_to"])


async def conflicts(
    connection: Connection,
    *,
    rule: str | None = None,
    kind: str | None = None,
    outcome: str | None = None,
    field: str | None = None,
    link_id: int | None = None,
    before: int = NEWEST,
    limit: int,
) -> list[ConsoleConflict]:
    """Return conflicts, the newest first; None: any."""
    values = (rule, kind, outcome, field, link_id, before, limit)
    return [
        ConsoleConflict(**dict(row)) for row in await connection.fetch(queries("console_link")["conflicts"], *values)
    ]


async def notes(connection: Connection, link_id: int) -> list[dict[str, Any]]:
    """Return the latest notes of a link."""
    return [dict(row) for row in await connection.fetch(queries("console_link")["notes"], link_id, _NOTES)]


async def drift(connection: Connection, link_id: int) -> list[dict[str, Any]]:
    """Return the latest differences that audits found at a link."""
    return [dict(row) for row in await connection.fetch(queries("console_link")["drift"], link_id, _DRIFT)]


async def tickets(
    connection: Connection, left: tuple[str, str], right: tuple[str, str]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return name, status and deletion of two tickets by (source, id), as far as they are known."""
    rows = await connection.fetch(queries("console_link")["tickets"], *left, *right)
    return {(row["source"], row["id"]): dict(row) for row in rows}
