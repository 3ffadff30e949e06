"""The aiohttp server: sockets, limits of connections, and a start and stop that lose no answered request.

Stopping: the listening sockets close first, requests under way get a short time to be answered (their events are
committed or they are answered 503), then connections are cut. Keep-alive is short because the library's default for
runners is an hour. What is left of a body that was refused is read for a moment only, so that its sender sees the
answer; it is never unpacked here.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.errors import PermanentError
from bridge.web.connections import ConnectionLimit, CountedConnection
from bridge.web.listener.endpoint import CallbackHandler
from bridge.web.listener.fast_path import FastPath, FastPathConnection, Take
from bridge.web.routes import Handler, Routes, WebPage

log = structlog.get_logger(__name__)

_SHUTDOWN_SECONDS = 2.0
_LINGERING_SECONDS = 2.0
_HANDSHAKE_SECONDS = 10.0
_BACKLOG = 1024
_SENDERS_FAULTS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)
_ALL_ADDRESSES = {"", "::", "0:0:0:0:0:0:0:0"}
"""Hosts that stand for every address of both families; `0.0.0.0` stands for those of IPv4."""


def _is_ours(record: logging.LogRecord) -> bool:
    """Malformed HTTP and lost connections are answered as far as possible and not logged: a port scan must not fill the
    log with tracebacks.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], _SENDERS_FAULTS))


_library_log = logging.getLogger("bridge.web.aiohttp")
_library_log.addFilter(_is_ours)


