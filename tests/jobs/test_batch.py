"""Group commit is bounded in number and in bytes, a batch and what waits, and in time."""

import gc
from collections.abc import Iterator, Sequence
from weakref import ref

import anyio
import pytest

from bridge.errors import OverdueError, TransientError
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


def _one(item: int) -> int:
    return 1


class Disk:
    """Keeps what it is given, while it is not stuck."""

    def __init__(self) -> None:
        self.kept: list[list[int]] = []
        self.free = anyio.Event()

    async def keep(self, items: Sequence[int]) -> list[int]:
        self.kept.append(list(items))
        await self.free.wait()
        return [item * 10 for item in items]


async def test_each_gets_its_own_result() -> None:
    disk = Disk()
    disk.free.set()
    group = GroupCommit(disk.keep, _one, patience_seconds=60)
    results: dict[int, int] = {}

    async def put(item: int) -> None:
        results[item] = await group.put(item)

    async with background() as tasks:
        tasks.start_soon(group.run)
        async with anyio.create_task_group() as callers:
            for item in range(5):
                callers.start_soon(put, item)
    assert results == {item: item * 10 for item in range(5)}
    assert sorted(item for batch in disk.kept for item in batch) == list(range(5))


async def test_what_has_one_key_stays_in_order_and_holds_no_other_lane_up() -> None:
    kept: list[list[str]] = []
    held = anyio.Event()

    async def keep(items: Sequence[str]) -> list[str]:
        if items[0].startswith("slow"):
            await held.wait()
        kept.append(list(items))
        return list(items)

    group = GroupCommit(keep, lambda _: 1, lanes=2, key=lambda item: 0 if item.startswith("slow") else 1)
    async with background() as tasks, anyio.create_task_group() as putting:
        tasks.start_soon(group.run)
        for item in ("slow 1", "slow 2", "quick 1", "slow 3"):
            putting.start_soon(group.put, item)
            await anyio.wait_all_tasks_blocked()
        assert kept == [["quick 1"]]
        assert group.waiting == 3
        assert await group.put("quick 2") == "quick 2"
        held.set()
    assert kept == [["quick 1"], ["quick 2"], ["slow 1"], ["slow 2", "slow 3"]]
    assert group.waiting == 0


async def test_who_waits_too_long_is_told_and_the_next_one_does_not_inherit_that() -> None:
    disk = Disk()
    group = GroupCommit(disk.keep, _one, patience_seconds=0.05)
    async with background() as tasks:
        tasks.start_soon(group.run)
        for item in (1, 2, 3):
            with pytest.raises(OverdueError):
                await group.put(item)
        assert group.waiting == 3
        disk.free.set()
        assert await group.put(4) == 40
        assert group.waiting == 0
    assert disk.kept == [[1], [2], [3], [4]]


async def test_who_still_waits_when_it_stops_is_told() -> None:
    disk = Disk()
    group = GroupCommit(disk.keep, _one, patience_seconds=60)
    told: list[str] = []

    async def put(item: int) -> None:
        with pytest.raises(TransientError) as error:
            await group.put(item)
        told.append(str(error.value))

    async with anyio.create_task_group() as callers, background() as tasks:
        tasks.start_soon(group.run)
        callers.start_soon(put, 1)
        await anyio.wait_all_tasks_blocked()
        callers.start_soon(put, 2)
        await anyio.wait_all_tasks_blocked()
    assert told == ["the bridge is stopping"] * 2
    with pytest.raises(TransientError):
        await group.put(3)


class Body:
    """A body of some bytes that can be watched."""

    def __len__(self) -> int:
        return 100


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is let go of is gone at once, or held."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("callers", [1, 3])
async def test_a_body_that_was_not_committed_is_let_go_of_at_once(callers: int) -> None:
    may = anyio.Event()
    watched: list[ref[Body]] = []

    async def commit(items: Sequence[Body]) -> list[int]:
        await may.wait()
        return [len(item) for item in items]

    group = GroupCommit(commit, len, patience_seconds=0.01)

    async def put() -> None:
        body = Body()
        watched.append(ref(body))
        with pytest.raises(OverdueError):
            await group.put(body)

    async with background() as tasks:
        tasks.start_soon(group.run)
        async with anyio.create_task_group() as putting:
            for _ in range(callers):
                putting.start_soon(put)
        may.set()
        await anyio.wait_all_tasks_blocked()
    assert [body() for body in watched] == [None] * callers
