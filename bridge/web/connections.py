"""How many connections are open: all together, and from one address.

One more than may be is told 503 with Retry-After and closed, before anything of a request is read: a sender that
retries loses nothing, and one peer cannot take the places of all others. Proxies that are trusted speak for many and
count only together.

Every connection is an open file. A process starts with a limit of these that is often 1,024, whatever it may have; it
is raised to what the connections need (`make_room`), because a server that may open no more files hears nobody at all.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, cast

import structlog
from aiohttp import web

from bridge.web.answer import HEADERS, defect_response, error_response
from bridge.web.listener.admission import address_of
from bridge.web.listener.endpoint import Callback
from bridge.web.listener.fast_path import LONGEST_BYTES, FastPath
from bridge.web.refusal import Refusal

log = structlog.get_logger(__name__)

_OTHER_FILES = 256
"""What a process has open besides: libraries, the database's connections, the journal, requests to sources."""
_BUSY_SECONDS = 1.0
"""After which a connection that was busy is looked at again, at the earliest."""
_TURNED_AWAY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class ConnectionLimit:
    """Counts connections. `most`: all together; `most_per_peer`: from an address that is not in `exempt`."""

    most: int = 4096
    most_per_peer: int = 2048
    exempt: Sequence[str] = ()
    on_refusal: Callable[[], None] = lambda: None
    open: int = 0
    by_peer: Counter[str] = field(default_factory=Counter)

    def enter(self, peer: str) -> bool:
        """Count a connection; False, and not counted, when it is one too many."""
        if self.open >= self.most or (self.by_peer[peer] >= self.most_per_peer and not self._exempt(peer)):
            if not self.by_peer[peer]:
                del self.by_peer[peer]
            self.on_refusal()
            return False
        self.open += 1
        self.by_peer[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        """A connection that was counted has ended."""
        self.open -= 1
        self.by_peer[peer] -= 1
        if not self.by_peer[peer]:
            del self.by_peer[peer]

    def _exempt(self, peer: str) -> bool:
        """Asked for only once a peer has reached its share."""
        at = address_of(peer)
        return at is not None and any(at in ip_network(network) for network in self.exempt)


def make_room(connections: int) -> None:
    """Let this process open as many files as so many connections need; say so when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning(
            "fewer files may be open than there may be connections",
            open_files=hard,
            max_connections=connections,
            remedy=f"raise the hard limit (ulimit -Hn, LimitNOFILE=) to {wanted}, or lower http.max_connections",
        )


class CountedConnection(web.RequestHandler):
    """A connection of the server that takes its place in a `Cap`, or is turned away.

    Whole requests that `express` knows it takes itself, one at a time, in the place of aiohttp and while that has
    nothing to do here: what came must have been nothing but whole requests so far, each of them answered (`_between`).
    That is known of those that were taken here, and of those that were learned, just before aiohttp writes its answer.

    aiohttp must be waiting for a request, too, on its future `_waiter`: just before, it starts its own clock for what
    is idle, which would cut off a request that was taken earlier. Should there be no such future in another release,
    nothing is taken here, and aiohttp does everything.
    """

    __slots__ = (
        "_between",
        "_cap",
        "_clock",
        "_express",
        "_first",
        "_held",
        "_idle_until",
        "_leaving",
        "_peer",
        "_under_way",
    )

    def __init__(
        self, manager: web.Server, *, cap: ConnectionLimit, express: FastPath | None = None, **options: Any
    ) -> None:
        """The options are aiohttp's."""
        super().__init__(manager, **options)
        self._cap = cap
        self._peer: str | None = None
        self._express = express
        self._between = True
        self._first: bytes | None = None
        self._under_way = self._leaving = False
        self._held = b""
        self._clock: asyncio.TimerHandle | None = None
        self._idle_until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, or answer at once and hang up."""
        name = transport.get_extra_info("peername")
        peer = str(name[0]) if isinstance(name, tuple) else ""
        if self._cap.enter(peer):
            self._peer = peer
            super().connection_made(transport)
            return
        turned_away = cast("asyncio.Transport", transport)
        turned_away.set_protocol(asyncio.Protocol())
        turned_away.write(_TURNED_AWAY)
        turned_away.close()

    def data_received(self, data: bytes) -> None:
        """Take a request that is known; leave everything else to aiohttp, in order, also that it looks again at what it
        has (it calls this itself then, with nothing).
        """
        if not data:
            super().data_received(data)
            return
        if self._under_way:
            if not self._held and self.transport is not None:
                self.transport.pause_reading()
            self._held += data
            return
        if self._express is not None and self._between and not self._leaving:
            if self._idle() and self._express.take(data, self._answer):
                self._under_way = True
                self._stay()
                return
            self._first, self._between = data if len(data) <= LONGEST_BYTES else None, False
        else:
            self._first = None
        if self._clock is not None:
            self._stir()
        super().data_received(data)

    def learn(self, callback: Callback, body_bytes: int) -> None:
        """A plain request to this callback, with so long a body, was read and is about to be answered."""
        first, self._first = self._first, None
        self._stir()
        if self._express is not None and first is not None:
            self._between = self._express.learn(first, callback, body_bytes)

    def close(self) -> None:
        """Take no further requests; the one under way is answered. aiohttp's `shutdown` waits for its loop over
        requests, which ends only then.
        """
        self._leaving = True
        if not self._under_way:
            super().close()

    def _idle(self) -> bool:
        waiter = getattr(self, "_waiter", None)
        return waiter is not None and not waiter.done()

    def _answer(self, answer: bytes, stays: bool) -> None:
        """Answer the request that was taken; it may be that nobody is there any more."""
        self._under_way = False
        if self.transport is None or self.transport.is_closing():
            return
        self.transport.write(answer)
        if not stays:
            self.force_close()
        elif self._leaving:
            super().close()
        else:
            self._stay()
            if self._held:
                held, self._held = self._held, b""
                self.transport.resume_reading()
                self.data_received(held)

    def _stay(self) -> None:
        """Keep the connection from now on as long as an idle one is kept. aiohttp's clock for this is stopped: it knows
        nothing of a request that was taken here.
        """
        self.keep_alive(True)
        self._stir()
        if self._clock is None:
            self._clock = asyncio.get_running_loop().call_at(self._idle_until, self._look)

    def _stir(self) -> None:
        self._idle_until = asyncio.get_running_loop().time() + self.keepalive_timeout

    def _look(self) -> None:
        """Hang up if nothing has come for long, else look again."""
        loop = asyncio.get_running_loop()
        if self._under_way or not self._idle():
            self._stir()
            self._clock = loop.call_at(self._idle_until + _BUSY_SECONDS, self._look)
        elif loop.time() < self._idle_until:
            self._clock = loop.call_at(self._idle_until, self._look)
        else:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, and what went wrong in here, without repeating any of it; the library would."""
        super().handle_error(request, status, exc, message)
        no_http = Refusal(status, "malformed", "this is no HTTP that is understood here")
        response = error_response(no_http) if status < 500 else defect_response()
        response.headers.update(HEADERS)
        response.force_close()
        return response

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        if self._peer is not None:
            self._cap.leave(self._peer)
            self._peer = None
        if self._clock is not None:
            self._clock.cancel()
        self._held = b""
        super().connection_lost(exc)