class HttpServer:
    """A server that runs. `url`: where the listener is; `pages_url`: where metrics and probes are."""

    def __init__(self, listeners: "Sequence[_Listener]") -> None:
        """Wrap what listens, the port of callbacks first."""
        self._listeners = listeners
        self.url, self.pages_url = listeners[0].url, listeners[-1].url

    async def drain(self) -> None:
        """Stop taking requests and let those under way be answered; the second call does nothing."""
        for listener in self._listeners:
            await listener.close()


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where and how to listen. `pages_port`: pages on a port of their own; `shared`: other processes listen there
    too; `public_url`: its path is a prefix that is served, too.
    """

    host: str
    port: int
    keepalive_seconds: float = 15
    pages_port: int | None = None
    public_url: str = ""
    tls: ssl.SSLContext | None = None
    shared: bool = False
    limit: ConnectionLimit = field(default_factory=ConnectionLimit)
    table: str = "http"
    """The table of the configuration that has host and port."""


@asynccontextmanager
async def serving(
    callbacks: Mapping[str, CallbackHandler],
    pages: Mapping[str, WebPage],
    options: ServerOptions,
    take: Take | None = None,
) -> AsyncIterator[HttpServer]:
    """Serve until the block ends; port 0 takes a free one. `take` takes the bodies of requests to a callback whose head
    is known; None: there is no fast path. PermanentError when the address cannot be used.
    """
    listeners: list[_Listener] = []
    try:
        apart = options.pages_port is not None
        routes = Routes(callbacks, {} if apart else pages, options.public_url)
        fast_path = None if take is None else FastPath(take)
        listeners.append(await _listen(routes.answer, options, options.port, options.limit, fast_path))
        if options.pages_port is not None:
            limit = ConnectionLimit(options.limit.most, options.limit.most)
            routes = Routes({}, pages, options.public_url)
            listeners.append(await _listen(routes.answer, options, options.pages_port, limit, None))
        yield HttpServer(listeners)
    finally:
        await _close(listeners)


@asynccontextmanager
async def serving_site(answer: Handler, options: ServerOptions) -> AsyncIterator[HttpServer]:
    """Serve what `answer` answers on one port until the block ends; as `serving`."""
    listener = await _listen(answer, options, options.port, options.limit, None)
    try:
        yield HttpServer([listener])
    finally:
        await _close([listener])


async def _close(listeners: "Sequence[_Listener]") -> None:
    with anyio.move_on_after(_SHUTDOWN_SECONDS + 1, shield=True):
        for listener in listeners:
            await listener.close()


def cannot_listen(host: str, port: int, key: str, error: OSError) -> PermanentError:
    """Return what to raise when an address cannot be used; `key`: the setting of its port."""
    reason, table = error.strerror or str(error), key.partition(".")[0]
    return PermanentError(f"cannot listen on {host}:{port} ({reason}): set {table}.host and {key}, or free the port")


def bind(host: str, port: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """Return bound sockets for every address of `host`, all on the same port; port 0 takes a free one. `::` and an
    empty host are all addresses of both families, as far as the system has them. OSError when one cannot be used.
    """
    with ExitStack() as on_failure:
        sockets: list[socket.socket] = []
        for family, address in _addresses(host):
            one = on_failure.enter_context(socket.socket(family, socket.SOCK_STREAM))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family is socket.AF_INET6:
                both = host in _ALL_ADDRESSES and socket.has_dualstack_ipv6()
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
            one.bind((address, sockets[0].getsockname()[1] if sockets else port))
            one.setblocking(False)
            sockets.append(one)
        on_failure.pop_all()
        return sockets


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    if host in _ALL_ADDRESSES:
        if socket.has_dualstack_ipv6() and _has_ipv6():
            return [(socket.AF_INET6, "::")]
        return [(socket.AF_INET, "0.0.0.0")]  # noqa: S104 -- as configured: all addresses
    if host.lower() == "localhost":  # many systems resolve it to one family only, clients try the other first
        return [(socket.AF_INET, "127.0.0.1"), *([(socket.AF_INET6, "::1")] if _has_ipv6() else [])]
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    usable = [(family, str(at[0])) for family, *_, at in found if family != socket.AF_INET6 or _has_ipv6()]
    if not usable:
        raise OSError("this system has no such address")
    # IPv4 first: with port 0 the second family takes the port that the first was given
    return sorted(dict.fromkeys(usable), key=lambda one: one[0] != socket.AF_INET)


def _has_ipv6() -> bool:
    """Has the kernel IPv6 switched on?"""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


def url_of(sockets: Sequence[socket.socket], scheme: str) -> str:
    """Return the URL of what listens, as seen from this machine: all addresses are reached at the loopback one."""
    host, port = sockets[0].getsockname()[:2]
    if host in ("::", "0.0.0.0"):  # noqa: S104 -- compared, not bound
        dual = sockets[0].family is socket.AF_INET or not sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        host = "127.0.0.1" if dual else "::1"
    return f"{scheme}://[{host}]:{port}" if ":" in str(host) else f"{scheme}://{host}:{port}"


class _Listener:
    """One port and the connections that came through it."""

    def __init__(self, runner: web.ServerRunner, servers: Sequence[asyncio.Server], url: str) -> None:
        self._runner, self._servers, self._open = runner, servers, True
        self.url = url

    async def close(self) -> None:
        """Take no further connections, then end those that are open; the second call does nothing."""
        if self._open:
            self._open = False
            for server in self._servers:
                server.close()
            await self._runner.cleanup()


async def _listen(
    answer: Handler, options: ServerOptions, port: int, limit: ConnectionLimit, fast_path: FastPath | None
) -> _Listener:
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    assert runner.server is not None, "a runner that is set up has a server"  # noqa: S101 -- for the type checker
    loop = asyncio.get_running_loop()
    connection_options: dict[str, Any] = {
        "limit": limit,
        "loop": loop,
        "access_log": None,
        "logger": _library_log,
        "auto_decompress": False,
        "keepalive_timeout": options.keepalive_seconds,
        "lingering_time": _LINGERING_SECONDS,
    }
    if fast_path is None:
        connection: Any = partial(CountedConnection, runner.server, **connection_options)
    else:
        connection = partial(FastPathConnection, runner.server, fast_path=fast_path, **connection_options)
    handshake_seconds = None if options.tls is None else _HANDSHAKE_SECONDS
    try:
        sockets = bind(options.host, port, reuse_port=options.shared)
        url = url_of(sockets, "http" if options.tls is None else "https")
        servers = [
            await loop.create_server(
                connection, sock=one, backlog=_BACKLOG, ssl=options.tls, ssl_handshake_timeout=handshake_seconds
            )
            for one in sockets
        ]
    except OSError as error:
        await runner.cleanup()
        key = "port" if port == options.port else "metrics_port"
        raise cannot_listen(options.host, port, f"{options.table}.{key}", error) from error
    return _Listener(runner, servers, url)
