"""What is served where, and what every answer carries.

Callbacks are `/listener/{source}/{secret}` and everything below; pages are at fixed paths. They are looked up here, on
aiohttp's low-level server (`web.Server`): its `Application` takes a quarter of what it takes to answer an empty event.

A path in `http.public_url` is a prefix of all of them: a proxy may keep it or cut it off, both is served.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping

from aiohttp import HttpVersion11, hdrs, web
from msgspec import Struct
from yarl import URL

from bridge.web.answer import HEADERS, PAGE_HEADERS, error_response
from bridge.web.listener.callback import callback_of
from bridge.web.listener.endpoint import CallbackHandler
from bridge.web.refusal import Refusal

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class WebPage(Struct, frozen=True):
    """A page, and the methods it can be asked for by."""

    handler: Handler
    methods: Collection[str] = (hdrs.METH_GET, hdrs.METH_HEAD)


class Routes:
    """Answers requests: callbacks by method, pages by path."""

    def __init__(
        self, callbacks: Mapping[str, CallbackHandler], pages: Mapping[str, WebPage], public_url: str = ""
    ) -> None:
        """Serve these, at the root and below the path of `public_url`."""
        self._callbacks = callbacks
        self._pages = pages
        self._prefix = prefix_of(public_url)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Find the handler and have it answer."""
        if hdrs.EXPECT in request.headers and (refused := await _answer_expect(request)) is not None:
            response: web.StreamResponse = refused
        else:
            response = await self._answer(request)
        if not response.prepared:
            response.headers.update(HEADERS if request.method == hdrs.METH_POST else PAGE_HEADERS)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.path_safe
        if self._prefix and path.startswith(self._prefix):
            rest = path[len(self._prefix) :]
            path = rest if rest.startswith("/") else "/" if not rest else path
        callback = callback_of(path) if self._callbacks else None
        if callback is not None:
            handler = self._callbacks.get(request.method)
            return _not_allowed(self._callbacks) if handler is None else await handler(request, callback)
        page = self._pages.get(path)
        if page is None:
            return error_response(Refusal(404, "no_such_path", "nothing is served here: see /openapi.json"))
        return await page.handler(request) if request.method in page.methods else _not_allowed(page.methods)


def prefix_of(public_url: str) -> str:
    """Return the path of a URL as requests are compared with it: decoded, without a slash at its end.

    >>> prefix_of("https://proxy.example/noc/%7Ebridge/")
    '/noc/~bridge'
    """
    return URL(public_url).path_safe.rstrip("/") if public_url else ""


def _not_allowed(methods: Collection[str]) -> web.Response:
    allowed = ",".join(sorted(methods))
    return error_response(Refusal(405, "malformed", f"only {allowed} is allowed here", headers={"Allow": allowed}))


async def _answer_expect(request: web.BaseRequest) -> web.Response | None:
    """Tell a sender that waits for it to continue; return the answer to any other expectation."""
    if request.version != HttpVersion11:
        return None
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        return error_response(Refusal(417, "malformed", "only 100-continue may be expected: leave Expect out"))
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer has not begun
    return None
