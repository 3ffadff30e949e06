"""A request of an operator survives kill -9 of the process that works on it: the next one begins again and ends it."""

import signal
from typing import Any

import asyncpg
import pytest

from bridge.simulator import Simulator
from bridge.storage import request as requests
from bridge.storage.database import opened

pytestmark = pytest.mark.anyio


async def fetch(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchrow(query)
    finally:
        await connection.close()


async def test_a_reconcile_that_was_asked_for_ends_although_the_leader_is_killed_in_the_middle(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=20, seed=1) as sim:
        source = {"url": sim.url, "poll_interval_seconds": 3600, "push": False, "page_size": 5}
        config = configured(dsn=dsn, sources={"snow": source})
        async with start("run", "--config", config) as program:
            await program.logged("ready")
            await eventually(lambda: fetch(dsn, "select 1 from bridge.watermark where kind = 'reconcile'"))
            sim.faults.slow_seconds = 600
            async with opened(dsn, wait=False) as database, database.transaction() as connection:
                source_id = await requests.source_id(connection, "snow")
                await requests.ask(connection, source_id, "reconcile", "anna", {})
            await eventually(lambda: fetch(dsn, "select 1 from bridge.request where taken_at is not null"))
            await program.killed()
        assert (await fetch(dsn, "select ended_at from bridge.request"))["ended_at"] is None
        sim.faults.slow_seconds = 0
        async with start("run", "--config", config) as program:
            await program.logged("request ended", kind="reconcile", outcome="done", asked_by="anna")
            assert await program.stopped(signal.SIGTERM) == 0
    ended = await fetch(dsn, "select outcome, attempts, detail from bridge.request")
    assert (ended["outcome"], ended["attempts"]) == ("done", 2)
    assert "0 problems are missing" in ended["detail"]
