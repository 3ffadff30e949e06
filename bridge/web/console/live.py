"""Tells browsers that something changed: `/live`, server-sent events without content.

One connection listens for all of them. A browser then asks for its own list again, with its own rights, so that nothing
of a problem is sent here. However much changes, that is announced once a second at most and to all browsers at the same
time, so that those who look at the same list can share it (`bridge.web.console.live_part`). It is announced whenever
the connection was lost meanwhile, too, because what changed then is not known.

A page holds the mark of what had been announced before it was read, and its stream begins there: nothing is missed
between both, nor while a browser connects again (`Last-Event-ID`).
"""

import secrets
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from aiohttp import hdrs, web

from bridge.domain.access import Permission
from bridge.errors import DatabaseUnavailableError
from bridge.schedule import Backoff
from bridge.storage import change
from bridge.storage.database import Database
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.site import PAGE_HEADERS
from bridge.web.console.visit import Visit, refuse_head
from bridge.web.refusal import Refusal

log = structlog.get_logger(__name__)

MOST_STREAMS: Final = 200
_PAUSE_SECONDS: Final = 1.0
_HEARTBEAT_SECONDS: Final = 15.0
_STALLED_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 5.0
"""How often the listening connection is tried: one that leads nowhere says nothing by itself."""


@dataclass(slots=True)
class ChangeSignal:
    """Counts the changes that Postgres reported (`heard`) and announces them; any request may wait for the next,
    until it is `closed`.
    """

    heard: int = 0
    closed: bool = False
    _announced: int = 0
    _process: str = field(default_factory=lambda: secrets.token_hex(4))
    _event: anyio.Event = field(default_factory=anyio.Event)
    _announcement: anyio.Event = field(default_factory=anyio.Event)

    @property
    def mark(self) -> str:
        """What was announced so far; another process has other marks."""
        return f"{self._process}-{self._announced}"

    def ring(self) -> None:
        """Wake all who wait."""
        self.heard += 1
        self._event.set()
        self._event = anyio.Event()

    async def after(self, heard: int) -> None:
        """Return once there were more changes than that."""
        while self.heard == heard:
            await self._event.wait()

    async def beyond(self, mark: str) -> None:
        """Return once something else than that was announced, or nothing will be any more."""
        while self.mark == mark and not self.closed:
            await self._announcement.wait()

    def close(self) -> None:
        """Announce nothing more: streams end, and do not hold up the end of the process."""
        self.closed = True
        self._announcement.set()

    async def announce(self) -> None:
        """Announce each change at once, and those of the second after it together; until cancelled."""
        heard = 0
        while True:
            await self.after(heard)
            heard = self.heard
            self._announced += 1
            self._announcement.set()
            self._announcement = anyio.Event()
            await anyio.sleep(_PAUSE_SECONDS)

    async def listen(self, database: Database) -> None:
        """Ring for every change, until cancelled."""
        backoff = Backoff(first_seconds=0.2, last_seconds=5)
        while True:
            try:
                async with (
                    database.connection() as connection,
                    change.listening(connection, self.ring),
                    change.listening(connection, self.ring, change.LINK_CHANNEL),
                ):
                    self.ring()
                    backoff.reset()
                    while True:
                        await anyio.sleep(_LOOK_SECONDS)
                        await connection.fetchval("select 1", timeout=_LOOK_SECONDS)
            except (DatabaseUnavailableError, TimeoutError) as error:
                log.warning("pages do not follow changes", error=str(error) or "no answer in time")
                await anyio.sleep(backoff.next_seconds())


@dataclass(slots=True)
class LivePages:
    """The stream, and how many read it."""

    signal: ChangeSignal
    _streams: int = 0

    def routes(self) -> tuple[ConsoleRoute, ...]:
        """Return its route."""
        return (
            ConsoleRoute(hdrs.METH_GET, "/live", Permission.READ_PROBLEMS, self._stream, page=False, holds_slot=False),
        )

    async def _stream(self, visit: Visit) -> web.StreamResponse:
        refuse_head(visit)
        if self._streams >= MOST_STREAMS:
            raise Refusal(503, "streams_full", "Too many pages are live: load yours again.", retry_after_seconds=30)
        since = visit.request.headers.get("Last-Event-ID") or visit.query.get("since", [""])[-1]
        self._streams += 1
        try:
            response = web.StreamResponse(headers=dict(PAGE_HEADERS) | {"X-Accel-Buffering": "no"})
            response.content_type = "text/event-stream"
            await response.prepare(visit.request)
            await self._send(response, since or self.signal.mark)
        finally:
            self._streams -= 1
        return response

    async def _send(self, response: web.StreamResponse, mark: str) -> None:
        await _write(response, b"retry: 2000\n\n")
        while True:
            with anyio.move_on_after(_HEARTBEAT_SECONDS):
                await self.signal.beyond(mark)
            if self.signal.closed:
                return
            changed = mark != self.signal.mark
            mark = self.signal.mark
            event = f"id: {mark}\nevent: changed\ndata: {{}}\n\n" if changed else ": nothing new\n\n"
            if not await _write(response, event.encode()):
                return


async def _write(response: web.StreamResponse, part: bytes) -> bool:
    """Send a part; False when nobody reads it."""
    try:
        with anyio.fail_after(_STALLED_SECONDS):
            await response.write(part)
    except (ConnectionError, TimeoutError):
        return False
    return True
