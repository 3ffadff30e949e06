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

from bridge.web.admission import address_of
from bridge.web.answer import HEADERS, error_response
from bridge.web.refusal import Refusal

log = structlog.get_logger(__name__)

_OTHER_FILES = 256
"""What a process has open besides: libraries, the database's connections, the journal, requests to sources."""
_TURNED_AWAY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Cap:
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
    """A connection of the server that takes its place in a `Cap`, or is turned away."""

    __slots__ = ("_cap", "_peer")

    def __init__(self, manager: web.Server, *, cap: Cap, **options: Any) -> None:
        """The options are aiohttp's."""
        super().__init__(manager, **options)
        self._cap = cap
        self._peer: str | None = None

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

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, and what went wrong in here, without repeating any of it; the library would."""
        super().handle_error(request, status, exc, message)
        said = "this is no HTTP that is understood here" if status < 500 else "something went wrong in here"
        response = error_response(Refusal(status, "malformed" if status < 500 else "defect", said))
        response.headers.update(HEADERS)
        response.force_close()
        return response

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        if self._peer is not None:
            self._cap.leave(self._peer)
            self._peer = None
        super().connection_lost(exc)
