"""The walk of one notification, or of one polled page of two rows, through the program.

`python -m tests.trace push|poll [--functions]` prints which modules are walked through, in order, how many they are,
how often the walk changes folder, and how many functions run. Each call in our own modules is counted, the simulator
aside (`sys.setprofile`); a coroutine that goes on after it has waited is no call. Walks are traced until the
shortest one has been seen twice: the others were mixed with jobs that happened to run beside them.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count, groupby, pairwise
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import anyio
import asyncpg
import orjson
import structlog
from aiohttp import web
from anyio.streams.buffered import BufferedByteReceiveStream

from bridge.app import Bridge, RunningBridge
from bridge.bootstrap import client_for, source_state_for
from bridge.postgres.embedded import embedded
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.settings import Settings
from bridge.storage import migrations
from bridge.storage.database import opened
from bridge.telemetry.metrics import Metrics
from tests.bench.notification import event, problem

_PACKAGE = Path(__file__).resolve().parent.parent / "bridge"
_LEFT_OUT = _PACKAGE / "simulator"
_TRACED, _TRACED_AT_MOST = 12, 200
_SECRET = "traced-and-found-short"
_PATIENCE_SECONDS = 30


@dataclass(slots=True)
class Walk:
    """The calls in order: module, relative to the package, and function."""

    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def modules(self) -> list[str]:
        """Each module once, in the order of the walk."""
        return list(dict.fromkeys(module for module, _ in self.calls))

    @property
    def functions(self) -> set[tuple[str, str]]:
        """Each function once."""
        return set(self.calls)

    @property
    def stops(self) -> list[str]:
        """The modules in order, without calls that stay in one."""
        return [module for module, _ in groupby(module for module, _ in self.calls)]

    @property
    def folder_changes(self) -> int:
        """How often a call stands in another folder than the one before it."""
        folders = [module.rpartition("/")[0] for module in self.stops]
        return sum(one != other for one, other in pairwise(folders))


@contextmanager
def walking() -> Iterator[Walk]:
    """Record the calls in our modules, in this thread, until the block ends."""
    walk, package, left_out = Walk(), f"{_PACKAGE}/", f"{_LEFT_OUT}/"

    def on_event(frame: FrameType, kind: str, _: object) -> None:
        code = frame.f_code
        if kind != "call" or is_resumed(frame):
            return
        if code.co_filename.startswith(package) and not code.co_filename.startswith(left_out):
            walk.calls.append((code.co_filename[len(package) :], code.co_qualname))

    sys.setprofile(on_event)
    try:
        yield walk
    finally:
        sys.setprofile(None)


def is_resumed(frame: FrameType) -> bool:
    """Is this call the continuation of a coroutine or generator? The instruction RESUME says so in its argument."""
    return frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti + 1] & 3 != 0


async def push(dsn: str) -> Walk:
    """Trace one notification from the socket to the answer, on a connection that has sent some before."""
    numbers = count()
    async with _bridge(dsn) as running, await _connected(running.url) as stream:
        incoming = BufferedByteReceiveStream(stream)

        async def send() -> None:
            number = next(numbers)
            body = event("pushed", number, number, step=0)
            head = f"POST /listener/traced/{_SECRET} HTTP/1.1\r\nHost: bridge\r\nContent-Length: {len(body)}\r\n\r\n"
            await stream.send(head.encode() + body)
            answer = await incoming.receive_until(b"\r\n\r\n{}", 65536)
            assert answer.startswith(b"HTTP/1.1 201 "), answer

        return await _shortest(send)


async def poll(dsn: str) -> Walk:
    """Trace one poll whose page has two rows: one problem that changed, and one that is new."""
    numbers, rows = count(1), list[Any]()

    async def answer(request: web.Request) -> web.Response:
        page = rows[int(request.query.get("offset", "0")) :]
        return web.json_response(page, headers={"X-Total-Count": str(len(rows))})

    async with _listening(answer) as url, _poller(dsn, url) as poller:

        async def pass_over() -> None:
            number = next(numbers)
            rows[:] = [
                orjson.loads(problem("polled", 0, step=1, at=number)),
                orjson.loads(problem("polled", number, at=number)),
            ]
            await poller.run_once()

        return await _shortest(pass_over)


async def _shortest(work: Callable[[], Awaitable[None]]) -> Walk:
    for _ in range(3):  # what is done once: statements are prepared, heads of requests become known
        await work()
    walks: list[Walk] = []
    while True:
        with walking() as walk:
            await work()
        walks.append(walk)
        shortest = min(walks, key=lambda walk: (len(walk.modules), len(walk.calls)))
        again = sum(walk.stops == shortest.stops for walk in walks) > 1  # mixed with a job no two are alike
        if len(walks) >= _TRACED and (again or len(walks) == _TRACED_AT_MOST):
            return shortest


@asynccontextmanager
async def _bridge(dsn: str) -> AsyncIterator[RunningBridge]:
    source = {"url": "http://127.0.0.1:9/api", "push": False, "poll_interval_seconds": 86_400}
    settings = Settings.model_validate(
        {
            "database": {"dsn": dsn},
            "http": {"port": 0, "answer_timeout_seconds": 30},
            "journal": {"max_bytes": 0},
            "sources": {"traced": source | {"callback_secret": _SECRET}},
        }
    )
    started, ready = list[RunningBridge](), anyio.Event()

    def on_ready(running: RunningBridge) -> None:
        started.append(running)
        ready.set()

    bridge = Bridge(settings, on_ready=on_ready)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bridge.run)
        with anyio.fail_after(_PATIENCE_SECONDS):
            await ready.wait()
        try:
            yield started[0]
        finally:
            bridge.stop()


async def _connected(url: str) -> anyio.abc.SocketStream:
    parts = urlsplit(url)
    return await anyio.connect_tcp(parts.hostname or "", parts.port or 0)


@asynccontextmanager
async def _listening(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _poller(dsn: str, url: str) -> AsyncIterator[Poller]:
    settings = Settings.model_validate({"sources": {"traced": {"url": url, "push": False}}}).sources["traced"]
    metrics = Metrics()
    async with opened(dsn, wait=False) as database, client_for("traced", settings, metrics) as client:
        source = await source_state_for("traced", settings, database, client, "http://127.0.0.1:9", metrics)
        yield Poller(source, database, metrics, Reconciler(source, database, metrics))


async def _traced(kind: str) -> Walk:
    with tempfile.TemporaryDirectory(prefix="trace-") as scratch:
        async with embedded(Path(scratch), settings={"fsync": "off"}) as own:
            connection = await asyncpg.connect(own.dsn)
            await migrations.migrate(connection)
            await connection.close()
            return await WALKS[kind](own.dsn)


WALKS = {"push": push, "poll": poll}


def main() -> None:
    """Trace and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.trace", description=__doc__.partition("\n\n")[0])
    parser.add_argument("kind", choices=WALKS)
    parser.add_argument("--functions", action="store_true", help="print every call, not only modules")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    walk = anyio.run(_traced, arguments.kind)
    lines = [f"{module}: {function}" for module, function in walk.calls] if arguments.functions else walk.stops
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.write(
        f"{len(walk.modules)} modules, {walk.folder_changes} changes of folder, {len(walk.functions)} functions, "
        f"{len(walk.calls)} calls\n"
    )


if __name__ == "__main__":
    main()
