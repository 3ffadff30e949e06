"""The aiohttp server: what it serves (`bridge.web.routes`), limits of connections, and a start and stop that lose no
answered request.

Stopping: the listening socket closes first, requests under way get a short time to be answered (their events are
committed or they are told 503), then connections are cut. Keep-alive is short because the library's default for runners
is an hour. What is left of a body that nobody wanted is read for a moment only, so that its sender sees the answer; it
is never unpacked here.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.errors import PermanentError
from bridge.web.connections import ConnectionLimit, CountedConnection
from bridge.web.listener.endpoint import CallbackHandler
from bridge.web.listener.fast_path import FastPath, Take
from bridge.web.ops.health import Exposition, guarded, livez, metrics_page, signpost
from bridge.web.ops.openapi import openapi
from bridge.web.routes import Handler, Routes, WebPage

log = structlog.get_logger(__name__)

_SHUTDOWN_SECONDS = 2.0
_LINGERING_SECONDS = 2.0
_HANDSHAKE_SECONDS = 10.0
_SENDERS_FAULTS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)


def _is_ours(record: logging.LogRecord) -> bool:
    """Broken HTTP and lost connections are answered as far as possible and no trouble of ours; a port scan must not
    fill the log with tracebacks.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], _SENDERS_FAULTS))


_library_log = logging.getLogger("bridge.web.aiohttp")
_library_log.addFilter(_is_ours)


class HttpServer:
    """A server that runs. `url`: where the listener is; `pages_url`: where metrics and probes are."""

    def __init__(self, doors: "Sequence[_Door]") -> None:
        """Wrap doors that are open, the listener's first."""
        self._doors = doors
        self.url, self.pages_url = doors[0].url, doors[-1].url

    async def drain(self) -> None:
        """Stop taking requests and let those under way be answered; the second call does nothing."""
        for door in self._doors:
            await door.close()


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where and how to listen. `pages_port`: metrics and probes apart from the listener; `tls`: served by ourselves;
    `shared`: other processes listen there too.
    """

    host: str
    port: int
    keepalive_seconds: float = 15
    pages_port: int | None = None
    metrics_token: str = ""
    tls: ssl.SSLContext | None = None
    shared: bool = False
    cap: ConnectionLimit = field(default_factory=ConnectionLimit)


@asynccontextmanager
async def serving(
    listener: CallbackHandler,
    ready: Handler,
    page: Exposition,
    entrance: ServerOptions,
    greeter: CallbackHandler | None = None,
    stream: Handler | None = None,
    take: Take | None = None,
) -> AsyncIterator[HttpServer]:
    """Serve until the block ends; port 0 takes a free one. `greeter` answers OPTIONS, `take` takes bodies
    of requests to the listener whose head is known. PermanentError when the address
    cannot be had.
    """
    callbacks = {"POST": listener} | ({} if greeter is None else {"OPTIONS": greeter})
    pages = {
        "/": WebPage(signpost),
        "/livez": WebPage(livez),
        "/readyz": WebPage(ready),
        "/metrics": WebPage(guarded(metrics_page(page), entrance.metrics_token)),
        "/openapi.json": WebPage(openapi),
    }
    if stream is not None:
        pages["/stream"] = WebPage(stream, methods=("GET",))
    apart = entrance.pages_port is not None
    doors: list[_Door] = []
    try:
        here = Routes(callbacks, {} if apart else pages)
        doors.append(await _open(here, entrance, entrance.port, entrance.cap, None if take is None else FastPath(take)))
        if entrance.pages_port is not None:
            cap = ConnectionLimit(entrance.cap.most, entrance.cap.most)
            doors.append(await _open(Routes({}, pages), entrance, entrance.pages_port, cap))
        yield HttpServer(doors)
    finally:
        with anyio.move_on_after(_SHUTDOWN_SECONDS + 1, shield=True):
            for door in doors:
                await door.close()


def cannot_listen(host: str, port: int, key: str, error: OSError) -> PermanentError:
    """Return what to raise when an address cannot be had; `key`: the setting of its port."""
    return PermanentError(
        f"cannot listen on {host}:{port} ({error.strerror}): set http.host and {key}, or free the port"
    )


class _Door:
    """One listening socket and the connections that came through it."""

    def __init__(self, runner: web.ServerRunner, listening: asyncio.Server, scheme: str) -> None:
        self._runner, self._listening, self._open = runner, listening, True
        host, port = listening.sockets[0].getsockname()[:2]
        self.url = f"{scheme}://[{host}]:{port}" if ":" in str(host) else f"{scheme}://{host}:{port}"

    async def close(self) -> None:
        """Take no further connections, then end those that stand; the second call does nothing."""
        if self._open:
            self._open = False
            self._listening.close()
            await self._runner.cleanup()


async def _open(
    routes: Routes, entrance: ServerOptions, port: int, cap: ConnectionLimit, express: FastPath | None = None
) -> _Door:
    runner = web.ServerRunner(web.Server(routes.answer), shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    assert runner.server is not None, "a runner that is set up has a server"  # noqa: S101 -- for the type checker
    loop = asyncio.get_running_loop()
    connection = partial(
        CountedConnection,
        runner.server,
        cap=cap,
        express=express,
        loop=loop,
        access_log=None,
        logger=_library_log,
        auto_decompress=False,
        keepalive_timeout=entrance.keepalive_seconds,
        lingering_time=_LINGERING_SECONDS,
    )
    try:
        listening = await loop.create_server(
            connection,
            entrance.host,
            port,
            backlog=1024,
            reuse_port=entrance.shared or None,
            ssl=entrance.tls,
            ssl_handshake_timeout=None if entrance.tls is None else _HANDSHAKE_SECONDS,
        )
    except OSError as error:
        await runner.cleanup()
        key = "http.port" if port == entrance.port else "http.metrics_port"
        raise cannot_listen(entrance.host, port, key, error) from error
    return _Door(runner, listening, "http" if entrance.tls is None else "https")
