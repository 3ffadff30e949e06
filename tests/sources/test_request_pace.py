"""Requests are spaced evenly; how long one takes does not matter."""

from time import monotonic

import anyio
import pytest

from bridge.sources.request_pace import RequestPace

pytestmark = pytest.mark.anyio


async def test_requests_start_no_faster_than_the_rate_however_many_tasks_ask() -> None:
    pace, started = RequestPace(100), monotonic()
    async with anyio.create_task_group() as group:
        for _ in range(11):
            group.start_soon(pace.wait_turn)
    assert monotonic() - started >= 10 / 100


async def test_a_pause_is_not_made_up_for_by_a_burst() -> None:
    pace = RequestPace(50)
    await pace.wait_turn()
    await anyio.sleep(0.1)
    started = monotonic()
    for _ in range(4):
        await pace.wait_turn()
    assert monotonic() - started >= 3 / 50


async def test_without_a_rate_nothing_waits() -> None:
    pace = RequestPace(0)
    for _ in range(1000):
        await pace.wait_turn()
    assert pace._next_at <= monotonic()
