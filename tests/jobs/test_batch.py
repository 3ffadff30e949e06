"""Group commit is bounded in number and in bytes, a batch and what waits."""

from collections.abc import Sequence

import anyio
import pytest

from bridge.jobs.batch import GroupCommit, OverloadedError
from bridge.simulator.background import background

pytestmark = pytest.mark.anyio


class Store:
    """Commits what `may` lets it; `batches` are the sizes of what came."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may = anyio.Event()

    async def commit(self, items: Sequence[bytes]) -> list[int]:
        await self.may.wait()
        self.batches.append([len(item) for item in items])
        return [len(item) for item in items]


async def test_a_batch_holds_no_more_bytes_than_it_may_unless_one_alone_does() -> None:
    store = Store()
    group = GroupCommit(store.commit, len, max_bytes=10)
    sizes = [4, 4, 4, 25, 1, 9, 1]
    results: dict[int, int] = {}

    async def put(place: int) -> None:
        results[place] = await group.put(b"x" * sizes[place])

    async with background() as tasks, anyio.create_task_group() as putting:
        for place in range(len(sizes)):
            putting.start_soon(put, place)
            await anyio.wait_all_tasks_blocked()
        assert group.waiting_bytes == sum(sizes)
        store.may.set()
        tasks.start_soon(group.run)
    assert store.batches == [[4, 4], [4], [25], [1, 9], [1]]
    assert results == dict(enumerate(sizes))
    assert (group.waiting, group.waiting_bytes) == (0, 0)


async def test_more_bytes_than_may_wait_are_refused_at_once_and_taken_later() -> None:
    store = Store()
    group = GroupCommit(store.commit, len, max_waiting_bytes=10)
    async with background() as tasks:
        tasks.start_soon(group.run)
        async with anyio.create_task_group() as putting:
            putting.start_soon(group.put, b"x" * 25)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(OverloadedError, match="25 bytes") as caught:
                await group.put(b"")
            assert caught.value.retry_after_seconds == 1
            store.may.set()
        assert await group.put(b"x" * 10) == 10
