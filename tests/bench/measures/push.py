"""Pushing notifications: the bridge, and those it is compared with (measures 1 to 5)."""

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.bench.bench import Bench, Make, Measure, Sample
from tests.bench.load import Report
from tests.bench.notification import envelope, event, problem
from tests.bench.process import BenchError, environment, python, running

PEERS = Path(__file__).resolve().parents[1] / "peers"
MAIN = "main"
_WARM_SECONDS = 1.0
_COMMIT_SECONDS = 2


def sample(report: Report, cpu: dict[str, float]) -> Sample:
    """Notifications a second, with what else the client saw."""
    facts = {"p50_ms": report.p50_ms, "p99_ms": report.p99_ms, "refused": float(sum(report.refused.values()))}
    return Sample(report.rate, cpu, facts | {"client_cpu_share": report.client_cpu_seconds / report.seconds})


def at_bridge(*, name: str = MAIN, workers: int | None = None, **how: Any) -> Make:
    """Make a slice that sends to the bridge on a database in some way."""

    @asynccontextmanager
    async def make(bench: Bench) -> AsyncIterator[Measure]:
        own = await bench.shared_bridge(name, workers=workers)
        await bench.load(own.port, **({"seconds": _WARM_SECONDS} | how))

        async def measure(_: int) -> Sample:
            return sample(*await bench.push(own.port, own.child, database=name, **how))

        yield measure

    return make


@asynccontextmanager
async def half_rate(bench: Bench) -> AsyncIterator[Measure]:
    """The 99th percentile of the answer, in milliseconds, at half of what the round's closed loop reached."""
    own = await bench.shared_bridge(MAIN)

    async def measure(_: int) -> Sample:
        rate = bench.sample("bridge").value / 2
        report, cpu = await bench.push(own.port, own.child, database=MAIN, rate=rate)
        if report.unanswered or report.refused:
            raise BenchError(f"the bridge did not keep up with half of its rate: {report}")
        return Sample(report.p99_ms, cpu, {"p50_ms": report.p50_ms, "rate": rate})

    yield measure


@asynccontextmanager
async def answer_only(bench: Bench) -> AsyncIterator[Measure]:
    """The bare aiohttp app."""
    async with running(
        python("tests.bench.peers.answer_only"), r"listening (\d+)", bench.place("aiohttp") / "log"
    ) as child:
        port = int(child.said[1])
        await bench.load(port, seconds=_WARM_SECONDS)

        async def measure(_: int) -> Sample:
            return sample(*await bench.push(port, child))

        yield measure


@asynccontextmanager
async def statements(bench: Bench) -> AsyncIterator[Measure]:
    """pgbench, 8 clients: the bridge's statements for one notification, on its tables, a row each."""
    clients = 8
    variables = {"envelope": envelope("p", 1), "problem": problem("p", 1, step=1)}
    postgres = bench.postgres
    await postgres.create("pgbench")

    async def measure(number: int) -> Sample:
        await postgres.settle()
        before = postgres.cpu_seconds()
        first = 1024 * 10_000 * number - 1  # whole lives, and others than before
        seconds = round(bench.seconds)
        done = await postgres.pgbench(
            "pgbench", "notification.sql", clients=clients, seconds=seconds, variables=variables | {"n": first}
        )
        cpu = (postgres.cpu_seconds() - before) / done.count * 1000
        return Sample(done.rate, {"postgres": cpu}, {"p99_ms": done.p99_ms})

    yield measure


@asynccontextmanager
async def single_commits(bench: Bench) -> AsyncIterator[Measure]:
    """pgbench, 1 client: one row, one commit; the 99th percentile in milliseconds."""
    postgres = bench.postgres
    await postgres.create("commits", migrated=False)
    await postgres.execute("commits", (PEERS / "inbox.sql").read_text())
    variables = {"event": event("p", 1, 1, step=1).decode()}

    async def measure(_: int) -> Sample:
        await postgres.settle()
        done = await postgres.pgbench("commits", "commit.sql", clients=1, seconds=_COMMIT_SECONDS, variables=variables)
        return Sample(done.p99_ms, facts={"rate": done.rate})

    yield measure


@asynccontextmanager
async def fastify(bench: Bench) -> AsyncIterator[Measure]:
    """Fastify + pg."""
    async with _node(bench, "fastify", PEERS / "fastify.js", ready=r"listening (\d+)") as measure:
        yield measure


@asynccontextmanager
async def node_red(bench: Bench) -> AsyncIterator[Measure]:
    """Node-RED."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user_dir = bench.place("node-red-user")
    (user_dir / "package.json").write_text('{"name": "bench", "private": true}')
    settings = PEERS / "node-red-settings.js"
    red = PEERS / "node_modules" / "node-red" / "red.js"
    more = {"BENCH_PORT": str(port), "BENCH_USER_DIR": str(user_dir)}
    async with _node(
        bench, "node_red", red, "--settings", settings, ready="Started flows()", port=port, more=more
    ) as measure:
        yield measure


@asynccontextmanager
async def _node(
    bench: Bench, name: str, *words: Path | str, ready: str, port: int = 0, more: dict[str, str] | None = None
) -> AsyncIterator[Measure]:
    node = shutil.which("node")
    if node is None:
        raise BenchError("node is not on the PATH (Debian: apt install nodejs npm)")
    postgres = bench.postgres
    await postgres.create(name, migrated=False)
    await postgres.execute(name, (PEERS / "inbox.sql").read_text())
    env = environment(BENCH_SOCKET_DIR=postgres.socket_dir, BENCH_DATABASE=name, NODE_ENV="production", **(more or {}))
    async with running([node, *map(str, words)], ready, bench.place(name) / "log", env) as child:
        listening = port or int(child.said[1])
        await bench.load(listening, seconds=_WARM_SECONDS)

        async def measure(_: int) -> Sample:
            report, cpu = await bench.push(listening, child)
            return sample(report, cpu)

        yield measure
