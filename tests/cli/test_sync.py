"""`sync`: one pass by hand, with progress, and its errors in words."""

from typing import Any

import asyncpg
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio


async def column(dsn: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_sync_polls_and_sync_full_reconciles_with_progress(dsn: str, call: Any, configured: Any) -> None:
    async with Simulator(population=30) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "page_size": 10}})
        full = await call("sync", "snow", "--full", "--config", config)
        assert full.status == 0, full.err
        assert "30 new" in full.out
        assert "reconciling snow" in full.err
        assert "30/30" in full.err
        changed = next(iter(sim.problems))
        await sim.patch(changed, description="darker than before")
        polled = await call("sync", "snow", "--config", config)
        assert polled.status == 0, polled.err
        assert "1 changed" in polled.out
        assert await column(dsn, "select id from report.service_problem where description = 'darker than before'") == [
            changed
        ]


async def test_sync_of_an_unknown_source_names_the_known_ones(dsn: str, call: Any, configured: Any) -> None:
    config = configured(dsn=dsn, sources={"snow": {"url": "http://127.0.0.1:9/v4"}})
    answer = await call("sync", "rain", "--config", config)
    assert answer.status == 1
    assert "no source 'rain'" in answer.err
    assert "snow" in answer.err


async def test_sync_of_a_source_that_is_down_is_status_1_in_words(
    dsn: str, call: Any, configured: Any, held_port: Any
) -> None:
    config = configured(dsn=dsn, sources={"snow": {"url": f"http://127.0.0.1:{held_port.getsockname()[1]}/v4"}})
    answer = await call("sync", "snow", "--config", config)
    assert answer.status == 1
    assert "error: source snow" in answer.err
    assert "Traceback" not in answer.err
