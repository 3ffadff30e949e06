"""Moves a status by the steps of the life cycle, for a server that refuses to leave any out.

A move that ends on the way is a write whose outcome is not known: what the target says then is settled like any other
(`bridge.domain.link.sent_write.settlement_of`), and the next try goes on from there.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bridge.domain.link.route import between
from bridge.domain.ticket_system import OutcomeUnknownError, Ticket
from bridge.errors import BridgeError

Change = Callable[[Mapping[str, Any], str | None], Awaitable[Ticket]]
"""Sends changes, with the version of the ticket that they expect."""


async def move(change: Change, life_cycle: str, stands: str, changes: Mapping[str, Any], version: str | None) -> Ticket:
    """Make changes, the status among them, from what it is now. OutcomeUnknownError where it was moved a part of the
    way. The other changes go with the last step.
    """
    passed: list[str] = []
    goal = changes["status"]
    try:
        for step in between(life_cycle, stands, goal):
            moved = await change({"status": step}, version)
            passed.append(step)
            version = None if version is None else moved.version
        return await change(changes, version)
    except BridgeError as error:
        if not passed or isinstance(error, OutcomeUnknownError):
            raise
        raise OutcomeUnknownError(f"moved to {passed[-1]}, and not to {goal}: {error}") from error
