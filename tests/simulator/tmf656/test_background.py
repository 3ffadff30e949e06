"""Tasks beside a block end with it, and its failure comes out as it is."""

import anyio
import pytest

from bridge.simulator.tmf656.background import background

pytestmark = pytest.mark.anyio


async def test_the_tasks_end_with_the_block() -> None:
    ended = []

    async def task() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    async with background() as tasks:
        tasks.start_soon(task)
        await anyio.lowlevel.checkpoint()
    assert ended == [True]


async def fails_itself() -> None:
    async with background() as tasks:
        tasks.start_soon(anyio.sleep_forever)
        raise ValueError("as it is")


async def fails_in_a_task() -> None:
    async def task() -> None:
        raise KeyError("task")

    async with background() as tasks:
        tasks.start_soon(task)
        await anyio.sleep_forever()


async def test_a_failure_of_the_block_is_not_in_a_group() -> None:
    with pytest.raises(ValueError, match="as it is"):
        await fails_itself()


async def test_a_failure_of_a_task_ends_the_block() -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        await fails_in_a_task()
    assert isinstance(raised.value.exceptions[0], KeyError)
