"""A callback for one test: a listener that only notes which paths were posted to, and one request to an address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import anyio
from aiohttp import web

from bridge.errors import TransientError
from bridge.web.server import ServerOptions, bind, cannot_listen, url_of

_TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass(slots=True)
class CallbackProbe:
    """A listener that answers 201 to everything. `url`: where it is, as seen from this machine."""

    url: str = ""
    _posted: dict[str, anyio.Event] = field(default_factory=dict)

    async def posted(self, secret: str, *, within_seconds: float) -> bool:
        """Wait until something is posted to a path with this secret in it; False when the time is up."""
        event = self._posted.setdefault(secret, anyio.Event())
        with anyio.move_on_after(within_seconds):
            await event.wait()
        return event.is_set()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Note the path of a POST."""
        if request.method == "POST":
            for part in request.path.split("/"):
                self._posted.setdefault(part, anyio.Event()).set()
        return web.Response(status=201)


@asynccontextmanager
async def probing(options: ServerOptions) -> AsyncIterator[CallbackProbe]:
    """Listen until the block ends; PermanentError when the address cannot be used."""
    probe = CallbackProbe()
    try:
        sockets = bind(options.host, options.port)
    except OSError as error:
        raise cannot_listen(options.host, options.port, "http.port", error) from error
    probe.url = url_of(sockets, "http" if options.tls is None else "https")
    runner = web.ServerRunner(web.Server(probe.handle))
    try:
        await runner.setup()
        for one in sockets:
            await web.SockSite(runner, one, ssl_context=options.tls).start()
        yield probe
    finally:
        await runner.cleanup()
        for one in sockets:
            one.close()


async def status_of(method: str, url: str) -> int:
    """Send one request without following redirects; return the status. TransientError when there is no answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.request(method, url, allow_redirects=False) as answer,
        ):
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise TransientError(str(error) or type(error).__name__) from error
