"""Requests whose head is known are taken past aiohttp: nobody who talks to the bridge can tell."""

import asyncio
import gzip
import itertools
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import DatabaseUnavailableError, OverdueError, UnreadableError
from bridge.ingest.group_commit import resolve
from bridge.ingest.receiver import Outcome
from bridge.telemetry.metrics import Metrics
from bridge.web.connections import ConnectionLimit, CountedConnection
from bridge.web.listener.admission import Gate
from bridge.web.listener.endpoint import BodyLimits, ListenerEndpoint
from bridge.web.listener.fast_path import FastPath, FastPathConnection
from bridge.web.ops.health import livez
from bridge.web.routes import Routes, WebPage

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Source:
    """As much of a SourceState as the listener looks at."""

    name: str
    version: str | None
    secrets: tuple[str, ...] = ("secret",)
    retired: frozenset[bytes] = frozenset()
    settings: Any = field(default_factory=lambda: SimpleNamespace(enabled=True))


@dataclass
class Application:
    """Stores bodies in the order in which they came: at once, or, while `holding`, when it is released."""

    sources: dict[str, Any] = field(default_factory=lambda: {"four": Source("four", "4"), "five": Source("five", "5")})
    bodies: list[bytes] = field(default_factory=list)
    holding: bool = False
    held: list[tuple[asyncio.Future[Outcome], Outcome]] = field(default_factory=list)

    def submit(self, _source: Any, body: bytes, _hint: str | None, _at: datetime, /) -> asyncio.Future[Outcome]:
        self.bodies.append(body)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outcome: Outcome = "applied"
        if body.startswith(b"away"):
            outcome = DatabaseUnavailableError("away", retry_after_seconds=7)
        elif body.startswith(b"late"):
            outcome = OverdueError("late")
        elif not body.startswith(b"{"):
            outcome = UnreadableError("not_json", "no JSON", hint="", malformed=True)
        if self.holding:
            self.held.append((future, outcome))
        else:
            future.set_result(outcome)
        return future

    def release(self) -> None:
        self.holding = False
        while self.held:
            future, outcome = self.held.pop(0)
            resolve(future, outcome)


class Line(asyncio.Transport):
    """A connection's other side: keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.paused, self.closed = b"", False, asyncio.Event()
        self.on_write: Callable[[], object] | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 4321) if name == "peername" else default

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def write(self, data: Any) -> None:
        assert not self.closed.is_set()
        self.written += bytes(data)
        then, self.on_write = self.on_write, None
        if then is not None:
            then()

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closed.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    @property
    def answers(self) -> list[bytes]:
        """What was answered so far, without the date."""
        plain = re.sub(rb"Date: [^\r]*\r\n", b"", self.written)
        return [b"HTTP/1.1 " + answer for answer in plain.split(b"HTTP/1.1 ")[1:]]


class Watched(FastPathConnection):
    """A connection that tells when its timer has run twice."""

    looks = 0

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.looked_twice = asyncio.Event()

    def _process_keepalive(self) -> None:
        self.looks += 1
        if self.looks == 2:
            self.looked_twice.set()
        super()._process_keepalive()


@dataclass
class Rig:
    application: Application
    server: web.Server
    connection: CountedConnection
    line: Line
    metrics: Metrics

    async def send(self, data: bytes) -> None:
        """As a transport does: nothing while it is paused."""
        await until(lambda: not self.line.paused)
        if not self.line.closed.is_set():
            self.connection.data_received(data)

    async def answered(self, number: int) -> list[bytes]:
        await until(lambda: len(self.line.answers) >= number or self.line.closed.is_set())
        return self.line.answers


async def until(holds: Callable[[], Any]) -> None:
    """Let the loop turn until it is so."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while not holds():
            await anyio.lowlevel.checkpoint()


