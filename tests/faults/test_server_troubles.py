"""However the line to a TMF656 server fails, in the middle of any answer: it is logged, nothing is deleted for it, and
afterwards the tables are what the server says.

A trouble lasts until a poll, a reconcile, fetching by id and a registration have met it. Meanwhile the server goes on:
problems change, one comes and one goes, and its notifications, which take another line, arrive.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.app import RunningBridge
from bridge.schedule import Backoff
from bridge.simulator import Faults, Simulator
from tests.faults.proxy import Link, Proxy

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
Shown = Callable[[Simulator], dict[str, Any]]

HEAD_BYTES, BODY_BYTES = 100, 300
"""In the head of every answer; in the body of every one."""
KINDS = ("poll", "reconcile", "refetch", "registration")


def in_the_middle(ending: Callable[[Link], None], so_far_bytes: int = BODY_BYTES) -> Callable[[Proxy], None]:
    def begin(line: Proxy) -> None:
        line.answer_bytes, line.ending = so_far_bytes, ending

    return begin


def with_(**fault: float) -> Callable[[Proxy], None]:
    def begin(line: Proxy) -> None:
        for name, value in fault.items():
            setattr(line, name, value)

    return begin


FAILING: dict[str, Callable[[Proxy], None]] = {
    "cut in the head": in_the_middle(Link.abort, HEAD_BYTES),
    "cut in the body": in_the_middle(Link.abort),
    "reset": in_the_middle(Link.reset),
    "half closed": in_the_middle(Link.half_close),
    "swallowed": in_the_middle(Link.swallow),
    "a black hole": Proxy.stall,
    "too thin": with_(bytes_per_second=400),
}
LAME: dict[str, Callable[[Proxy], None]] = {
    "far away": with_(latency_seconds=0.05),
    "thin": with_(bytes_per_second=100_000),
    "in crumbs": with_(slice_bytes=1),
}


def well(line: Proxy) -> None:
    """The line is whole again, for new connections at least."""
    line.latency_seconds, line.bytes_per_second, line.slice_bytes, line.answer_bytes = 0, None, 1 << 16, None
    line.flow()


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """A server with a few pages of problems, whose hub lists its registrations."""
    async with Simulator(population=12, seed=1, faults=Faults(hub_readable=True, partial=True)) as sim:
        yield sim


@pytest.fixture
async def line(sim: Simulator) -> AsyncIterator[Proxy]:
    """The line to the server; the addresses in its answers lead through it too."""
    line = Proxy(("127.0.0.1", sim.port))
    await line.open()
    sim.world.collection.base_url = sim.url.replace(f":{sim.port}/", f":{line.port}/")
    yield line
    well(line)
    await line.shut()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who failed tries again soon, and what a bad line delivers late is soon found."""
    monkeypatch.setattr(Backoff.__init__, "__defaults__", (0.05, 0.2))
    monkeypatch.setattr("bridge.pull.refetch._FIRST_DELAY_SECONDS", 0.05)
    monkeypatch.setattr("bridge.sources.subscription._PROBE_SECONDS", 0.5)


def source(sim: Simulator, *, patience_seconds: float) -> dict[str, Any]:
    return {
        "url": sim.world.collection.base_url,
        "poll_interval_seconds": 1,
        "page_size": 5,
        "request_timeout_seconds": patience_seconds,
    }


def counted(running: RunningBridge, outcome: str) -> dict[str, float]:
    """How many of each kind of work ended so."""
    samples = [
        one
        for metric in (running.metrics.polls, running.metrics.registrations)
        for family in metric.collect()
        for one in family.samples
        if one.name.endswith("_total") and one.labels["outcome"] == outcome
    ]
    found = dict.fromkeys(KINDS, 0.0)
    for one in samples:
        found[one.labels.get("kind", "registration")] += one.value
    return found


async def all_met_it(running: RunningBridge, sim: Simulator, outcome: str, eventually: Eventually) -> None:
    """Have everything asked for while the server goes on, until each kind of work ended so at least once more."""
    before = counted(running, outcome)
    source = running.sources["sim"]
    source.subscribe_wake.call("changed")
    first = sorted(sim.problems)

    async def met() -> bool:
        source.reconcile_wake.call("asked for")  # one that the new problem came into the middle of is not complete
        await sim.patch(first[0], priority=len(sim.requests) % 7)  # pushed in part, so it has to be fetched
        return all(count > before[kind] for kind, count in counted(running, outcome).items())

    await sim.patch(first[1], description="changed meanwhile")
    await sim.create(description="came meanwhile")
    await eventually(met)


async def home(running: RunningBridge, sim: Simulator, shown: Shown, eventually: Eventually) -> None:
    """Wait until the tables are what the server says, nothing is left to push or fetch, with one registration."""
    source = running.sources["sim"]
    found: tuple[Any, ...] = ()

    async def equal() -> bool:
        nonlocal found
        source.reconcile_wake.call("asked for")
        async with running.postgres.database.connection() as connection:
            rows = await connection.fetch("select id, body from report.service_problem where deleted_at is null")
            waiting = await connection.fetchval("select count(*) from bridge.refetch")
        alive = {row["id"]: orjson.loads(row["body"]) for row in rows}
        found = waiting, source.last_error, len(sim.subscriptions), alive
        return found == wanted()

    def wanted() -> tuple[Any, ...]:
        return 0, None, 1, shown(sim)

    try:
        await eventually(equal)
    except TimeoutError:
        assert found == wanted()
        raise


async def buried(running: RunningBridge) -> set[str]:
    """Every problem that was ever held to be gone."""
    async with running.postgres.database.connection() as connection:
        rows = await connection.fetch(
            "select distinct problem_id from bridge.service_problem_version where kind = 'tombstone'"
        )
    return {row["problem_id"] for row in rows}


@pytest.mark.parametrize("name", [*FAILING, *LAME])
async def test_the_tables_come_home_and_nothing_is_deleted_for_a_bad_line(
    name: str,
    sim: Simulator,
    line: Proxy,
    dsn: str,
    tmp_path: Path,
    bridge_at: Callable[..., Any],
    shown: Shown,
    eventually: Eventually,
) -> None:
    fails = name in FAILING
    settings = {"sources": {"sim": source(sim, patience_seconds=0.4 if fails else 10)}}
    async with bridge_at(dsn if "://" in dsn else dsn.replace(":/", ":///", 1), tmp_path, **settings) as running:
        await home(running, sim, shown, eventually)
        (FAILING | LAME)[name](line)
        await all_met_it(running, sim, "failed" if fails else "ok", eventually)
        assert await buried(running) == set()
        if fails:
            assert "source sim: " in (running.sources["sim"].last_error or "")
        gone = sorted(sim.problems)[2]
        await sim.delete(gone)
        well(line)
        await home(running, sim, shown, eventually)
        assert await buried(running) == {gone}
