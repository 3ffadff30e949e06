"""How many lists are written as CSV at a time: each holds a connection for as long as its reader takes.

A list that Postgres has to sort sends nothing for a while, so that a reader who gives up is not noticed by writing.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from aiohttp import web

from bridge.web.refusal import Refusal

MOST: Final = 2
"""Of four connections; the others are for pages."""
_LOOK_SECONDS: Final = 0.5


async def while_connected(request: web.BaseRequest, work: Callable[[], Awaitable[None]]) -> None:
    """Do what a request asks for; ConnectionResetError once its client is gone, and what was begun is cancelled."""
    failure: Exception | None = None
    ended = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_once_gone, request, tasks.cancel_scope)
        try:
            await work()
            ended = True
        except Exception as error:  # noqa: BLE001 -- raised below: here it would become one of a group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not ended:
        raise ConnectionResetError("the client is gone")


async def _cancel_once_gone(request: web.BaseRequest, scope: anyio.CancelScope) -> None:
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 -- there is no signal
        await anyio.sleep(_LOOK_SECONDS)
    scope.cancel()


@dataclass(slots=True)
class ExportSlots:
    """One export a user, MOST in all."""

    _users: set[str] = field(default_factory=set)

    @contextmanager
    def taken(self, user: str) -> Iterator[None]:
        """Hold a place; Refusal (429, 503) when there is none."""
        if user in self._users:
            message = "Another export of yours is under way: let it end first."
            raise Refusal(429, "export_running", message, retry_after_seconds=10)
        if len(self._users) >= MOST:
            raise Refusal(503, "exports_full", "Others are exporting now: try again soon.", retry_after_seconds=10)
        self._users.add(user)
        try:
            yield
        finally:
            self._users.discard(user)
