"""What the server answers: headers that every answer carries, errors, and the answer to a notification that was kept.

That last one is the same for all, thousands a second, and all that can differ in it is the second it is sent in. So it
is written once a second, and sent as it is, where aiohttp would put together headers, look up what the connection
needs, and serialise both for each: 21 µs of CPU instead of 30 for a request that goes through aiohttp and is only
answered (CPython 3.11, load of `tests.bench`, three rounds); those that do not (`bridge.web.listener.fast_path`) get
the same bytes. A sender with a connection for one
request, or that speaks HTTP/1.0, is answered by aiohttp.
"""

from email.utils import formatdate
from math import ceil
from time import time
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from bridge.web.refusal import Refusal

HEADERS: Final = {"Server": "tmf656-bridge", "X-Content-Type-Options": "nosniff"}
"""Of every answer: a browser guesses nothing from it, and nobody learns of a library and its version."""
PAGE_HEADERS: Final = HEADERS | {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of a page: a browser is to keep and frame nothing either."""


class Acceptance:
    """Answers that a notification was kept: in a `status` without content, or, with some, in a JSON `body`."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        """Prepare; `to` and `written` make the answers."""
        self._status, self._body = status, body
        self._written_at, self._written = 0, b""

    def to(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the answer to one request."""
        if request.version == HttpVersion11 and request.keep_alive:
            return Written(self._status, self.written())
        return self._whole()

    def written(self) -> bytes:
        """Return head and body, as they are this second, for a connection that stays."""
        second = int(time())
        if second != self._written_at:
            self._written_at, self._written = second, written(self._whole())
        return self._written

    def _whole(self) -> web.Response:
        content_type = "application/json" if self._body else None
        return web.Response(status=self._status, body=self._body or None, content_type=content_type)


def written(response: web.Response, *, stays: bool = True) -> bytes:
    """Return head and body of an answer as aiohttp would send it now to a request of HTTP/1.1, on a connection that
    stays or not.
    """
    body = response.body or b""
    assert isinstance(body, bytes), "only what is at hand can be written"  # noqa: S101 -- for the type checker
    headers = {**response.headers, **HEADERS, "Date": formatdate(usegmt=True)}
    if body:
        headers["Content-Length"] = str(len(body))
    if not stays:
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Written(web.StreamResponse):
    """An answer that is already written, to the request of a connection that stays open."""

    def __init__(self, status: int, written: bytes) -> None:
        """Take what is to be sent."""
        super().__init__(status=status)
        self._written = written

    @property
    def prepared(self) -> bool:
        """There is nothing left to be added."""
        return True

    @property
    def keep_alive(self) -> bool:
        """The connection stays."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send it; ConnectionError when its sender has gone."""
        await request.writer.write_eof(self._written)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing follows."""


def defect_response() -> web.Response:
    """Return the answer to a request that met a defect of ours, without repeating any of it."""
    return error_response(Refusal(500, "defect", "something went wrong in here"))


def error_response(refusal: Refusal) -> web.Response:
    """Return a TMF-style error; the connection is closed when the body was not read to its end."""
    headers = dict(refusal.headers)
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, ceil(refusal.retry_after_seconds)))
    response = web.json_response(
        {"code": str(refusal.status), "reason": refusal.reason, "message": str(refusal)},
        status=refusal.status,
        headers=headers,
    )
    if refusal.status in {408, 413} or refusal.reason == "overloaded":
        response.force_close()
    return response
