"""One follower: live from a queue, and behind, from the table, after an overflow; nothing is lost or sent twice."""

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from bridge.domain.stream_event import Position, StreamFilter, StreamStep
from bridge.stream.follower import QUEUE_BYTES, Follower

pytestmark = pytest.mark.anyio


def step(number: int, *, last: bool = True, size_bytes: int = 1) -> StreamStep:
    return StreamStep(Position(number, 1), last, "snow", (), size_bytes)


class Table:
    """Every change there was."""

    def __init__(self, *numbers: int) -> None:
        self.kept = [step(number) for number in numbers]

    @property
    def publishing(self) -> Position:
        return self.kept[-1].position if self.kept else Position(0, 0)

    async def steps(self, after: Position, until: Position) -> AsyncGenerator[StreamStep, None]:
        for each in self.kept:
            if after < each.position <= until:
                yield each


async def taken(follower: Follower) -> list[int]:
    """What is at hand."""

    async def steps() -> AsyncIterator[StreamStep]:
        while (found := await follower.next(0)) is not None:
            yield found

    return [each.position.committed async for each in steps()]


async def test_who_begins_now_hears_what_comes() -> None:
    follower = Follower(StreamFilter(), Table(1, 2))
    follower.start(Position(2, 1), reset=False)
    follower.offer(step(3))
    assert await taken(follower) == [3]
    assert follower.position == Position(3, 1)


async def test_who_comes_back_reads_what_it_missed_and_hears_nothing_twice() -> None:
    follower = Follower(StreamFilter(after=Position(1, 1)), Table(1, 2, 3))
    assert await taken(follower) == [2, 3]
    follower.offer(step(3))
    follower.offer(step(4))
    assert await taken(follower) == [4]


async def test_a_queue_that_overflows_is_read_out_of_the_table() -> None:
    overflows = []
    table = Table(1)
    follower = Follower(StreamFilter(), table, on_overflow=lambda: overflows.append(1))
    follower.start(Position(1, 1), reset=False)
    for number in (2, 3):
        table.kept.append(step(number))
        follower.offer(step(number, size_bytes=QUEUE_BYTES))
    assert overflows == [1]
    assert await taken(follower) == [2, 3]


async def test_one_step_that_is_too_large_is_no_overflow() -> None:
    follower = Follower(StreamFilter(), Table())
    follower.start(Position(0, 0), reset=False)
    follower.offer(step(1, size_bytes=2 * QUEUE_BYTES))
    assert await taken(follower) == [1]


async def test_who_has_heard_half_a_transaction_stands_before_it() -> None:
    follower = Follower(StreamFilter(), Table())
    follower.start(Position(0, 0), reset=False)
    follower.offer(step(1, last=False))
    assert await taken(follower) == [1]
    assert follower.position == Position(0, 0)
    await follower.close()
