"""What people did with the bridge, and what they were refused: `bridge.audit`, to which rows are only added."""

from datetime import datetime
from typing import Any, Literal

import orjson
from msgspec import Struct

from bridge.storage.database import Connection
from bridge.storage.dead_letter import clean
from bridge.storage.queries import queries

AuditOutcome = Literal["done", "refused", "failed"]


class AuditEntry(Struct, frozen=True):
    """One action. `before` and `after` are JSON values, never secrets; `role` None: nobody was logged in."""

    actor: str
    role: str | None
    address: str
    action: str
    object: str = ""
    before: Any = None
    after: Any = None
    outcome: AuditOutcome = "done"
    reason: str = ""


class AuditRow(Struct, frozen=True):
    """An action as it is listed."""

    id: int
    at: datetime
    actor: str
    role: str | None
    address: str
    action: str
    object: str
    before: Any
    after: Any
    outcome: AuditOutcome
    reason: str


async def record(connection: Connection, entry: AuditEntry) -> None:
    """Add a row, in the transaction of what it is about."""
    await connection.execute(
        queries("audit")["record"],
        clean(entry.actor),
        entry.role,
        clean(entry.address),
        entry.action,
        clean(entry.object),
        None if entry.before is None else orjson.dumps(entry.before),
        None if entry.after is None else orjson.dumps(entry.after),
        entry.outcome,
        clean(entry.reason),
    )


async def listed(
    connection: Connection, *, actor: str | None, action: str | None, outcome: str | None, before: int, limit: int
) -> list[AuditRow]:
    """Return rows below the number `before`, the newest first; None: any."""
    rows = await connection.fetch(queries("audit")["list"], actor, action, outcome, before, limit)
    return [AuditRow(**dict(row) | {name: _json(row[name]) for name in ("before", "after")}) for row in rows]


async def actions(connection: Connection) -> list[str]:
    """Return the actions there are rows of."""
    return [row["action"] for row in await connection.fetch(queries("audit")["actions"])]


def _json(value: bytes | None) -> Any:
    return None if value is None else orjson.loads(value)
