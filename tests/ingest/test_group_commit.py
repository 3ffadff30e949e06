"""Group commit is bounded in number and in bytes, a batch and what waits, and in time."""

import gc
from collections.abc import Iterator, Sequence
from math import inf
from weakref import ref

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import OverdueError, TransientError
from bridge.ingest.group_commit import GroupCommit, OverloadedError
from bridge.simulator.tmf656.background import background

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


class Gated:
    """Commits a batch when it is let go, by its first item."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []
        self._gates: dict[str, anyio.Event] = {}
        self._beginnings: dict[str, anyio.Event] = {}

    async def commit(self, items: Sequence[str]) -> list[str]:
        self.begun.append(list(items))
        self._beginnings.setdefault(items[0], anyio.Event()).set()
        await self._gates.setdefault(items[0], anyio.Event()).wait()
        return list(items)

    async def begins(self, first: str) -> None:
        await self._beginnings.setdefault(first, anyio.Event()).wait()

    def let_go(self, first: str) -> None:
        self._gates[first].set()


async def test_little_is_committed_together_and_plenty_beside_what_is_under_way() -> None:
    gated = Gated()
    group = GroupCommit(
        gated.commit, lambda _: 1, key=lambda item: 0 if item[0] == "a" else 1, small_batch_wait_seconds=inf
    )
    results: list[str] = []

    async def put(item: str) -> None:
        results.append(await group.put(item))

    async with background() as tasks, anyio.create_task_group() as putting:
        for item in ("a1", "b1", "a2"):
            putting.start_soon(put, item)
            await anyio.wait_all_tasks_blocked()
        tasks.start_soon(group.run)
        await anyio.wait_all_tasks_blocked()
        assert gated.begun == [["a1", "a2", "b1"]]
        gated.let_go("a1")
        await anyio.wait_all_tasks_blocked()

        putting.start_soon(put, "a3")
        await anyio.wait_all_tasks_blocked()
        many = [f"b{number}" for number in range(2, 18)]
        for item in ("a4", *many[:-1]):
            putting.start_soon(put, item)
        await anyio.wait_all_tasks_blocked()
        assert gated.begun[1:] == [["a3"]]
        putting.start_soon(put, many[-1])
        await anyio.wait_all_tasks_blocked()
        assert gated.begun[2:] == [many]
        gated.let_go("a3")
        await anyio.wait_all_tasks_blocked()
        assert len(gated.begun) == 3
        gated.let_go("b2")
        await anyio.wait_all_tasks_blocked()
        assert gated.begun[3:] == [["a4"]]
        gated.let_go("a4")
    assert sorted(results) == sorted(["a1", "a2", "a3", "a4", "b1", *many])
    assert (group.waiting, group.waiting_bytes) == (0, 0)


async def test_little_does_not_wait_long_for_another_lane_that_is_stuck() -> None:
    gated = Gated()
    group = GroupCommit(
        gated.commit, lambda _: 1, key=lambda item: 0 if item[0] == "a" else 1, small_batch_wait_seconds=0.01
    )
    async with background() as tasks, anyio.create_task_group() as putting:
        tasks.start_soon(group.run)
        putting.start_soon(group.put, "a1")
        await anyio.wait_all_tasks_blocked()
        for number in (1, 2):
            putting.start_soon(group.put, f"b{number}")
            with anyio.fail_after(20):
                await gated.begins(f"b{number}")
            gated.let_go(f"b{number}")
            await anyio.wait_all_tasks_blocked()
        assert gated.begun == [["a1"], ["b1"], ["b2"]]
        gated.let_go("a1")


@settings(deadline=None, database=None, max_examples=60)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), min_size=1, max_size=80),
    pauses=st.lists(st.integers(0, 3), min_size=1, max_size=10),
)
def test_whatever_comes_each_lane_keeps_its_order_and_each_gets_its_own_result(
    sizes: list[tuple[int, int]], pauses: list[int]
) -> None:
    """An item is its lane, its place and its size; a commit takes a few turns of the loop, by its number."""
    items = [(lane, place, size) for place, (lane, size) in enumerate(sizes)]
    begun: list[tuple[int, int, int]] = []
    under_way: list[int] = []
    commits = 0

    async def commit(batch: Sequence[tuple[int, int, int]]) -> list[int]:
        nonlocal commits
        commits += 1
        begun.extend(batch)
        lanes = {lane for lane, _, _ in batch}
        assert not lanes & set(under_way)
        assert sum(size for _, _, size in batch) <= 20
        under_way.extend(lanes)
        for _ in range(pauses[commits % len(pauses)]):
            await anyio.lowlevel.checkpoint()
        for lane in lanes:
            under_way.remove(lane)
        return [place for _, place, _ in batch]

    async def everything() -> None:
        group = GroupCommit(commit, lambda item: item[2], key=lambda item: item[0], max_rows=20, max_bytes=20)
        results: dict[int, int] = {}

        async def put(item: tuple[int, int, int]) -> None:
            results[item[1]] = await group.put(item)

        async with anyio.create_task_group() as running:
            running.start_soon(group.run)
            async with anyio.create_task_group() as putting:
                for item in items:
                    putting.start_soon(put, item)
                    if item[2] % 3 == 0:
                        await anyio.lowlevel.checkpoint()
            running.cancel_scope.cancel()
        assert results == {place: place for _, place, _ in items}
        assert group.waiting == 0

    anyio.run(everything)
    for lane in (0, 1):
        assert [item for item in begun if item[0] == lane] == [item for item in items if item[0] == lane]


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
    reasons: list[str] = []

    async def put(item: int) -> None:
        with pytest.raises(TransientError) as error:
            await group.put(item)
        reasons.append(str(error.value))

    async with anyio.create_task_group() as callers, background() as tasks:
        tasks.start_soon(group.run)
        callers.start_soon(put, 1)
        await anyio.wait_all_tasks_blocked()
        callers.start_soon(put, 2)
        await anyio.wait_all_tasks_blocked()
    assert reasons == ["the bridge is stopping"] * 2
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
