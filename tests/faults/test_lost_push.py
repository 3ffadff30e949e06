"""Whatever share of its notifications a server loses, the tables equal it within a poll interval, and the share that is
reported is the one that was lost.

Several servers at once, each with a fault of its own, and one bridge that polls them every second. Each change is of a
problem of its own, so that none is overtaken before somebody can ask for it: what the server lost can be counted there,
one by one, and compared with what the bridge says.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from bridge.app import Bridge, RunningBridge
from bridge.domain.observation import Via
from bridge.settings import Settings
from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656.background import background
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Any]

PATIENCE_SECONDS = 120
SHARES = {"none": 0.0, "few": 0.01, "some": 0.1, "half": 0.5, "all": 1.0}
FORGETFUL = "forgetful"
POLL_SECONDS = 1.0
QUALITY = """
    select coalesce(sum(missed), 0)::bigint as missed, coalesce(sum(late), 0)::bigint as late,
        coalesce(sum(by_push), 0)::bigint as by_push
    from report.push_quality where source = $1
"""
ARRIVED = """
    select count(distinct problem_id) from report.notification where source = $1 and problem_id = any($2::text[])
"""
COUNTED = "tmf656_bridge_missed_changes_total"
FOUND = """
    select v.effective_at as made_at, v.observed_at as found_at, v.via
    from bridge.service_problem_version as v inner join bridge.source as s on v.source_id = s.id
    where s.name = $1 and v.problem_id = any($2::text[])
"""


@dataclass(slots=True)
class Server:
    """One server, and the problems that were made there."""

    name: str
    sim: Simulator
    made: list[str] = field(default_factory=list)

    async def change(self) -> None:
        """Make one problem, and wait until its notification has arrived, or is lost."""
        problem = await self.sim.create(description=f"change {len(self.made)}")
        self.made.append(problem["id"])
        await self.sim.settle()


def shown(sim: Simulator) -> dict[str, Any]:
    at = datetime.now(UTC)
    return {
        problem_id: orjson.loads(wire.read_problem(body, asked_at=at, via=Via.POLL).body)
        for problem_id, body in sim.shown().items()
    }


@asynccontextmanager
async def bridge_on(dsn: str, data_dir: Path, servers: list[Server]) -> AsyncIterator[RunningBridge]:
    """A bridge with all of these as sources."""
    settings = Settings.model_validate(
        {
            "data_dir": str(data_dir),
            "database": {"dsn": dsn if "://" in dsn else dsn.replace(":/", ":///", 1)},
            "http": {"port": 0, "answer_timeout_seconds": 30},
            "journal": {"max_bytes": 0},
            "sources": {
                each.name: {
                    "url": each.sim.url,
                    "poll_interval_seconds": POLL_SECONDS,
                    "silence_min_seconds": 5,
                    "page_size": 10_000,  # a poll is one question, by whose time it is known
                }
                for each in servers
            },
        }
    )
    ready, over = anyio.Event(), anyio.Event()
    started: list[RunningBridge] = []

    def on_ready(running: RunningBridge) -> None:
        started.append(running)
        ready.set()

    bridge = Bridge(settings, on_ready=on_ready)

    async def live() -> None:
        await bridge.run()
        over.set()

    async with background() as tasks:
        tasks.start_soon(live)
        with anyio.fail_after(PATIENCE_SECONDS):
            await ready.wait()
        try:
            yield started[0]
        finally:
            bridge.stop()
            with anyio.fail_after(PATIENCE_SECONDS, shield=True):
                await over.wait()


async def sweep(dsn: str, tmp_path: Path, eventually: Eventually, changes: int) -> None:
    async with AsyncExitStack() as stack:
        servers = []
        for seed, (name, share) in enumerate((SHARES | {FORGETFUL: 0.0}).items()):
            sim = Simulator(population=5, seed=seed, faults=Faults(lose=share))
            servers.append(Server(name, await stack.enter_async_context(sim)))
        running = await stack.enter_async_context(bridge_on(dsn, tmp_path, servers))
        sources = running.sources

        async def all_relied_on() -> bool:
            return all(source.registered and source.first_pass.is_set() for source in sources.values())

        await eventually(all_relied_on)
        for number in range(changes):
            for each in servers:
                if each.name == FORGETFUL and number == changes // 2:
                    each.sim.forget_subscriptions()
                await each.change()
        await same(running, servers, eventually)
        await judged(running, eventually)
        for each in servers:
            await compare(running, each)
            await found_by_the_next_poll(running, each)


async def same(running: RunningBridge, servers: list[Server], eventually: Eventually) -> None:
    """Every table equals its server."""
    for each in servers:

        async def equal(each: Server = each) -> bool:
            async with running.postgres.database.connection() as connection:
                rows = await connection.fetch(
                    "select id, body from report.service_problem where source = $1 and deleted_at is null", each.name
                )
            return {row["id"]: orjson.loads(row["body"]) for row in rows} == shown(each.sim)

        await eventually(equal)


async def judged(running: RunningBridge, eventually: Eventually) -> None:
    """Nothing is awaited any more."""

    async def settled() -> bool:
        async with running.postgres.database.connection() as connection:
            return not await connection.fetchval("select count(*) from bridge.awaited_notification")

    await eventually(settled)


async def compare(running: RunningBridge, each: Server) -> None:
    """What the bridge reports, and what arrived: the log of notifications knows nothing of polls and verdicts."""
    async with running.postgres.database.connection() as connection:
        found = await connection.fetchrow(QUALITY, each.name)
        lost = len(each.made) - await connection.fetchval(ARRIVED, each.name, list(each.made))
    assert found is not None
    assert found["missed"] + found["late"] + found["by_push"] == len(each.made), (each.name, dict(found))
    assert found["missed"] / len(each.made) == pytest.approx(lost / len(each.made), abs=0.01), (each.name, dict(found))
    assert running.metrics.registry.get_sample_value(COUNTED, {"source": each.name}) == found["missed"]
    assert (lost == len(each.made)) == (each.name == "all")
    assert lost or each.name in ("none", "few")
    assert (running.sources[each.name].missed_at is not None) == (found["missed"] > 0)


async def found_by_the_next_poll(running: RunningBridge, each: Server) -> None:
    """Polls are due every second; how often they were is this machine's affair. What was there when one of them asked,
    and was not pushed (it may be on its way, and come first), was found by that one, and not by a later one.
    """
    async with running.postgres.database.connection() as connection:
        rows = await connection.fetch(FOUND, each.name, each.made)
    assert len(rows) == len(each.made)
    polls = {row["found_at"] for row in rows if row["via"] == Via.POLL}
    for row in [row for row in rows if row["via"] != Via.PUSH]:
        earlier = [poll for poll in polls if row["made_at"] < poll < row["found_at"]]
        assert not earlier, (each.name, dict(row))


async def test_the_tables_come_home_and_the_share_that_was_lost_is_told(
    dsn: str, tmp_path: Path, eventually: Eventually
) -> None:
    await sweep(dsn, tmp_path, eventually, changes=60)


@pytest.mark.long
async def test_the_same_with_many_more_changes(dsn: str, tmp_path: Path, eventually: Eventually) -> None:
    await sweep(dsn, tmp_path, eventually, changes=2000)
