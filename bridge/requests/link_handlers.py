"""What requests about links and rules do, by the same functions as the commands `links …`.

Each is done in the transaction that ends its request, so that it is done once, whatever is cut off. Only trying many
writes again goes in steps, each in a fenced transaction of its own: those that are done are not blocked any more.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.domain.link.word_map import Side
from bridge.errors import PermanentError
from bridge.links import operator
from bridge.requests.outcome import RequestEnd, RequestProgress
from bridge.storage import link as link_table
from bridge.storage import outbox
from bridge.storage.conflict import DISMISSED
from bridge.storage.database import Connection, Database
from bridge.storage.lease import LeaderFence
from bridge.storage.link import LinkRow
from bridge.storage.outbox import BlockedFilter
from bridge.storage.request import OperatorRequest

LinkAction = Callable[[Connection, OperatorRequest], Awaitable[str]]
"""Does what is asked, in the caller's transaction, and says what came of it."""

_STEP: Final = 500
"""Writes of a transaction."""


async def _link(connection: Connection, request: OperatorRequest) -> LinkRow:
    number = int(request.arguments["link"])
    found = (await link_table.lock(connection, [number])).get(number)
    if found is None:
        raise PermanentError(f"there is no link {number} any more")
    return found


async def _retry(connection: Connection, request: OperatorRequest) -> str:
    if not await operator.retry(connection, await _link(connection, request)):
        raise PermanentError("nothing of this link is blocked any more")
    return "tried again"


async def _separate(connection: Connection, request: OperatorRequest) -> str:
    why = str(request.arguments["why"])
    await operator.separate(connection, await _link(connection, request), by=request.asked_by, why=why)
    return why


async def _join(connection: Connection, request: OperatorRequest) -> str:
    rule, left, right = (str(request.arguments[name]) for name in ("rule", "left", "right"))
    return f"joined by link {await operator.join(connection, rule, left, right)}"


async def _resolve(connection: Connection, request: OperatorRequest) -> str:
    choice, field, seen = (str(request.arguments[name]) for name in ("choice", "field", "seen"))
    side = DISMISSED if choice == DISMISSED else Side(choice)
    link = await _link(connection, request)
    await operator.resolve(connection, link, field, side, by=request.asked_by, seen=seen)
    return "dismissed" if side == DISMISSED else f"{choice} is to stand on both sides"


async def _give_up(connection: Connection, request: OperatorRequest) -> str:
    await operator.give_up(connection, await _link(connection, request), by=request.asked_by)
    return "its write is given up"


async def _pause(connection: Connection, request: OperatorRequest) -> str:
    rule, reason = (str(request.arguments[name]) for name in ("rule", "reason"))
    if not await operator.pause(connection, rule, by=request.asked_by, reason=reason):
        raise PermanentError("it does not run")
    return "paused"


async def _resume(connection: Connection, request: OperatorRequest) -> str:
    if not await operator.resume(connection, str(request.arguments["rule"])):
        raise PermanentError("it is not paused")
    return "goes on"


async def _release(connection: Connection, request: OperatorRequest) -> str:
    if not await operator.release(connection, str(request.arguments["rule"])):
        raise PermanentError("it is not held")
    return "goes on"


_ACTIONS: Final[Mapping[str, LinkAction]] = {
    "retry_link": _retry,
    "separate_link": _separate,
    "join_tickets": _join,
    "resolve_conflict": _resolve,
    "pause_rule": _pause,
    "resume_rule": _resume,
    "release_rule": _release,
    "give_up_write": _give_up,
}


@dataclass(frozen=True, slots=True)
class LinkRequestHandlers:
    """Does what is asked about links, in the process that leads."""

    database: Database
    fence: LeaderFence

    async def handle(self, request: OperatorRequest, progress: RequestProgress) -> RequestEnd:
        """Do it. Raises PermanentError for what cannot be done."""
        if request.kind == "retry_writes":
            return await self._retry_writes(request, progress)
        action = _ACTIONS[request.kind]

        async def write(connection: Connection) -> str:
            return await action(connection, request)

        return RequestEnd("done", "", write)

    async def _retry_writes(self, request: OperatorRequest, progress: RequestProgress) -> RequestEnd:
        """Try the oldest of a filter again: at most as many, and none newer, than were confirmed."""
        given: Mapping[str, Any] = request.arguments
        chosen = BlockedFilter(given.get("rule"), given.get("target"), given.get("kind"), given.get("error"))
        most, up_to, after, tried = int(given["most"]), int(given["up_to"]), 0, 0
        progress.total = most
        while progress.done < most:
            step = min(_STEP, most - progress.done)
            async with self.database.transaction() as connection:
                await self.fence.hold(connection)
                numbers = await outbox.blocked(connection, chosen, after=after, up_to=up_to, limit=step)
                if not numbers:
                    break
                tried += await operator.retry_writes(connection, numbers)
            after = numbers[-1]
            progress.done += len(numbers)
        return RequestEnd("done", f"{tried:,} tried again")
