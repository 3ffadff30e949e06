"""Linked tickets: how soon an edit is on the other side, how many writes a second, and what many links cost.

A bridge as it is shipped joins two simulated servers (`tests.bench.linked_servers`) by a rule of the preset
`tmf656-tmf656`. What was edited on the left counts when its PATCH has reached the right.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import aiohttp
import anyio
import orjson

from tests.bench.bench import Bench, Make, Measure, Sample
from tests.bench.bridge import SOURCE, Tables, bridge, configured_with
from tests.bench.measures.push import sample
from tests.bench.process import BenchError, Child, finished, python, running

_CONNECTIONS = 8
_READY_SECONDS = 900.0
_V4 = "/tmf-api/serviceProblemManagement/v4"
_LIMITS = {
    "writes_per_minute": 100_000,
    "writes_per_ticket_per_hour": 100_000,
    "creates_per_hour": 1_000_000,
    "changes_at_once": 1,
}
_LINKED = "select count(*) from bridge.link where state = 'linked'"
_OPEN = "select count(*) from bridge.outbox where state in ('waiting', 'sending', 'blocked')"
_WALKING = "select count(*) from bridge.link_rule where walked_at is null"


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers of a rule."""

    child: Child
    left_url: str
    right_url: str
    control_url: str

    async def edit(self, count: int, *, rate: float = 0) -> dict[str, float]:
        """Edit tickets on the left; return what came of it."""
        return dict(orjson.loads(await self._post("edit", count=count, rate=rate)))

    async def pace(self, seconds: float) -> None:
        """Have both answer so late from now on."""
        await self._post("pace", seconds=seconds)

    async def _post(self, path: str, **query: float) -> bytes:
        limit = aiohttp.ClientTimeout(total=_READY_SECONDS)
        words = {name: str(value) for name, value in query.items()}
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(f"{self.control_url}/{path}", params=words) as answer,
        ):
            if answer.status != 200:
                raise BenchError(f"{path} was answered {answer.status}: {await answer.text()}")
            return await answer.read()


@asynccontextmanager
async def servers(bench: Bench, tickets: int) -> AsyncIterator[Servers]:
    """Run two servers with so many tickets each."""
    command = python("tests.bench.linked_servers", tickets)
    async with running(command, r"listening (\d+) (\d+) (\d+)", bench.place("linked") / "log") as child:
        left, right, control = (f"http://127.0.0.1:{child.said[number]}" for number in (1, 2, 3))
        yield Servers(child, left + _V4, right + _V4, control)


def rule(own: Servers, *, push: bool) -> Tables:
    """The configuration of both sources and of the rule between them."""
    source = {"push": push, "write": True, "concurrency": _CONNECTIONS, "poll_interval_seconds": 1}
    return {
        "sources.left": {"url": own.left_url} | source,
        "sources.right": {"url": own.right_url} | source,
        "links.bench": {"left": "left", "right": "right", "preset": "tmf656-tmf656", "create": "none"},
        "links.bench.match": {"by": ["name = name"]},
        "links.bench.limits": _LIMITS,
    }


async def until_none(bench: Bench, name: str, query: str) -> None:
    """Wait until a count is 0."""
    with anyio.fail_after(_READY_SECONDS):
        while await bench.postgres.value(name, query):  # noqa: ASYNC110 -- the tables send no signal
            await anyio.sleep(0.05)


async def until_linked(bench: Bench, name: str, tickets: int) -> None:
    """Wait until all tickets have their counterpart."""
    await until_none(bench, name, f"select {tickets} - ({_LINKED})")


def edited(*, push: bool, slow_seconds: float = 0.0, rate: float = 0.0, figure: str) -> Make:
    """Make a slice that edits tickets on the left; `figure`: what it is about, of what the servers say."""

    @asynccontextmanager
    async def make(bench: Bench) -> AsyncIterator[Measure]:
        tickets = 10_000 if bench.long else 1_000
        name = f"links_{'push' if push else 'poll'}"
        dsn = await bench.postgres.create(name)
        place = bench.place("bridge")
        async with servers(bench, tickets) as own:
            config = configured_with(place, dsn, rule(own, push=push))
            async with bridge(place, config, workers=1) as running_bridge:
                await until_linked(bench, name, tickets)
                await until_none(bench, name, _OPEN)  # what both sides said differently
                await own.pace(slow_seconds)
                await own.edit(50, rate=25)

                async def measure(_: int) -> Sample:
                    count = int(rate * max(bench.seconds, 10)) if rate else tickets
                    await bench.postgres.settle()
                    before = running_bridge.child.cpu_seconds(), bench.postgres.cpu_seconds()
                    facts = await own.edit(count, rate=rate)
                    await until_none(bench, name, _OPEN)
                    spent = running_bridge.child.cpu_seconds() - before[0], bench.postgres.cpu_seconds() - before[1]
                    cpu = {"app": spent[0] / count * 1000, "postgres": spent[1] / count * 1000}
                    facts |= {"count": count, "rate": count / facts["writing_seconds"]}
                    return Sample(facts[figure], cpu, facts)

                yield measure

    return make


