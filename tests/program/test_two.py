"""Two bridges on one database: both listen, one leads, and the other takes over when it is killed, paused or
replaced.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.simulator import Simulator
from tests.program.recorder import recording

pytestmark = pytest.mark.anyio

SECRET = "t" * 32


@asynccontextmanager
async def two(start: Any, config: Path) -> AsyncIterator[tuple[Any, Any]]:
    """The one that leads and is registered, and one more."""
    async with start("run", "--config", config) as first:
        await first.logged("registered", source="snow")
        async with start("run", "--config", config) as second:
            await second.logged("ready")
            yield first, second


async def test_one_registers_both_listen_and_the_other_takes_over_after_kill_9(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=5, seed=1) as sim:
        source = {"url": sim.url, "callback_secret": SECRET, "poll_interval_seconds": 1}
        config = configured(dsn=dsn, sources={"snow": source})
        async with two(start, config) as (first, second):
            assert len(sim.subscriptions) == 1
            assert not [line for line in second.err if '"leading"' in line]

            await first.killed()
            await second.logged("leading")
            await second.logged("registered", source="snow")
            created = await sim.create(description="pushed to the second")

            connection = await asyncpg.connect(dsn)
            try:
                query = "select last_changed_via from report.service_problem where id = $1"
                await eventually(lambda: connection.fetchval(query, created["id"]))
                assert await connection.fetchval("select count(*) from bridge.subscription where state = 'active'") == 1
                assert await connection.fetchval("select token from bridge.lease") == 2
            finally:
                await connection.close()
            assert await second.stopped(signal.SIGTERM) == 0


async def ask(dsn: str, query: str, *values: Any) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


async def one_registration(sim: Simulator) -> bool:
    return len(sim.subscriptions) == 1


async def each_lease_was_said(dsn: str, *programs: Any) -> bool:
    said = [line["token"] for program in programs for line in program.log if line["event"] == "leading"]
    return sorted(said) == list(range(1, 1 + await ask(dsn, "select token from bridge.lease")))


async def test_a_leader_that_is_paused_is_replaced_and_harms_nothing_when_it_comes_back(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=5, seed=1) as sim:
        source = {"url": sim.url, "callback_secret": SECRET, "poll_interval_seconds": 1}
        config = configured(dsn=dsn, sources={"snow": source})
        async with two(start, config) as (first, second):
            first.process.send_signal(signal.SIGSTOP)
            try:
                await second.logged("leading")  # once the lease of ten seconds is over
                await second.logged("registered", source="snow")
                created = await sim.create(description="while the first was paused")
                await eventually(lambda: ask(dsn, "select 1 from report.service_problem where id = $1", created["id"]))
                started = "select started_at from bridge.watermark where kind = 'poll'"
                polled_at = await ask(dsn, started)
            finally:
                first.process.send_signal(signal.SIGCONT)
            await first.logged("no longer leading")
            await eventually(lambda: ask(dsn, f"select ({started}) > $1", polled_at))
            # the first led, then the second; a machine that is busy enough makes them change again, and each says so
            await eventually(lambda: each_lease_was_said(dsn, first, second))
            assert await ask(dsn, "select count(*) from bridge.subscription where state = 'active'") == 1
            await eventually(lambda: one_registration(sim))
            assert await ask(dsn, "select count(*) from report.service_problem where deleted_at is null") == 6
            for program in (first, second):
                assert await program.stopped(signal.SIGTERM) == 0


async def test_a_rolling_restart_refuses_and_loses_no_notification(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with recording() as recorder, Simulator(rate=60, population=30, seed=656) as sim:
        source = {"url": sim.url, "callback_secret": SECRET}
        config = configured(dsn=dsn, sources={"snow": source}, public_url=recorder.url)
        async with start("run", "--config", config) as first:
            recorder.target = (await first.logged("ready"))["url"]
            await recorder.more(25)
            async with start("run", "--config", config) as second:
                url = (await second.logged("ready"))["url"]
                begun = len(recorder.refused)
                recorder.target = url
                assert await first.stopped(signal.SIGTERM) == 0
                await recorder.more(25)
                async with start("run", "--config", config) as third:
                    recorder.target = (await third.logged("ready"))["url"]
                    assert await second.stopped(signal.SIGTERM) == 0
                    await recorder.more(25)
                    sim.rate = 0
                    await sim.settle()
                    assert recorder.refused[begun:] == []
                    answered = recorder.answered
                    stored = "select count(distinct event_id) from report.notification where event_id = any($1)"
                    assert await ask(dsn, stored, answered) == len(set(answered))
                    await eventually(lambda: one_registration(sim))
                    assert await ask(dsn, "select count(*) from bridge.subscription where state = 'active'") == 1
                    assert await third.stopped(signal.SIGTERM) == 0
