"""What every answer has in common: headers, and errors in TMF's form."""

from email.utils import formatdate
from math import ceil
from typing import Final

from aiohttp import web

from bridge.web.refusal import Refusal

HEADERS: Final = {"Server": "tmf656-bridge", "X-Content-Type-Options": "nosniff"}
"""Of every answer: browsers do not guess its type, and no library or version is named."""
PAGE_HEADERS: Final = HEADERS | {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of a page: browsers do not store or frame it."""


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


def defect_response() -> web.Response:
    """Return the answer to a request that met a defect of ours, without repeating any of it."""
    return error_response(Refusal(500, "defect", "the bridge failed here: see its log, and send the request again"))


def serialised(response: web.Response, *, keep_alive: bool = True) -> bytes:
    """Return head and body of an answer as aiohttp would send it now to a request of HTTP/1.1, on a connection that
    is kept or closed.
    """
    body = response.body or b""
    assert isinstance(body, bytes), "only a body in memory can be serialised"  # noqa: S101 -- for the type checker
    headers = {**response.headers, **HEADERS, "Date": formatdate(usegmt=True)}
    if body:
        headers["Content-Length"] = str(len(body))
    if not keep_alive:
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
