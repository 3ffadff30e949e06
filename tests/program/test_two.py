"""Two bridges on one database: both listen, one leads, and the other takes over when it is killed."""

import signal
from typing import Any

import asyncpg
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

SECRET = "t" * 32


async def test_one_registers_both_listen_and_the_other_takes_over_after_kill_9(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=5, seed=1) as sim:
        source = {"url": sim.url, "callback_secret": SECRET, "poll_interval_seconds": 1}
        config = configured(dsn=dsn, sources={"snow": source})
        async with start("run", "--config", config) as first:
            await first.logged("registered", source="snow")
            async with start("run", "--config", config) as second:
                await second.logged("ready")
                assert len(sim.subscriptions) == 1
                assert not [line for line in second.err if '"leading"' in line]

                await first.killed()
                await second.logged("leading")
                await second.logged("registered", source="snow")
                created = await sim.create(description="told to the second")

                connection = await asyncpg.connect(dsn)
                try:
                    query = "select last_changed_via from report.service_problem where id = $1"
                    await eventually(lambda: connection.fetchval(query, created["id"]))
                    assert (
                        await connection.fetchval("select count(*) from bridge.subscription where state = 'active'")
                        == 1
                    )
                    assert await connection.fetchval("select token from bridge.lease") == 2
                finally:
                    await connection.close()
                assert await second.stopped(signal.SIGTERM) == 0
