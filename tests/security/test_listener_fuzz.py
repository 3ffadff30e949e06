"""Anything on a socket of the listener: the process lives, other senders are answered, and memory is bounded.

1,200 connections in the short form (120 examples of ten), each with bytes of its own: pieces of requests, heads that
are known, bodies of any kind, cut anywhere, left open or closed. Between them a sender posts, and is answered.
"""

import resource
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.app import RunningBridge

pytestmark = pytest.mark.anyio

SECRET = "fuzz-secret-0123456789ab"
PATH = f"/listener/snow/{SECRET}"
MOST_GROWTH_BYTES = 200 * 1024**2

METHODS = st.sampled_from(["POST", "GET", "OPTIONS", "HEAD", "PUT", "PRI", "CONNECT", "\0", "POST " * 3, "é"])
PATHS = st.sampled_from(
    [PATH, PATH + "//listener/aEvent", "/listener/snow/wrong", "/metrics", "/stream", "*", "//", "/%zz"]
)
HEADERS = st.sampled_from(
    [
        "Host: x",
        "Content-Length: 0",
        "Content-Length: 5",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Encoding: gzip",
        "Content-Encoding: deflate",
        "Content-Type: application/json; charset=punycode",
        "Content-Type: application/json; charset=utf-16",
        'Content-Type: ;;;charset="',
        "Expect: 100-continue",
        "Expect: a miracle",
        "Upgrade: h2c\r\nConnection: Upgrade",
        "Connection: close",
        "Authorization: Basic \xff",
        "X-Forwarded-For: [::1",
        "traceparent: 00-0-0-00",
        "X: " + "y" * 9000,
        ": no name",
        "folded: a\r\n b",
        "\0: \0",
    ]
)
BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"{}", b"[]", b"[{}]", b"{", b"[" * 5000, b'{"event":' * 500, b"5\r\n{}   \r\n0\r\n\r\n", b"\x1f\x8b" * 9]
    ),
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=9,
    ).map(lambda value: orjson.dumps({"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": value}})),
)
KNOWN = b"POST %b HTTP/1.1\r\nHost: known\r\nContent-Length: %d\r\n\r\n%b"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request, more or less."""
    body = draw(BODIES)
    if draw(st.integers(0, 3)) == 0:
        return KNOWN % (PATH.encode(), len(body), body)
    lines = [f"{draw(METHODS)} {draw(PATHS)} HTTP/{draw(st.sampled_from(['1.1', '1.0', '2.0', '9']))}"]
    lines += draw(st.lists(HEADERS, max_size=4))
    if draw(st.booleans()):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


CONNECTIONS = st.lists(
    st.tuples(
        st.one_of(st.lists(requests(), min_size=1, max_size=3).map(b"".join), st.binary(max_size=99)), st.booleans()
    ),
    min_size=10,
    max_size=10,
)


@pytest.fixture(scope="module")
async def bridge(shared_dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> AsyncIterator[RunningBridge]:
    source = {"url": upstream.url, "push": False, "callback_secret": SECRET, "poll_interval_seconds": 86_400}
    http = {"port": 0, "body_timeout_seconds": 0.5, "keepalive_timeout_seconds": 1, "max_body_bytes": 65536}
    async with open_bridge({"database": {"dsn": shared_dsn}, "http": http, "sources": {"snow": source}}) as running:
        yield running


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@settings(max_examples=120, suppress_health_check=list(HealthCheck), deadline=None)
@given(connections=CONNECTIONS, cut=st.integers(0, 400))
async def test_whatever_is_sent_the_next_sender_is_answered(
    bridge: RunningBridge, post: Callable[..., Any], connections: list[tuple[bytes, bool]], cut: int
) -> None:
    parts = urlsplit(bridge.url)
    grown = _resident_bytes() - STARTED_AT.setdefault("bytes", _resident_bytes())
    opened = []
    for raw, leave in connections:
        one = socket.create_connection((parts.hostname or "", parts.port or 0))
        one.setblocking(False)
        one.send(raw[:-cut] if cut and cut < len(raw) else raw)
        if leave:
            one.close()
        else:
            opened.append(one)
    await anyio.lowlevel.checkpoint()
    problem = {"id": "SP-fuzz", "status": "held", "lastUpdate": "2026-06-01T12:00:00Z"}
    event = {"eventType": "ServiceProblemStateChangeEvent", "event": {"serviceProblem": problem}}
    assert (await post(f"{bridge.url}{PATH}", event)).status == 201
    for one in opened:
        one.close()
    assert grown < MOST_GROWTH_BYTES


STARTED_AT: dict[str, int] = {}


async def test_nothing_is_left_in_progress(bridge: RunningBridge, eventually: Callable[..., Any]) -> None:
    value = bridge.metrics.registry.get_sample_value
    await eventually(lambda: value("tmf656_bridge_listener_requests_in_progress") == 0)
