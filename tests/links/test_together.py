"""What comes at the same time is done in one go, and what goes wrong is the business of the one that caused it."""

from collections.abc import Sequence
from functools import partial

import anyio
import pytest

from bridge.errors import DatabaseUnavailableError, PermanentError
from bridge.links.together import Together

pytestmark = pytest.mark.anyio


class Work:
    """Doubles numbers; `first` holds up the first group until it is set. A number in `errors` fails its group."""

    def __init__(self, errors: dict[int, Exception] | None = None) -> None:
        self.groups: list[list[int]] = []
        self.errors = errors or {}
        self.begun, self.first = anyio.Event(), anyio.Event()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        if len(self.groups) == 1:
            self.begun.set()
            await self.first.wait()
        for item in items:
            if item in self.errors:
                raise self.errors[item]
        return [2 * item for item in items]


async def done(work: Work, numbers: Sequence[int]) -> dict[int, int | Exception]:
    """Have 0 begin, all others wait for it, and return what each came to."""
    together, results = Together(work), {}

    async def one(number: int) -> None:
        try:
            results[number] = await together.put(number)
        except (PermanentError, DatabaseUnavailableError) as error:
            results[number] = error

    async with anyio.create_task_group() as group:
        group.start_soon(one, 0)
        await work.begun.wait()
        for number in numbers:
            group.start_soon(one, number)
        await anyio.wait_all_tasks_blocked()
        work.first.set()
    return results


async def test_one_alone_begins_at_once_and_those_that_come_meanwhile_are_a_group() -> None:
    work = Work()
    assert await done(work, [1, 2, 3]) == {0: 0, 1: 2, 2: 4, 3: 6}
    assert work.groups == [[0], [1, 2, 3]]


async def test_a_group_is_bounded() -> None:
    work = Work()
    results = await done(work, range(1, 41))
    assert results == {number: 2 * number for number in range(41)}
    assert [len(group) for group in work.groups] == [1, 32, 8]


async def test_what_one_causes_is_raised_to_that_one_alone() -> None:
    failure = PermanentError("refused")
    work = Work({2: failure})
    assert await done(work, [1, 2, 3]) == {0: 0, 1: 2, 2: failure, 3: 6}
    assert work.groups == [[0], [1, 2, 3], [1], [2], [3]]


async def test_what_concerns_all_is_raised_to_all_and_not_tried_for_each() -> None:
    failure = DatabaseUnavailableError("away")
    work = Work({2: failure})
    assert await done(work, [1, 2, 3]) == {0: 0, 1: failure, 2: failure, 3: failure}
    assert work.groups == [[0], [1, 2, 3]]


async def test_one_that_is_cancelled_while_it_waits_is_left_out() -> None:
    work = Work()
    together = Together(work)
    async with anyio.create_task_group() as group:
        group.start_soon(together.put, 0)
        await work.begun.wait()
        with anyio.move_on_after(0):
            await together.put(1)
        group.start_soon(partial(together.put, 2))
        await anyio.wait_all_tasks_blocked()
        work.first.set()
    assert work.groups == [[0], [2]]


async def test_when_the_worker_of_a_group_is_cancelled_the_others_are_done_all_the_same() -> None:
    work, results = Work(), []
    together = Together(work)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def second() -> None:
                results.append(await together.put(2))

            async def first() -> None:
                with scope_of_first:
                    await together.put(1)

            scope_of_first = anyio.CancelScope()
            group.start_soon(together.put, 0)
            await work.begun.wait()
            work.begun = anyio.Event()
            held = anyio.Event()
            real = work.__call__

            async def hold(items: Sequence[int]) -> list[int]:
                if list(items) == [1, 2]:
                    held.set()
                    await anyio.sleep_forever()
                return await real(items)

            together._work = hold
            group.start_soon(first)
            group.start_soon(second)
            await anyio.wait_all_tasks_blocked()
            work.first.set()
            await held.wait()
            scope_of_first.cancel()
    assert not scope.cancel_called
    assert results == [4]
