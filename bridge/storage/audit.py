"""What people did with the bridge, and what they were refused: `bridge.audit`, to which rows are only added; each is a
line of the log, too.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
import structlog
from msgspec import Struct

from bridge.domain.access import Principal
from bridge.storage.database import Connection
from bridge.storage.dead_letter import clean
from bridge.storage.queries import queries

log = structlog.get_logger(__name__)

COMMAND_LINE = "cli"
"""In the place of an address: a command on the machine of the bridge."""
_LONGEST = 200
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
    actor, thing = _short(entry.actor), _short(entry.object)
    log.info("audit", actor=actor, action=entry.action, object=thing, outcome=entry.outcome, address=entry.address)
    await connection.execute(
        queries("audit")["record"],
        actor,
        entry.role,
        clean(entry.address),
        entry.action,
        thing,
        None if entry.before is None else orjson.dumps(entry.before),
        None if entry.after is None else orjson.dumps(entry.after),
        entry.outcome,
        clean(entry.reason),
    )


def by(principal: Principal, address: str, action: str, thing: str = "", **more: Any) -> AuditEntry:
    """Return the entry of what somebody who is logged in did; `more`: fields of the entry."""
    return AuditEntry(principal.name, principal.role.value, address, action, thing, **more)


async def refused_logins(connection: Connection, name: str, address: str, within: timedelta) -> tuple[int, int]:
    """Return how often a login was refused lately: for this name, and from this address."""
    row = await connection.fetchrow(queries("audit")["refused_logins"], _short(name), address, within)
    assert row is not None, "an aggregate has a row"  # noqa: S101 -- for the type checker
    return row["of_name"], row["from_address"]


async def listed(
    connection: Connection, *, actor: str | None, action: str | None, outcome: str | None, before: int, limit: int
) -> list[AuditRow]:
    """Return rows below the number `before`, the newest first; None: any."""
    rows = await connection.fetch(queries("audit")["list"], actor, action, outcome, before, limit)
    return [AuditRow(**dict(row) | {name: _json(row[name]) for name in ("before", "after")}) for row in rows]


async def actions(connection: Connection) -> list[str]:
    """Return the actions there are rows of."""
    return [row["action"] for row in await connection.fetch(queries("audit")["actions"])]


def _short(text: str) -> str:
    return (clean(text) or "")[:_LONGEST]


def _json(value: bytes | None) -> Any:
    return None if value is None else orjson.loads(value)
