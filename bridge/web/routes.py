"""What is served where, and what every answer carries.

Callbacks are `/listener/{source}/{secret}` and everything below; pages are at fixed paths. That is little enough to be
looked up here, on aiohttp's low-level server (`web.Server`): its `Application` walks resources for a route, calls
signals and builds what nobody here uses, a quarter of what it takes to answer an empty event (some 10 µs of 45), and a
fourteenth of all that is done for one that is stored.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping

from aiohttp import HttpVersion11, hdrs, web

from bridge.domain.value import dataclass
from bridge.web.answer import HEADERS, PAGE_HEADERS, Written, error_response
from bridge.web.connections import CountedConnection
from bridge.web.listener.endpoint import Callback, CallbackHandler
from bridge.web.refusal import Refusal

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_LISTENER = "/listener/"
_SAYS_MORE = (hdrs.CONTENT_ENCODING, hdrs.TRANSFER_ENCODING, hdrs.EXPECT, hdrs.UPGRADE)


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page, and the methods it can be asked for by."""

    handler: Handler
    methods: Collection[str] = (hdrs.METH_GET, hdrs.METH_HEAD)


class Routes:
    """Answers requests: callbacks by method, pages by path."""

    def __init__(self, callbacks: Mapping[str, CallbackHandler], pages: Mapping[str, WebPage]) -> None:
        """Serve these."""
        self._callbacks = callbacks
        self._pages = pages

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Have whoever is asked answer."""
        if hdrs.EXPECT in request.headers and (refused := await _expected(request)) is not None:
            response: web.StreamResponse = refused
        else:
            response = await self._answer(request)
        if not response.prepared:
            response.headers.update(HEADERS if request.method == hdrs.METH_POST else PAGE_HEADERS)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.path_safe
        callback = callback_of(path) if self._callbacks else None
        if callback is not None:
            handler = self._callbacks.get(request.method)
            if handler is None:
                return _not_allowed(self._callbacks)
            response = await handler(request, callback)
            if isinstance(response, Written) and isinstance(request.protocol, CountedConnection) and _is_plain(request):
                request.protocol.learn(callback, request.content_length or 0)
            return response
        page = self._pages.get(path)
        if page is None:
            return error_response(Refusal(404, "no_such_path", "nothing is here: see /openapi.json"))
        return await page.handler(request) if request.method in page.methods else _not_allowed(page.methods)


def callback_of(path: str) -> Callback | None:
    """Return the parts of a callback's path (with `%2F` and `%25` for what is no separator and no escape), or None.

    >>> callback_of("/listener/snow/s3cr3t//listener/createEvent")
    Callback(source='snow', secret='s3cr3t', tail='/listener/createEvent')
    """
    if not path.startswith(_LISTENER):
        return None
    source, _, rest = path[len(_LISTENER) :].partition("/")
    secret, _, tail = rest.partition("/")
    if not source or not secret:
        return None
    return Callback(_plain(source), _plain(secret), _plain(tail))


def _plain(part: str) -> str:
    return part.replace("%2F", "/").replace("%25", "%") if "%" in part else part


def _is_plain(request: web.BaseRequest) -> bool:
    """Does the head say nothing about the body but its length?"""
    return request.content_length is not None and not any(name in request.headers for name in _SAYS_MORE)


def _not_allowed(methods: Collection[str]) -> web.Response:
    allowed = ",".join(sorted(methods))
    return error_response(Refusal(405, "malformed", f"only {allowed} is allowed here", headers={"Allow": allowed}))


async def _expected(request: web.BaseRequest) -> web.Response | None:
    """Tell a sender that waits for it to go on; return the answer to whoever expects anything else."""
    if request.version != HttpVersion11:
        return None
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        return error_response(Refusal(417, "malformed", "nothing but 100-continue may be expected"))
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer has not begun
    return None
