"""What is added in one turn of the loop is worked on together, in order, a bounded stretch at a time."""

import asyncio
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.jobs.cohort import Cohort

pytestmark = pytest.mark.anyio


async def turns(number: int) -> None:
    """Let the loop turn so often."""
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


async def test_what_comes_in_one_turn_is_one_stretch_and_what_comes_later_another() -> None:
    worked: list[Sequence[int]] = []
    cohort = Cohort[int](worked.append)
    cohort.add(1)
    cohort.add(2)
    assert worked == []
    await turns(8)
    cohort.add(3)
    await turns(8)
    assert worked == [[1, 2], [3]]


async def test_a_swarm_lets_others_in_between() -> None:
    seen: list[str] = []
    cohort = Cohort[int](lambda items: seen.append(f"{len(items)}"))
    for number in range(150):
        cohort.add(number)
    asyncio.get_running_loop().call_soon(seen.append, "other")
    await turns(8)
    assert seen == ["64", "other", "64", "22"]


async def test_what_is_added_while_others_are_worked_on_comes_after_them() -> None:
    worked: list[int] = []

    def work(items: Sequence[int]) -> None:
        worked.extend(items)
        if items[0] == 1:
            cohort.add(3)

    cohort = Cohort[int](work)
    cohort.add(1)
    cohort.add(2)
    await turns(8)
    assert worked == [1, 2, 3]


@given(counts=st.lists(st.integers(0, 200), max_size=6))
@settings(deadline=None)
def test_everything_is_worked_on_once_and_in_order(counts: list[int]) -> None:
    async def run() -> None:
        worked: list[int] = []
        cohort = Cohort[int](worked.extend)
        added = 0
        for count in counts:
            for _ in range(count):
                cohort.add(added)
                added += 1
            await turns(1)
        await turns(30)
        assert worked == list(range(added))

    anyio.run(run)
