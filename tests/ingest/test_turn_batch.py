"""What is added in one turn of the loop is worked on together, in order, a bounded stretch at a time."""

import asyncio
from math import inf

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ingest.turn_batch import TurnBatch

pytestmark = pytest.mark.anyio


async def turns(number: int) -> None:
    """Let the loop turn so often."""
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


async def test_what_comes_in_one_turn_is_worked_on_in_the_next() -> None:
    seen: list[object] = []
    cohort = TurnBatch[int](seen.append, stretch_seconds=inf)
    cohort.add(1)
    asyncio.get_running_loop().call_soon(seen.append, "other")
    cohort.add(2)
    assert seen == []
    await turns(2)
    assert seen == [1, 2, "other"]


async def test_what_takes_long_lets_others_in_between() -> None:
    seen: list[object] = []
    cohort = TurnBatch[int](seen.append, stretch_seconds=0)
    for number in range(3):
        cohort.add(number)
    asyncio.get_running_loop().call_soon(seen.append, "other")
    await turns(5)
    assert seen == [0, "other", 1, 2]


async def test_what_is_added_while_others_are_worked_on_comes_after_them() -> None:
    worked: list[int] = []

    def work(item: int) -> None:
        worked.append(item)
        if item == 2:
            cohort.add(3)

    cohort = TurnBatch[int](work)
    cohort.add(1)
    cohort.add(2)
    await turns(4)
    assert worked == [1, 2, 3]


@given(counts=st.lists(st.integers(0, 200), max_size=6), stretch_seconds=st.sampled_from([0.0, 1e-6, 1.0]))
@settings(deadline=None)
def test_everything_is_worked_on_once_and_in_order(counts: list[int], stretch_seconds: float) -> None:
    async def run() -> None:
        worked: list[int] = []
        cohort = TurnBatch[int](worked.append, stretch_seconds=stretch_seconds)
        added = 0
        for count in counts:
            for _ in range(count):
                cohort.add(added)
                added += 1
            await turns(1)
        await turns(added + 2)
        assert worked == list(range(added))

    anyio.run(run)


async def test_a_defect_in_the_work_on_one_keeps_nobody_behind_it() -> None:
    loop = asyncio.get_running_loop()
    reported: list[object] = []
    worked: list[int] = []

    def work(item: int) -> None:
        if item == 1:
            raise ZeroDivisionError
        worked.append(item)

    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: reported.append(type(context["exception"])))
    try:
        cohort = TurnBatch[int](work)
        for item in (1, 2):
            cohort.add(item)
        await turns(4)
        cohort.add(3)
        await turns(4)
    finally:
        loop.set_exception_handler(handler)
    assert (worked, reported) == ([2, 3], [ZeroDivisionError])