async def turns(number: int) -> None:
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def rig(
    *, fast: bool = True, keepalive_seconds: float = 15.0, body_seconds: float = 10.0, **gates: Gate
) -> AsyncIterator[Rig]:
    application, metrics = Application(), Metrics()
    endpoint = ListenerEndpoint(metrics, BodyLimits(2000, 4000, body_seconds), gates)
    endpoint.receiver = application
    routes = Routes(endpoint.handlers(), {"/livez": WebPage(livez)})
    runner = web.ServerRunner(web.Server(routes.answer), shutdown_timeout=0.02)
    await runner.setup()
    assert runner.server is not None
    options: dict[str, Any] = {
        "limit": ConnectionLimit(),
        "loop": asyncio.get_running_loop(),
        "access_log": None,
        "auto_decompress": False,
        "keepalive_timeout": keepalive_seconds,
        "lingering_time": 0,
    }
    connection: CountedConnection
    if fast:
        connection = Watched(runner.server, fast_path=FastPath(endpoint.take), **options)
    else:
        connection = CountedConnection(runner.server, **options)
    line = Line()
    connection.connection_made(line)
    await until(lambda: cast("Any", connection)._waiter is not None)
    try:
        yield Rig(application, runner.server, connection, line, metrics)
    finally:
        application.release()
        await runner.cleanup()
        connection.connection_lost(None)


def post(body: bytes, *headers: str, path: str = "/listener/four/secret", version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: bridge", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


CHUNKED = b"POST /listener/four/secret HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{'c'}\r\n0\r\n\r\n"
REQUESTS = st.sampled_from(
    [
        *[post(b'{"n": %d}' % number) for number in range(3)] * 2,
        post(b'{"five": 5}', path="/listener/five/secret/listener/aEvent"),
        post(b"no JSON!"),
        post(b"away ..."),
        post(b"late ..."),
        post(b'{"w": 0}', path="/listener/four/wrongs"),
        post(b'{"t": 1}', "Traceparent: 00-1-2-3"),
        post(b'{"e": 1}', "Content-Encoding: identity"),
        post(b""),
        post(b"{%b}" % (b" " * 3000)),
        post(b"\r\n\r\n"),
        CHUNKED,
        b"GET /livez HTTP/1.1\r\nHost: bridge\r\n\r\n",
    ]
)
LASTS = st.sampled_from(
    [
        b"",
        post(b'{"l": 1}', "Connection: close"),
        post(b'{"l": 1}', version="1.0"),
        b"nonsense\r\n\r\n",
        post(b'{"l": 1}')[:-3],
    ]
)


@given(
    requests=st.lists(st.tuples(REQUESTS, st.booleans()), min_size=1, max_size=8),
    last=LASTS,
    cuts=st.sets(st.integers(1, 1000), max_size=6),
    pauses=st.lists(st.integers(0, 40), min_size=1, max_size=8),
)
async def test_nobody_can_tell(
    requests: Sequence[tuple[bytes, bool]], last: bytes, cuts: set[int], pauses: Sequence[int]
) -> None:
    """However the requests come: each by itself or with others before it, and cut through anywhere."""
    whole = b"".join(request for request, _ in requests) + last
    ends = itertools.accumulate(len(request) for request, _ in requests)
    cuts |= {end for end, (_, alone) in zip(ends, requests, strict=True) if alone}
    edges = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    said = []
    for fast in (False, True):
        async with rig(fast=fast) as it:
            for (start, end), pause in zip(itertools.pairwise(edges), itertools.cycle(pauses), strict=False):
                await it.send(whole[start:end])
                await turns(pause)
            answers = await it.answered(len(requests))
            await turns(40)
            said.append((it.line.answers, it.application.bodies, it.line.closed.is_set()))
            assert len(answers) <= len(it.line.answers)
    assert said[0] == said[1]


async def test_only_the_first_request_of_its_kind_goes_through_the_library() -> None:
    async with rig() as it:
        for number in range(5):
            await it.send(post(b'{"n": %d}' % number))
            assert len(await it.answered(number + 1)) == number + 1
            await turns(10)
        assert it.server.requests_count == 1
        await it.send(post(b'{"n": 10}'))
        await it.answered(6)
        assert it.server.requests_count == 2, "another length is another head"
        assert it.application.bodies == [b'{"n": %d}' % number for number in (0, 1, 2, 3, 4, 10)]
        assert len(set(it.line.answers)) == 1
        assert it.metrics.acknowledge.collect()[0].samples[-2].value == 6


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (("Content-Encoding: gzip",), gzip.compress(b'{"z": 1}', mtime=0)),
        (("Expect: 100-continue",), b'{"z": 1}'),
        (("Upgrade: h2c", "Connection: Upgrade"), b'{"z": 1}'),
    ],
    ids=["packed", "expecting", "upgrading"],
)
async def test_a_head_that_says_more_is_read_each_time(headers: Sequence[str], body: bytes) -> None:
    async with rig() as it:
        for number in range(2):
            await it.send(post(body, *headers))
            await until(lambda number=number: len(it.application.bodies) > number)
            await turns(10)
        assert it.application.bodies == [b'{"z": 1}'] * 2
        assert it.server.requests_count == 2


