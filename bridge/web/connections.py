"""How many connections are open: all together, and from one address.

A connection beyond the limit is answered 503 with Retry-After and closed before anything of a request is read: a sender
that retries loses nothing, and one peer cannot take the places of all others. Trusted proxies speak for many clients
and are counted only in all.

Every connection is an open file. Many systems start a process with a limit of 1,024; `raise_file_limit` raises it to
what the connections need, because a server that may open no more files cannot answer anyone.
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
from bridge.web.refusal import Refusal

log = structlog.get_logger(__name__)

_OTHER_FILES = 256
"""Files a process has open besides: libraries, connections to Postgres and sources, the journal."""
_MALFORMED = (
    "the request is not valid HTTP/1.1: an address is ASCII, the rest percent-encoded, and neither it nor a header "
    "is longer than 8,190 bytes"
)
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class ConnectionLimit:
    """Counts connections. `most`: in all; `most_per_peer`: from one address that is not in `exempt`."""

    most: int = 4096
    most_per_peer: int = 2048
    exempt: Sequence[str] = ()
    on_refusal: Callable[[], None] = lambda: None
    open: int = 0
    by_peer: Counter[str] = field(default_factory=Counter)

    def enter(self, peer: str) -> bool:
        """Count a connection; False, and not counted, when it is one too many."""
        if self.open >= self.most or (self.by_peer[peer] >= self.most_per_peer and not self._is_exempt(peer)):
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

    def _is_exempt(self, peer: str) -> bool:
        """Asked for only once a peer has reached its share."""
        at = address_of(peer)
        return at is not None and any(at in ip_network(network) for network in self.exempt)


def raise_file_limit(connections: int) -> None:
    """Let this process open as many files as so many connections need; a warning when the hard limit forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning(
            "fewer files may be open than http.max_connections needs",
            open_files=hard,
            max_connections=connections,
            remedy=f"raise the hard limit (ulimit -Hn, LimitNOFILE=) to {wanted}, or lower http.max_connections",
        )


class CountedConnection(web.RequestHandler):
    """A connection that takes its place in a `ConnectionLimit`, or is refused."""

    __slots__ = ("_limit", "_peer")

    def __init__(self, manager: web.Server, *, limit: ConnectionLimit, **options: Any) -> None:
        """The options are aiohttp's."""
        super().__init__(manager, **options)
        self._limit = limit
        self._peer: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, or answer at once and close."""
        name = transport.get_extra_info("peername")
        peer = str(name[0]) if isinstance(name, tuple) else ""
        if self._limit.enter(peer):
            self._peer = peer
            super().connection_made(transport)
            return
        refused = cast("asyncio.Transport", transport)
        refused.set_protocol(asyncio.Protocol())
        refused.write(_TOO_MANY)
        refused.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        if self._peer is not None:
            self._limit.leave(self._peer)
            self._peer = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request or a defect of ours without repeating any of it, as the library would."""
        super().handle_error(request, status, exc, message)
        malformed = Refusal(status, "malformed", _MALFORMED)
        response = error_response(malformed) if status < 500 else defect_response()
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        response.force_close()
        return response
