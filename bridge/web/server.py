"""The aiohttp server: routes, limits of connections, and a start and stop that lose no answered request.

Stopping: the listening socket closes first, requests under way get a short time to be answered (their events are
committed or they are told 503), then connections are cut. Keep-alive is short because the library's default for runners
is an hour. What is left of a body that nobody wanted is read for a moment only, so that its sender sees the answer; it
is never unpacked here.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.errors import PermanentError
from bridge.metrics import Metrics
from bridge.web.health import Handler, livez, metrics_page, signpost

log = structlog.get_logger(__name__)

_SHUTDOWN_SECONDS = 2.0
_LINGERING_SECONDS = 2.0
_SENDERS_FAULTS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)


def _is_ours(record: logging.LogRecord) -> bool:
    """Broken HTTP and lost connections are answered as far as possible and no trouble of ours; a port scan must not
    fill the log with tracebacks.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], _SENDERS_FAULTS))


_library_log = logging.getLogger("bridge.web.aiohttp")
_library_log.addFilter(_is_ours)


class Server:
    """A server that runs."""

    def __init__(self, runner: web.AppRunner) -> None:
        """Wrap a runner whose site has started."""
        self._runner = runner
        host, port = runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in str(host) else f"http://{host}:{port}"
        self._drained = False

    async def drain(self) -> None:
        """Stop taking requests and let those under way be answered; the second call does nothing."""
        if not self._drained:
            self._drained = True
            await self._runner.cleanup()


@asynccontextmanager
async def serving(
    listener: Handler, ready: Handler, metrics: Metrics, *, host: str, port: int, keepalive_seconds: float = 15
) -> AsyncIterator[Server]:
    """Serve until the block ends; port 0 takes a free one. PermanentError when the address cannot be had."""
    application = web.Application()
    application.router.add_get("/", signpost)
    application.router.add_get("/livez", livez)
    application.router.add_get("/readyz", ready)
    application.router.add_get("/metrics", metrics_page(metrics))
    application.router.add_post("/listener/{source}/{secret}", listener)
    application.router.add_post("/listener/{source}/{secret}/{tail:.*}", listener)
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=_library_log,
        auto_decompress=False,
        keepalive_timeout=keepalive_seconds,
        lingering_time=_LINGERING_SECONDS,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise PermanentError(
            f"cannot listen on {host}:{port} ({error.strerror}): set http.host and http.port, or free the port"
        ) from error
    server = Server(runner)
    try:
        yield server
    finally:
        with anyio.move_on_after(_SHUTDOWN_SECONDS + 1, shield=True):
            await server.drain()