def pairs(client: str) -> Make:
    """Make the slice of a client that only reads and writes tickets."""

    @asynccontextmanager
    async def make(bench: Bench) -> AsyncIterator[Measure]:
        async with _written_to(bench, client) as url:
            place = bench.place("pairs")
            words = ["--connections", _CONNECTIONS, "--seconds", bench.seconds]

            async def measure(_: int) -> Sample:
                done = await finished(python("tests.bench.peers.pairs", client, url, *words), place / "log")
                _, count, _, seconds = done.out.split()
                return Sample(int(count) / float(seconds), {"app": done.cpu_seconds / int(count) * 1000})

            yield measure

    return make


@asynccontextmanager
async def _written_to(bench: Bench, client: str) -> AsyncIterator[str]:
    if client == "aiohttp":
        async with servers(bench, 2_000) as own:
            yield own.right_url
        return
    words = ["--kind", "servicenow", "--port", 0, "--population", 500, "--rate", 0, "--seed", 1]
    words += ["--username", "bench", "--password", "bench"]
    log = bench.place("servicenow") / "log"
    async with running(python("bridge", "simulate", *words), r"at (http://\S+)", log) as child:
        yield child.said[1]


@asynccontextmanager
async def many(bench: Bench) -> AsyncIterator[Measure]:
    """Seconds that a restart takes to catch up: 100,000 links (10,000 in the short form), a hundredth of them edited
    meanwhile. From the start of the process until every edit is confirmed on the other side.
    """
    tickets = 100_000 if bench.long else 10_000
    dsn = await bench.postgres.create("many")
    place = bench.place("bridge")
    async with servers(bench, tickets) as own:
        config = configured_with(place, dsn, rule(own, push=False))
        began = monotonic()
        async with bridge(place, config, workers=1) as first:
            await until_linked(bench, "many", tickets)
            await until_none(bench, "many", _WALKING)
            first_seconds, first_rss = monotonic() - began, peak_rss_mb(first.child)

        async def measure(_: int) -> Sample:
            await bench.postgres.settle()
            done: dict[str, float] = {}
            confirmed = anyio.Event()

            async def edit() -> None:
                done.update(await own.edit(tickets // 100))
                confirmed.set()

            async with anyio.create_task_group() as group:
                group.start_soon(edit)
                async with bridge(place, config, workers=1) as again:
                    await confirmed.wait()
                    await until_none(bench, "many", _OPEN)
                    cpu = {"app": again.child.cpu_seconds() / tickets * 1000}
                    peak = peak_rss_mb(again.child)
            command = python("bridge", "links", "plan", "bench", "--json", "--config", config)
            planned = await finished(command, place / "plan.log")
            facts = {
                "links": tickets,
                "first_seconds": first_seconds,
                "rss_mb": max(peak, first_rss),
                "plan_seconds": planned.seconds,
                "plan_rss_mb": planned.peak_rss_bytes / 1e6,
            }
            return Sample(done["seconds"], cpu, facts)

        yield measure


def of_slice(name: str, fact: str) -> Make:
    """Make the slice of something else that another one saw in this round."""

    @asynccontextmanager
    async def make(bench: Bench) -> AsyncIterator[Measure]:
        async def measure(_: int) -> Sample:
            return Sample(bench.sample(name).facts[fact])

        yield measure

    return make


def peak_rss_mb(child: Child) -> float:
    """The most memory that a process had so far."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@asynccontextmanager
async def followed(bench: Bench) -> AsyncIterator[Measure]:
    """Pushing, while three rules follow what is pushed."""
    more: dict[str, dict[str, object]] = {}
    for number in range(3):
        other = f"other{number}"
        more[f"sources.{other}"] = {"url": await bench.source(0), "write": True, "push": False}
        sides = {"left": SOURCE, "right": other, "preset": "none", "create": "none"}
        title = {"left": "name", "right": "name", "direction": "left_to_right"}
        more |= {
            f"links.{other}": sides,
            f"links.{other}.match": {"by": ["key", "name = name"]},
            f"links.{other}.fields.title": title,
        }
    own = await bench.shared_bridge("followed", more=more)
    await bench.load(own.port, seconds=1.0)

    async def measure(_: int) -> Sample:
        await until_none(bench, "followed", "select count(*) from bridge.link_rule where walked_at is null")
        return sample(*await bench.push(own.port, own.child, database="followed"))

    yield measure
