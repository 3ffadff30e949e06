"""A bridge that runs, the TMF656 server it follows, and HTTP down to the bytes; one database a test module."""

import io
import itertools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import asyncpg
import orjson
import pytest
import structlog
from aiohttp import web
from anyio.streams.buffered import BufferedByteReceiveStream

from bridge.app import Bridge, RunningBridge
from bridge.postgres.embedded import Embedded
from bridge.settings import Settings

PATIENCE_SECONDS = 90.0
_numbers = itertools.count(1)


@dataclass
class Upstream:
    """A TMF656 server without a hub: answers what `problems` holds, under any base path; `lists` counts by base path
    how often it was asked for all; another `status` than 200 is all it answers.
    """

    url: str = ""
    problems: dict[str, dict[str, Any]] = field(default_factory=dict)
    lists: Counter[str] = field(default_factory=Counter)
    status: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        if self.status != 200:
            return web.json_response({"code": "1", "reason": "as set"}, status=self.status)
        base, found, last = request.path.rstrip("/").rpartition("/serviceProblem")
        if request.method != "GET" or not found:
            return web.json_response({"code": "404", "reason": "no such resource"}, status=404)
        if not last:
            self.lists[base] += 1
            offset = int(request.query.get("offset", "0"))
            return web.json_response(list(self.problems.values())[offset:])
        problem = self.problems.get(last.removeprefix("/"))
        return web.json_response(problem or {}, status=200 if problem else 404)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as it came over the wire; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class Wire:
    """One connection on which a test writes bytes and reads answers."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._incoming = BufferedByteReceiveStream(stream)

    async def send(self, raw: bytes) -> None:
        await self._stream.send(raw)

    async def post(self, path: str, body: bytes, *headers: str) -> Answer:
        await self.send(head(path, f"Content-Length: {len(body)}", *headers) + body)
        return await self.answer()

    async def answer(self) -> Answer:
        """Read one answer that says how long it is."""
        with anyio.fail_after(PATIENCE_SECONDS):
            first, *lines = (await self._incoming.receive_until(b"\r\n\r\n", 65536)).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", "0"))
            body = await self._incoming.receive_exactly(length) if length else b""
        return Answer(int(first.split()[1]), headers, body)

    async def ended(self) -> bool:
        """Wait until the other side closes."""
        with anyio.fail_after(PATIENCE_SECONDS):
            try:
                while True:
                    await self._incoming.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return True


def head(path: str, *headers: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: bridge", *headers, "", ""]).encode("latin-1")


@asynccontextmanager
async def _upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", upstream.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield upstream
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _bridge(settings: dict[str, Any]) -> AsyncIterator[RunningBridge]:
    ready = anyio.Event()
    running: list[RunningBridge] = []

    def on_ready(it: RunningBridge) -> None:
        running.append(it)
        ready.set()

    patient = {"answer_timeout_seconds": 30} | settings["http"]
    settings = {"journal": {"max_bytes": 0}} | settings | {"http": patient}
    bridge = Bridge(Settings.model_validate(settings), on_ready=on_ready)
    async with anyio.create_task_group() as group:
        group.start_soon(bridge.run)
        with anyio.fail_after(PATIENCE_SECONDS):
            await ready.wait()
        try:
            yield running[0]
        finally:
            bridge.stop()


@asynccontextmanager
async def _wire(url: str) -> AsyncIterator[Wire]:
    parts = urlsplit(url)
    async with await anyio.connect_tcp(parts.hostname or "", parts.port or 80) as stream:
        yield Wire(stream)


async def _eventually(holds: Callable[[], Any], *, timeout_seconds: float = PATIENCE_SECONDS) -> Any:
    """Poll until `holds()` (awaited when it is awaitable) is true; return it."""
    with anyio.fail_after(timeout_seconds):
        while True:
            value = holds()
            value = await value if isinstance(value, Awaitable) else value
            if value:
                return value
            await anyio.sleep(0.02)


@pytest.fixture(scope="session")
def open_upstream() -> Callable[[], Any]:
    """Call it for a context manager that yields an Upstream that listens."""
    return _upstream


@pytest.fixture(scope="session")
def open_bridge() -> Callable[[dict[str, Any]], Any]:
    """Call it with settings for a context manager that yields a bridge that is ready."""
    return _bridge


@pytest.fixture(scope="session")
def open_wire() -> Callable[[str], Any]:
    """Call it with a URL for a context manager that yields a connection."""
    return _wire


@pytest.fixture(scope="session")
def request_head() -> Callable[..., bytes]:
    """Make the head of a request."""
    return head


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Awaitable[Any]]:
    """Wait for a condition in the database or of a server."""
    return _eventually


@pytest.fixture(scope="session")
def post() -> Callable[..., Awaitable[Answer]]:
    """Post one body to a URL."""

    async def send(url: str, body: bytes | dict[str, Any], **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=io.BytesIO(raw), headers={"Content-Type": "application/json"} | headers) as answer,
        ):
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read())

    return send


@pytest.fixture(scope="session")
def get() -> Callable[..., Awaitable[Answer]]:
    """Fetch a URL."""

    async def fetch(url: str, **headers: str) -> Answer:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, headers=headers) as answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read())

    return fetch


def _spelled_out(dsn: str) -> str:
    """The configuration wants `postgresql://` also before an empty host, which urllib leaves out."""
    return "postgresql:///" + dsn.removeprefix("postgresql:").lstrip("/")


@pytest.fixture(scope="module")
async def shared_dsn(postgres: Embedded) -> AsyncIterator[str]:
    """The DSN of a migrated database for all tests of a module."""
    name = f"web_{next(_numbers)}"
    connection = await asyncpg.connect(postgres.dsn)
    try:
        await connection.execute(f"create database {name} template bridge_template")
        yield _spelled_out(urlsplit(postgres.dsn)._replace(path=f"/{name}").geturl())
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    """The server that the module's bridge follows."""
    async with _upstream() as listening:
        yield listening


@pytest.fixture
def keep_logging() -> Iterator[None]:
    """Give back what a command that runs within this process does to logging."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configured)
