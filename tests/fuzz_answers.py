"""Answers that no server should give: hypothesis draws them, a raw socket sends them.

An answer is bytes in pieces, so that nothing between the strategy and the client under test makes it well-formed.
"""

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

import anyio
import orjson
from anyio.abc import SocketAttribute, SocketStream
from hypothesis import strategies as st

_STATUSES = [200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 413, 416]
_STATUSES += [421, 422, 425, 429, 431, 451, 500, 501, 502, 503, 504, 511, 100, 101, 102, 103, 199, 299, 399, 499, 599]
_STATUS_LINES = [
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/1.1  200 OK",
    b"HTTP/2 200",
    b"HTTP/1.1 099 low",
    b"HTTP/1.1 999 high",
    b"HTTP/1.1 -1 x",
    b"HTTP/1.1 20000 x",
    b"HTTP/1.1 OK",
    b"ICY 200 OK",
    b"HTTP/1.1 200 \xff\xfe\x00",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"",
]
_TIMES = [
    "Fri, 31 Dec 9999 23:59:59 -1200",
    "Mon, 01 Jan 0001 00:00:00 +1400",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Mon, 99 Foo 20261 99:99:99 +99999999",
    "Mon, 23 Nov 2026 10:00:00 GMT",
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "9" * 400,
    "7, 8",
    "",
    "\u0661\u0662",
]
_ADDRESSES = [
    "http://h:abc/",
    "http://h:65536/x",
    "http://h:-1/",
    "http://b\u00fccher.example/x",
    "http://xn--" + "a" * 300 + ".example/",
    "http://[::1",
    "http://[fe80::1%25eth0]/",
    "http://user:pass@127.0.0.1/",
    "//elsewhere.invalid/x",
    "https://127.0.0.1:1/",
    "ftp://h/",
    "javascript:alert(1)",
    "/\x01\x7f",
    "?page=2",
    "?offset=500&limit=500",
    "?cursor=%zz%",
    "serviceProblem/../../..",
    "/tmf-api/serviceProblemManagement/v4/serviceProblem",
    "/tmf-api/serviceProblemManagement/v4/serviceProblem/",
    "",
    "#",
    "a" * 9000,
]
_HEADERS: dict[str, list[str]] = {
    "Date": _TIMES,
    "Retry-After": _TIMES,
    "Location": _ADDRESSES,
    "Content-Location": _ADDRESSES,
    "Link": [f'<{each}>; rel="next"' for each in _ADDRESSES]
    + ["<>; rel=next", "rel=next", "<" * 500, '"<x>; rel="next"', '<x>; rel="next" , <y>; rel="next"'],
    "Content-Type": [
        "application/json",
        "application/json; charset=punycode",
        "application/json; charset=idna",
        "application/json; charset=utf-16",
        "application/json; charset=rot13",
        "application/json; charset=base64",
        'application/json; charset="\udcff"',
        "text/html",
        ";;;=",
        "",
    ],
    "Content-Range": ["items 0-9/57", "items */0", "items 9-0/-1", "bytes 0-1/" + "9" * 50, "/", "items 0-9/\u0665"],
    "X-Total-Count": ["57", "0", "-1", "1e9", "9" * 30, "\u0665", "", "57, 58", "0x10"],
    "X-Result-Count": ["20", "-5", "x"],
    "Content-Encoding": ["gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", "x-unknown", ""],
    "Transfer-Encoding": ["chunked", "gzip", "chunked, chunked", "identity", "x"],
    "Content-Length": ["0", "1", "5", "99999", "-1", "1e3", "9" * 40, "5, 5", "\u0665"],
    "Connection": ["close", "keep-alive", "upgrade", "x, y, close"],
    "Upgrade": ["h2c", "websocket"],
    "Set-Cookie": ["a=b", "=;;=", "a=" + "b" * 9000, "\x01"],
    "WWW-Authenticate": ["Basic", "Negotiate " + "A" * 5000, "Digest nonce=1"],
    "Trailer": ["X"],
}
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.text(max_size=8),
    st.sampled_from(
        ["2026-11-23T10:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "\u0000", "x" * 3000]
    ),
)
_NAMES = st.sampled_from(
    [
        "id",
        "href",
        "status",
        "lastUpdate",
        "timeChanged",
        "name",
        "error",
        "code",
        "message",
        "items",
        "data",
        "result",
        "serviceProblem",
        "content",
        "value",
        "next",
        "nextPage",
        "nextCursor",
        "_links",
        "paging",
        "links",
        "total",
        "count",
        "totalElements",
        "last",
        "hasMore",
        "callback",
        "query",
        "access_token",
        "expires_in",
        "@type",
        "note",
    ]
)
_DOCUMENTS = st.recursive(
    _VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | st.text(max_size=3), inner, max_size=5),
    max_leaves=20,
)
_RAW_BODIES = [
    b"",
    b"null",
    b"[",
    b"[" * 5000,
    b'{"a":' * 3000,
    b"]",
    b"NaN",
    b'[{"id":NaN}]',
    b'[{"id":"1","x":Infinity},{"id":"2"}]',
    b'[{"id":"\\ud800"}]',
    b'\xef\xbb\xbf[{"id":"1"}]',
    b"\xff\xfe[\x00]\x00",
    b"<html>maintenance</html>",
    b'["a","b"]',
    b"[1,2,3]",
    b'{"items":null}',
    b'[{"id":1}' + b',{"id":1}' * 999 + b"]",
    b'{"id":"7f3a","status":500,"error":"Internal Server Error"}',
    b'{"id":7,"result":[{"id":"1"}]}',
    b"9" * 5000,
    b'[{"id":' + b"9" * 5000 + b"}]",
    b"\x00" * 100,
    b"\x1f\x8b\x08\x00broken",
]


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What goes over the wire, piece by piece. `held`: the connection then stays open until the other side closes."""

    pieces: tuple[bytes, ...]
    held: bool = False


def _dumped(document: object) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:
        return repr(document).encode("utf-8", "backslashreplace")


# Made once: to make a strategy costs more than to draw from it.
_WHOLE_BODIES = st.one_of(_DOCUMENTS.map(_dumped), st.sampled_from(_RAW_BODIES), st.binary(max_size=60))
_CUT_BODIES = st.tuples(_WHOLE_BODIES, st.integers(0, 40)).map(lambda drawn: drawn[0][: drawn[1]])
_BODIES = st.one_of(_WHOLE_BODIES, _WHOLE_BODIES, _WHOLE_BODIES, _CUT_BODIES, _WHOLE_BODIES.map(gzip.compress))
_LINES = st.one_of(
    st.sampled_from([b"HTTP/1.1 %d x" % status for status in _STATUSES]),
    st.just(b"HTTP/1.1 200 OK"),
    st.sampled_from(_STATUS_LINES),
)
_MOST_VALUES = max(map(len, _HEADERS.values()))
# every name as often as any other
_NAMED = st.sampled_from(
    [(name, each[at % len(each)]) for name, each in _HEADERS.items() for at in range(_MOST_VALUES)]
)
_ODD = st.tuples(
    st.sampled_from(["X", "X-Y", "Content-Type", " folded", "X\x00", "", "Set-Cookie"]),
    st.text(st.characters(codec="latin-1"), max_size=20),
)
_HEADER_LISTS = st.lists(st.one_of(_NAMED, _NAMED, _NAMED, _ODD), max_size=5)
_LINE_ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])


@st.composite
def raw_answers(draw: st.DrawFn, *, held: bool = True) -> RawAnswer:
    """Draw an answer with any status, headers, body (JSON with the names that clients look for, JSON cut off,
    compressed, or no JSON at all) and cut; with `held`, a few never end.
    """
    line, body, headers = draw(_LINES), draw(_BODIES), draw(_HEADER_LISTS)
    if draw(st.integers(0, 40)) == 0:
        headers += [("X-Large", "y" * draw(st.sampled_from([9_000, 70_000])))]
    if draw(st.integers(0, 40)) == 0:
        headers += [("X-Many", "z")] * draw(st.sampled_from([150, 600]))
    if draw(st.integers(0, 3)):
        headers.append(("Content-Length", str(len(body))))
    lines = [line, *(f"{name}: {value}".encode("utf-8", "surrogateescape") for name, value in headers)]
    end = draw(_LINE_ENDS)
    whole = end.join(lines) + end + end + body
    if draw(st.integers(0, 9)) == 0:
        whole = whole[: draw(st.integers(0, len(whole)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    edges = [0, *cuts, len(whole)]
    pieces = tuple(whole[start:stop] for start, stop in pairwise(edges))
    return RawAnswer(pieces, held=held and draw(st.integers(0, 60)) == 0)


async def _request(stream: SocketStream) -> bytes:
    """Read one request, its body included; empty when the other side closed."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            while len(body) < int(value):
                body += await stream.receive()
    return received


@asynccontextmanager
async def serving_raw(answer: Callable[[bytes], RawAnswer]) -> AsyncIterator[str]:
    """Answer each request with the bytes that `answer` gives for it; yields the origin. One request a connection."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                given = answer(await _request(stream))
                for piece in given.pieces:
                    await stream.send(piece)
                while given.held:
                    await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - of a socket, not of Django
        yield f"http://127.0.0.1:{port}"
        group.cancel_scope.cancel()