@pytest.mark.parametrize("before", [b"", post(b'{"n": 2}'), post(b'{"n": 2}') * 2], ids=["alone", "behind", "third"])
async def test_a_body_that_reads_like_a_request_is_a_body(before: bytes) -> None:
    inner = post(b'{"n": 9}')
    outer = post(inner)
    async with rig() as it:
        await it.send(post(b'{"n": 1}'))
        await it.answered(1)
        await turns(10)
        await it.send(before + outer[: -len(inner)])
        await turns(10)
        await it.send(inner)
        answers = await it.answered(2 + before.count(b"POST"))
        assert it.application.bodies == [b'{"n": 1}', *[b'{"n": 2}'] * before.count(b"POST"), inner]
        assert answers[-1].startswith(b"HTTP/1.1 400 ")


async def test_a_connection_that_is_left_takes_nothing_more() -> None:
    async with rig() as it:
        await _warm(it)
        it.application.release()
        await it.answered(2)
        it.connection.close()
        await it.send(post(b'{"n": 3}'))
        await turns(20)
        assert it.application.bodies == [b'{"n": 1}', b'{"n": 2}']


@pytest.mark.parametrize("body", [b"no JSON!", b"away ...", b"late ..."])
async def test_what_is_not_kept_is_answered_as_ever(body: bytes) -> None:
    said = []
    for fast in (False, True):
        async with rig(fast=fast) as it:
            await it.send(post(b'{"n": 1}'))
            await it.answered(1)
            await turns(10)
            await it.send(post(body))
            await it.answered(2)
            await turns(10)
            assert it.server.requests_count == (1 if fast else 2)
            said.append(
                (it.line.answers, it.line.closed.is_set(), it.metrics.in_progress.collect()[0].samples[0].value)
            )
    assert said[0] == said[1]
    assert said[1][1] is False


async def test_what_was_answered_takes_no_room_any_more() -> None:
    async with rig() as it:
        for number in range(6):
            await it.send(post(b"{%b}" % (b" " * 1500)))
            await it.answered(number + 1)
            await turns(10)
        assert it.server.requests_count == 1


async def test_a_source_with_demands_is_looked_at_each_time() -> None:
    async with rig(four=Gate(where=(lambda _: None,))) as it:
        for number in range(3):
            await it.send(post(b'{"n": 1}'))
            await it.answered(number + 1)
            await turns(10)
        assert it.server.requests_count == 3


async def _warm(it: Rig) -> None:
    """Have the head known, and a request with it under way."""
    await it.send(post(b'{"n": 1}'))
    await it.answered(1)
    await turns(10)
    it.application.holding = True
    await it.send(post(b'{"n": 2}'))
    assert it.server.requests_count == 1


async def test_nothing_is_taken_before_the_library_waits_again() -> None:
    """Until then it has not begun to count how long the connection is idle, and would cut the next request off."""
    async with rig() as it:
        it.line.on_write = lambda: asyncio.get_running_loop().call_soon(it.connection.data_received, post(b'{"n": 2}'))
        await it.send(post(b'{"n": 1}'))
        await it.answered(2)
        await turns(10)
        assert it.application.bodies == [b'{"n": 1}', b'{"n": 2}']
        assert it.server.requests_count == 2


