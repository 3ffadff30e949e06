"""`GET /stream` as clients meet it: who is let in, what is sent, coming back, stopping, a thousand who are idle."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import orjson
import pytest

from bridge.app import RunningBridge
from bridge.web import server, stream

pytestmark = pytest.mark.anyio

TOKEN = "a-token-for-the-stream-0123456789"
OTHER_TOKEN = "the-token-that-comes-next-0123456789"
SECRET = "stream-secret-0123456789ab"
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
LIMIT_SECONDS = 30.0
IDLE = 1000


@dataclass
class Reader:
    """Reads events off an answer; `last_id` is what a browser would come back with."""

    answer: aiohttp.ClientResponse
    last_id: str = ""

    async def event(self) -> tuple[str, Any]:
        kind, said = "", ""
        with anyio.fail_after(LIMIT_SECONDS):
            async for line in self.answer.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    said = value
                elif not name and said:
                    return kind, orjson.loads(said)
        raise EOFError

    async def placed(self) -> "Reader":
        """Read up to the first id, from which on nothing is missed."""
        with anyio.fail_after(LIMIT_SECONDS):
            while not self.last_id:
                name, _, value = (await self.answer.content.readline()).decode().strip().partition(": ")
                self.last_id = value if name == "id" else ""
        return self


@asynccontextmanager
async def reading(bridge: RunningBridge, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=LIMIT_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout, read_bufsize=2**22) as session,
        session.get(f"{bridge.url}/stream{query}", headers=AUTHORISED | headers) as answer,
    ):
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield await Reader(answer).placed()


def settings(dsn: str, url: str, **http: Any) -> dict[str, Any]:
    source = {"url": url, "push": False, "callback_secret": SECRET, "poll_interval_seconds": 86_400}
    most = {"max_connections": 2 * IDLE, "max_connections_per_peer": 2 * IDLE}
    tokens = {"stream_token": f"{TOKEN} {OTHER_TOKEN}"}
    return {"database": {"dsn": dsn}, "http": {"port": 0} | most | tokens | http, "sources": {"snow": source}}


@pytest.fixture(scope="module")
async def bridge(shared_dsn: str, upstream: Any, open_bridge: Any) -> AsyncIterator[RunningBridge]:
    async with open_bridge(settings(shared_dsn, upstream.url)) as running:
        yield running


@pytest.fixture
def push_state(bridge: RunningBridge, post: Any) -> Any:
    """Have the source push a state."""

    async def push(problem_id: str, status: str, minute: int = 0, running: RunningBridge = bridge) -> None:
        problem = {"id": problem_id, "status": status, "lastUpdate": f"2026-06-01T12:{minute:02}:00Z", "category": "x"}
        event = {"eventType": "ServiceProblemStateChangeEvent", "event": {"serviceProblem": problem}}
        answer = await post(f"{running.url}/listener/snow/{SECRET}", event)
        assert answer.status == 201

    return push


async def test_a_change_is_sent_as_it_is_committed(bridge: RunningBridge, push_state: Any) -> None:
    async with reading(bridge) as plain, reading(bridge, "?body=true") as whole:
        await push_state("SP-1", "inProgress")
        kind, said = await plain.event()
        assert kind == "service_problem"
        assert (said["source"], said["id"], said["status"], said["deleted"]) == ("snow", "SP-1", "inProgress", False)
        assert "body" not in said
        body = (await whole.event())[1].pop("body")
        assert (body["id"], body["status"], body["category"]) == ("SP-1", "inProgress", "x")


async def test_source_and_status_choose(bridge: RunningBridge, push_state: Any) -> None:
    async with reading(bridge, "?status=held&status=closed&source=snow") as some:
        await push_state("SP-2", "inProgress", 1)
        await push_state("SP-2", "held", 2)
        assert (await some.event())[1]["status"] == "held"


async def test_who_comes_back_with_the_last_id_misses_nothing(bridge: RunningBridge, push_state: Any) -> None:
    async with reading(bridge) as before:
        await push_state("SP-3", "inProgress", 1)
        await before.event()
    await push_state("SP-4", "inProgress", 1)
    async with reading(bridge, **{"Last-Event-ID": before.last_id}) as again:
        await push_state("SP-5", "inProgress", 1)
        assert [(await again.event())[1]["id"] for _ in range(2)] == ["SP-4", "SP-5"]


async def test_an_id_of_another_database_resets(bridge: RunningBridge) -> None:
    async with reading(bridge, **{"Last-Event-ID": f"{2**62}-1"}) as reader:
        kind, said = await reader.event()
    assert kind == "reset"
    assert "report.service_problem" in said["reason"]


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {"Authorization": ""}, 401),
        ("", {"Authorization": f"Bearer {TOKEN}x"}, 401),
        ("", {"Authorization": f"Basic {TOKEN}"}, 401),
        (f"?token={TOKEN}", {"Authorization": ""}, 401),
        ("?source=other", {}, 400),
        ("?status=broken", {}, 400),
        ("?colour=red", {}, 400),
        ("", {"Last-Event-ID": "yesterday"}, 400),
        ("", {"Last-Event-ID": f"{2**64}-1"}, 400),
    ],
)
async def test_what_is_refused(bridge: RunningBridge, query: str, headers: dict[str, str], status: int) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{bridge.url}/stream{query}", headers=AUTHORISED | headers) as answer,
    ):
        assert answer.status == status
        assert (await answer.json())["code"] == str(status)


async def test_either_of_two_tokens_is_let_in(bridge: RunningBridge) -> None:
    async with reading(bridge, Authorization=f"Bearer {OTHER_TOKEN}") as reader:
        assert reader.last_id


async def test_without_a_token_there_is_no_stream(dsn: str, upstream: Any, open_bridge: Any, get: Any) -> None:
    spelled = "postgresql:///" + dsn.removeprefix("postgresql:").lstrip("/")
    async with open_bridge(settings(spelled, upstream.url, stream_token="")) as running:
        answer = await get(f"{running.url}/stream")
    assert answer.status == 404


async def test_silence_is_broken_by_the_id_that_is_current(
    bridge: RunningBridge, push_state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)
    async with reading(bridge, "?status=closed") as reader:
        first = reader.last_id
        await push_state("SP-6", "inProgress", 1)
        with anyio.fail_after(LIMIT_SECONDS):
            while reader.last_id == first:
                reader.last_id = ""
                await reader.placed()


async def test_stopping_does_not_wait_for_streams(
    dsn: str, upstream: Any, open_bridge: Any, push_state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_SHUTDOWN_SECONDS", 2 * LIMIT_SECONDS)
    spelled = "postgresql:///" + dsn.removeprefix("postgresql:").lstrip("/")
    async with AsyncExitStack() as stack:
        async with open_bridge(settings(spelled, upstream.url)) as running:
            reader = await stack.enter_async_context(reading(running))
            await push_state("SP-1", "held", running=running)
            assert (await reader.event())[1]["id"] == "SP-1"
            began = monotonic()
        assert monotonic() - began < LIMIT_SECONDS
        with pytest.raises((EOFError, aiohttp.ClientError)):
            await reader.event()
        assert running.metrics.stream_ends.labels("stopping")._value.get() == 1


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"GET /stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    with anyio.fail_after(LIMIT_SECONDS):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"id: ")


async def test_a_thousand_who_are_idle_cost_little(
    bridge: RunningBridge, push_state: Any, keep_descriptors: None
) -> None:
    """Both ends of each connection are in this process: what is measured is twice what the bridge needs, at least."""
    parts = urlsplit(bridge.url)
    async with reading(bridge) as watching:
        before = _resident_bytes()
        opened = []
        for _ in range(IDLE):
            opened.append(await asyncio.open_connection(parts.hostname, parts.port))
            await _ask(*opened[-1])
        assert bridge.metrics.stream_followers._value.get() >= IDLE + 1, "those who left may not have been noticed yet"
        grown = _resident_bytes() - before
        assert grown < IDLE * 120_000, f"{grown / IDLE:.0f} bytes each"
        await push_state("SP-7", "inProgress", 1)
        assert (await watching.event())[1]["id"] == "SP-7"
        for _, writer in opened:
            writer.close()


async def test_e6_listeners_that_never_read_are_bounded_and_their_memory_is_given_back(
    dsn: str,
    upstream: Any,
    open_bridge: Any,
    post: Any,
    eventually: Any,
    keep_descriptors: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each would have had 64 kB in its connection, and the whole event behind it."""
    monkeypatch.setattr(stream, "STALLED_SECONDS", 3600.0)
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 2.0)  # by which it is noticed that a listener has left
    spelled = "postgresql:///" + dsn.removeprefix("postgresql:").lstrip("/")
    listeners, event_bytes = 200, 1_000_000
    async with open_bridge(settings(spelled, upstream.url)) as running:
        parts = urlsplit(running.url)
        sockets = []
        for _ in range(listeners):
            one = socket.create_connection((parts.hostname or "", parts.port or 0))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.sendall(f"GET /stream?body=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
            sockets.append(one)
        followers = running.metrics.stream_followers._value
        await eventually(lambda: followers.get() == listeners)
        before = _resident_bytes()
        async with reading(running, "?body=true") as reader:
            for minute in range(3):
                problem = {
                    "id": "SP-1",
                    "status": "held",
                    "lastUpdate": f"2026-06-01T12:{minute:02}:00Z",
                    "description": "x" * event_bytes,
                }
                event = {"eventType": "ServiceProblemStateChangeEvent", "event": {"serviceProblem": problem}}
                assert (await post(f"{running.url}/listener/snow/{SECRET}", event)).status == 201
                assert len((await reader.event())[1]["body"]["description"]) == event_bytes
        grown = _resident_bytes() - before
        assert grown < listeners * 200_000 + 40_000_000, f"{grown / listeners:.0f} bytes each"
        for one in sockets:
            one.close()
        await eventually(lambda: not followers.get())


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.fixture
def keep_descriptors() -> Any:
    """Let this process have both ends of every connection open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * IDLE)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
