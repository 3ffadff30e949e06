"""Whatever a source answers, it is that source's trouble: the process lives, and the others notice nothing."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge import schedule
from bridge.app import Bridge, RunningBridge
from bridge.http import circuit_breaker
from bridge.pull import poll
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.simulator.tmf656.background import background
from bridge.sources import subscription
from tests.fuzz_answers import RawAnswer, raw_answers

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 60
ANSWERS_AT_ONCE, EXAMPLES = 100, 50
BAD = ("bad1", "bad2", "bad3", "bad4")
SECRET = "s" * 32
BUSY = b"HTTP/1.1 503 busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class MoodyServer:
    """Sends what is queued, one answer a connection, then 503; once `honest`, everything goes to a simulator."""

    simulator: Simulator
    url: str = ""
    queued: deque[RawAnswer] = field(default_factory=deque)
    honest: bool = False
    sent: int = 0
    empty: anyio.Event = field(default_factory=anyio.Event)

    async def handle(self, stream: SocketStream) -> None:
        async with stream:
            try:
                if self.honest:
                    await self._forward(stream)
                else:
                    await self._answer(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass

    async def _answer(self, stream: SocketStream) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += await stream.receive()
        if not self.queued:
            self.empty.set()
            await stream.send(BUSY)
            return
        answer = self.queued.popleft()
        self.sent += 1
        for piece in answer.pieces:
            await stream.send(piece)
        while answer.held:
            await stream.receive()

    async def _forward(self, stream: SocketStream) -> None:
        target = urlsplit(self.simulator.url)
        async with (
            await anyio.connect_tcp(str(target.hostname), int(target.port or 0)) as there,
            anyio.create_task_group() as group,
        ):

            async def pump(source: SocketStream, sink: SocketStream) -> None:
                try:
                    async for data in source:
                        await sink.send(data)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    pass
                group.cancel_scope.cancel()

            group.start_soon(pump, stream, there)
            group.start_soon(pump, there, stream)


@asynccontextmanager
async def moody(simulator: Simulator) -> AsyncIterator[MoodyServer]:
    server = MoodyServer(simulator)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, background() as tasks:
        tasks.start_soon(listener.serve, server.handle)
        path = urlsplit(simulator.url).path
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 -- of a socket, not of Django
        server.url = f"http://127.0.0.1:{port}{path}"
        yield server
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def bridge_on(dsn: str, data_dir: Path, sources: dict[str, Any]) -> AsyncIterator[RunningBridge]:
    started: list[RunningBridge] = []
    ready, over = anyio.Event(), anyio.Event()

    def on_ready(running: RunningBridge) -> None:
        started.append(running)
        ready.set()

    tables = {
        "data_dir": str(data_dir),
        "database": {"dsn": dsn if "://" in dsn else dsn.replace(":/", ":///", 1)},
        "http": {"port": 0, "answer_timeout_seconds": 30},
        "sources": sources,
    }
    bridge = Bridge(Settings.model_validate(tables), on_ready=on_ready)

    async def live() -> None:
        await bridge.run()
        over.set()

    async with background() as tasks:
        tasks.start_soon(live)
        with anyio.fail_after(PATIENCE_SECONDS):
            await ready.wait()
        yield started[0]
        bridge.stop()
        with anyio.fail_after(PATIENCE_SECONDS):
            await over.wait()


@dataclass(slots=True)
class Fuzzed:
    """A bridge with a source that answers as a test says, and one that works."""

    running: RunningBridge
    bad: MoodyServer
    good: Simulator
    session: aiohttp.ClientSession
    posted: int = 0

    def call(self) -> None:
        """Have every job of the bad sources ask at once."""
        for name in BAD:
            state = self.running.sources[name]
            state.poll_wake.call("test")
            state.reconcile_wake.call("test")
            state.refetch_wake.call("test")
            state.subscribe_wake.call("changed")

    async def post(self) -> None:
        """Send a notification of the good source, which must be answered meanwhile."""
        self.posted += 1
        problem = f'{{"id":"G-{self.posted}","status":"held","lastUpdate":"2026-06-01T12:00:00Z"}}'
        body = f'{{"eventType":"ServiceProblemCreateEvent","event":{{"serviceProblem":{problem}}}}}'
        url = f"{self.running.url}/listener/good/{SECRET}"
        with anyio.fail_after(PATIENCE_SECONDS):
            async with self.session.post(url, data=body) as answer:
                assert answer.status == 201

    def counted(self, metric: str, **labels: str) -> float:
        return self.running.metrics.registry.get_sample_value(f"tmf656_bridge_{metric}", labels) or 0.0

    def failures_match(self) -> bool:
        """Was every failure of a job of the bad sources counted, and is it known which ones fail?"""
        states = [self.running.sources[name] for name in BAD]
        jobs = [(state.name, job) for state in states for job in state.jobs.values()]
        return all(self.counted("job_failures_total", source=name, job=job.name) == job.failures for name, job in jobs)

    async def turn_honest(self) -> None:
        """The server tells the truth from now on, and whatever changes there is known within two polls."""
        self.bad.honest = True
        for problem_id in list(self.bad.simulator.problems):
            await self.bad.simulator.patch(problem_id, description=f"changed {problem_id}")
        # polls that ended while the changes were made cannot know them
        polls = {name: self.counted("polls_total", source=name, kind="poll", outcome="ok") for name in BAD}
        database = self.running.postgres.database
        with anyio.fail_after(PATIENCE_SECONDS):
            for name, before in polls.items():
                while True:
                    passed = self.counted("polls_total", source=name, kind="poll", outcome="ok") - before
                    async with database.connection() as connection:
                        changed = await connection.fetchval(
                            "select count(*) from report.service_problem "
                            "where source = $1 and description = 'changed ' || id",
                            name,
                        )
                    if changed == len(self.bad.simulator.problems):
                        break
                    # two of ours, besides one that was under way when the changes were made
                    assert passed < 3, f"{name}: {changed} problems after {passed} polls"
                    await anyio.sleep(0.05)


@pytest.fixture
async def fuzzed(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fuzzed]:
    monkeypatch.setattr(schedule, "BACKOFF_FIRST_SECONDS", 0.005)
    monkeypatch.setattr(schedule, "BACKOFF_LAST_SECONDS", 0.01)
    monkeypatch.setattr(schedule, "RETRY_AFTER_LAST_SECONDS", 0.01)
    monkeypatch.setattr(circuit_breaker, "_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(circuit_breaker, "_LONGEST_SECONDS", 0.02)
    monkeypatch.setattr(poll, "_BETWEEN_CALLS_SECONDS", 0.005)
    monkeypatch.setattr(subscription, "_ABSENT_SECONDS", 0.05)
    async with Simulator(population=7, version="4") as honest, Simulator() as good, moody(honest) as bad:
        unwell = {"url": bad.url, "request_timeout_seconds": 0.2, "poll_interval_seconds": 1, "page_size": 3}
        sources = dict.fromkeys(BAD, unwell) | {
            "good": {"url": good.url, "push": False, "callback_secret": SECRET},
        }
        with capture_logs() as said:
            async with bridge_on(dsn, tmp_path, sources) as running, aiohttp.ClientSession() as session:
                fuzzed = Fuzzed(running, bad, good, session)
                yield fuzzed
                assert bad.sent >= ANSWERS_AT_ONCE
                assert fuzzed.failures_match()
                await fuzzed.turn_honest()
        unexpected = [line["exc_info"] for line in said if line["event"] == "job failed unexpectedly"]
        assert unexpected == [], "each is an error of ours, with a message for people"


@pytest.mark.early
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # it would hide what failed
@given(answers=st.lists(raw_answers(), min_size=ANSWERS_AT_ONCE, max_size=ANSWERS_AT_ONCE))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
async def test_a_fuzz_of_answers_ends_nothing_and_holds_up_no_other_source(
    fuzzed: Fuzzed, answers: Sequence[RawAnswer]
) -> None:
    fuzzed.bad.empty = anyio.Event()
    fuzzed.bad.queued.extend(answers)
    await fuzzed.post()
    with anyio.fail_after(PATIENCE_SECONDS):
        while not fuzzed.bad.empty.is_set():
            fuzzed.call()
            with anyio.move_on_after(0.1):
                await fuzzed.bad.empty.wait()
    await fuzzed.post()
