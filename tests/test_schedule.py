"""Waiting: no call is lost, delays grow and are never shorter than asked for."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.schedule import Backoff, Wake, jittered
from bridge.simulator.tmf656.background import background

pytestmark = pytest.mark.anyio


async def test_a_call_while_nobody_waits_is_kept_and_several_are_one() -> None:
    wake = Wake()
    wake.call("first")
    wake.call("second")
    assert await wake.wait() == "second"
    assert await wake.wait(0) is None


async def test_a_kept_call_beats_a_time_that_is_over() -> None:
    wake = Wake()
    wake.call("kept")
    assert await wake.wait(0) == "kept"


async def test_a_call_wakes_the_waiter() -> None:
    wake = Wake()
    reasons: list[str | None] = []

    async def wait() -> None:
        reasons.append(await wake.wait(60))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        wake.call("now")
    assert reasons == ["now"]


async def test_a_cancelled_wait_leaves_the_call_for_the_next() -> None:
    wake = Wake()
    async with background() as tasks:
        tasks.start_soon(wake.wait)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    wake.call("still there")
    assert await wake.wait(0) == "still there"


@given(failures=st.integers(0, 60), asked=st.none() | st.floats(0, 3600))
def test_delays_grow_to_a_ceiling_and_are_never_shorter_than_asked_for(failures: int, asked: float | None) -> None:
    backoff = Backoff()
    for _ in range(failures):
        backoff.next_seconds()
    ceiling = min(30, 0.8 * 2 ** min(failures, 32))
    delay = backoff.next_seconds(asked)
    assert max(ceiling / 2, asked or 0) <= delay <= max(ceiling, asked or 0)
    backoff.reset()
    assert backoff.next_seconds() <= 0.8


@given(seconds=st.floats(0.1, 1e6), spread=st.floats(0, 0.5))
def test_jitter_stays_within_its_spread(seconds: float, spread: float) -> None:
    assert seconds * (1 - spread) * 0.999 <= jittered(seconds, spread) <= seconds * (1 + spread) * 1.001
