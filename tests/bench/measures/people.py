"""Pushing while people look at the console, beside pushing while nobody does, in turns on one bridge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import anyio
import orjson

from tests.bench.bench import Bench, Make, Measure, Sample
from tests.bench.bridge import Bridge, bridge, configured
from tests.bench.measures.push import sample
from tests.bench.process import BenchError, python, running

_DATABASE = "people"
_TOKEN = "measured-people-log-in-with-it"
_WARM_SECONDS = 1.0
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Watched:
    """A bridge with its console."""

    bridge: Bridge
    url: str


_made: dict[int, Watched] = {}
"""By run: the sides share one, so that a turn differs by its people only."""


async def _watched(bench: Bench) -> Watched:
    if id(bench) not in _made:
        dsn = await bench.postgres.create(_DATABASE)
        place = bench.place("bridge-with-console")
        more = {"console": {"enabled": True, "port": 0, "admin_token": _TOKEN}}
        own = await bench.stack.enter_async_context(
            bridge(place, configured(place, dsn, await bench.source(0), more), workers=bench.workers)
        )
        await bench.load(own.port, seconds=_WARM_SECONDS)
        _made[id(bench)] = Watched(own, await _console_url(place / "bridge.log"))
    return _made[id(bench)]


async def _console_url(log: Path) -> str:
    ends = monotonic() + _READY_SECONDS
    while monotonic() < ends:
        for line in log.read_text(errors="replace").splitlines():
            if "console is served" in line:
                return str(orjson.loads(line)["url"])
        await anyio.sleep(0.05)
    raise BenchError("the console did not come up")


def rate(*, live: int = 0, impatient: int = 0) -> Make:
    """Make a slice: notifications a second while so many people look."""

    @asynccontextmanager
    async def make(bench: Bench) -> AsyncIterator[Measure]:
        own = await _watched(bench)

        async def measure(_: int) -> Sample:
            async with _people(bench, own.url, live=live, impatient=impatient) as saw:
                pushed = sample(*await bench.push(own.bridge.port, own.bridge.child, database=_DATABASE))
            return Sample(pushed.value, pushed.cpu, pushed.facts | saw)

        yield measure

    return make


def p99(*, live: int = 0) -> Make:
    """Make a slice: the 99th percentile of the answer, in milliseconds, at half of what the bridge reached alone."""

    @asynccontextmanager
    async def make(bench: Bench) -> AsyncIterator[Measure]:
        own = await _watched(bench)

        async def measure(_: int) -> Sample:
            half = bench.sample("unwatched").value / 2
            async with _people(bench, own.url, live=live) as saw:
                report, cpu = await bench.push(own.bridge.port, own.bridge.child, database=_DATABASE, rate=half)
            return Sample(report.p99_ms, cpu, {"p50_ms": report.p50_ms, "rate": half} | saw)

        yield measure

    return make


@asynccontextmanager
async def _people(bench: Bench, url: str, *, live: int = 0, impatient: int = 0) -> AsyncIterator[dict[str, float]]:
    """Have people look while the block runs; what they saw is in the dictionary afterwards."""
    saw: dict[str, float] = {}
    if not live and not impatient:
        yield saw
        return
    log = bench.place("people") / "log"
    command = python("tests.bench.users", url, _TOKEN, "--live", live, "--impatient", impatient)
    async with running(command, "ready", log):
        yield saw
    last = log.read_text(errors="replace").splitlines()[-1]
    if not last.startswith("{"):
        raise BenchError(f"the people at the console failed:\n{log.read_text(errors='replace')[-1500:]}")
    saw |= orjson.loads(last)
    if not saw["pages"] or saw["other"] or saw["busy_without_retry_after"]:
        raise BenchError(f"the people at the console saw what they should not: {saw}")