async def test_e3_a_head_that_drips_behind_a_known_one_is_cut_off_as_on_a_fresh_connection() -> None:
    """aiohttp's own limit: a whole head within the keep-alive time after the last answer, however bytes trickle in."""
    closed_after = []
    for known in (False, True):
        async with rig(keepalive_seconds=0.8) as it:
            if known:
                for number in (1, 2):
                    await it.send(post(b'{"n": %d}' % number))
                    await it.answered(number)
                    await turns(10)
                assert it.server.requests_count == 1
            sent = 0
            with anyio.fail_after(PATIENCE_SECONDS):
                while not it.line.closed.is_set():
                    it.connection.data_received(post(b'{"n": 3}')[sent : sent + 1] or b" ")
                    sent += 1
                    with anyio.move_on_after(0.05):
                        await it.line.closed.wait()
            closed_after.append(sent)
            assert it.application.bodies == ([b'{"n": 1}', b'{"n": 2}'] if known else [])
    assert max(closed_after) < 30


async def test_e3_a_body_that_drips_behind_a_known_head_has_the_time_of_any_body() -> None:
    async with rig(body_seconds=0.1) as it:
        for number in (1, 2):
            await it.send(post(b'{"n": %d}' % number))
            await it.answered(number)
            await turns(10)
        await it.send(post(b'{"n": 3}')[:-3])
        answers = await it.answered(3)
        assert answers[2].startswith(b"HTTP/1.1 408 ")
        with anyio.fail_after(PATIENCE_SECONDS):
            await it.line.closed.wait()


async def test_the_time_limit_counts_from_the_last_answer_whether_aiohttp_gave_it_or_not() -> None:
    async with rig(keepalive_seconds=1000) as it:
        limits = [0.0]
        for number, path in enumerate(("secret", "secret", "secret", "wrongs", "secret"), 1):
            await it.send(post(b'{"n": %d}' % number, path=f"/listener/four/{path}"))
            await it.answered(number)
            await turns(10)
            limits.append(cast("Any", it.connection)._next_keepalive_close_time)
        assert it.server.requests_count == 3
        assert limits == sorted(set(limits))


async def test_a_stop_waits_for_the_answer() -> None:
    async with rig() as it, anyio.create_task_group() as group:
        await _warm(it)
        it.server.pre_shutdown()
        group.start_soon(it.server.shutdown, PATIENCE_SECONDS)
        await turns(20)
        assert not it.line.closed.is_set()
        it.application.release()
        await it.line.closed.wait()
        assert len(it.line.answers) == 2


async def test_a_stop_does_not_wait_for_ever() -> None:
    async with rig() as it:
        await _warm(it)
        it.server.pre_shutdown()
        await it.server.shutdown(0.05)
        assert it.line.closed.is_set()
        assert len(it.line.answers) == 1


async def test_a_sender_that_has_gone_is_not_answered() -> None:
    async with rig() as it:
        await _warm(it)
        it.connection.connection_lost(None)
        it.application.release()
        await turns(10)
        assert it.application.bodies == [b'{"n": 1}', b'{"n": 2}']
        assert len(it.line.answers) == 1


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    async with rig(keepalive_seconds=0.02) as it:
        await _warm(it)
        with anyio.fail_after(PATIENCE_SECONDS):
            await cast("Watched", it.connection).looked_twice.wait()
        assert not it.line.closed.is_set()
        it.application.release()
        with anyio.fail_after(PATIENCE_SECONDS):
            await it.line.closed.wait()
        assert len(it.line.answers) == 2


async def test_what_comes_while_one_is_under_way_waits_its_turn() -> None:
    async with rig() as it:
        await _warm(it)
        it.connection.data_received(post(b'{"n": 3}') + post(b'{"n": 4}'))
        assert it.line.paused
        await turns(20)
        assert it.application.bodies == [b'{"n": 1}', b'{"n": 2}']
        it.application.release()
        await it.answered(4)
        assert not it.line.paused
        assert it.application.bodies == [b'{"n": %d}' % number for number in (1, 2, 3, 4)]


async def test_no_more_heads_are_kept_than_may_be() -> None:
    taken: list[bytes] = []
    fast_path = FastPath(lambda _callback, body, _answer: not taken.append(body))
    for number in range(3000):
        assert fast_path.remember(post(b"{}", f"X: {number}"), cast("Any", None), 2)
    known = [number for number in range(3000) if fast_path.take(post(b"{}", f"X: {number}"), cast("Any", None))]
    assert known == list(range(3000 - 1024, 3000))
    assert not fast_path.remember(post(b"{}") + b"more", cast("Any", None), 2)
    assert not fast_path.remember(b"no head", cast("Any", None), 2)
