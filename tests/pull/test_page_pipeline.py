"""Going through a list: what is in progress is bounded, and the first failure in the list's order is raised."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from bridge.errors import BridgeError, DatabaseUnavailableError, PermanentError, TransientError
from bridge.http.row import rows_of
from bridge.pull.page_pipeline import AT_ONCE, CHUNK_BYTES, ROWS, RowChunk, run_pipeline
from bridge.simulator.tmf656.background import background
from bridge.tmf656.list_pass import ListPage

pytestmark = pytest.mark.anyio


def a_page(number: int, ids: Iterable[object]) -> ListPage:
    return ListPage(rows_of({"id": each} for each in ids), datetime.now(UTC), None, number, None)


def small_pages(count: int) -> list[ListPage]:
    return [a_page(number, [f"SP-{number}"]) for number in range(1, count + 1)]


class Server:
    """Gives pages; an error among them is raised, None is never answered."""

    def __init__(self, *pages: ListPage | BridgeError | None) -> None:
        self._pages = pages
        self.asked = 0

    async def __aiter__(self) -> AsyncIterator[ListPage]:
        for page in self._pages:
            self.asked += 1
            if page is None:
                await anyio.sleep_forever()
            elif isinstance(page, BridgeError):
                raise page
            else:
                yield page


class Gates:
    """Handles chunks, each of which ends when the test opens the gate of its page."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.turned: list[int] = []
        self.ended: list[int] = []
        self.failures: dict[int, BridgeError] = {}
        self._gates: defaultdict[int, anyio.Event] = defaultdict(anyio.Event)

    async def handle(self, chunk: RowChunk) -> None:
        number = chunk.page.number
        self.began.append(number)
        await chunk.wait_turn()
        self.turned.append(number)
        await self._gates[number].wait()
        if number in self.failures:
            raise self.failures[number]
        self.ended.append(number)

    async def open(self, *numbers: int, failing: BridgeError | None = None) -> None:
        """Let these end, and wait until everything that can has gone on."""
        for number in numbers:
            if failing is not None:
                self.failures[number] = failing
            self._gates[number].set()
        await anyio.wait_all_tasks_blocked()


class Failing:
    """A pass that is to fail."""

    def __init__(self, *pages: ListPage | BridgeError | None) -> None:
        self.server, self.gates = Server(*pages), Gates()
        self.ended = anyio.Event()
        self._failure: BridgeError | None = None

    async def run(self) -> None:
        try:
            await run_pipeline(aiter(self.server), self.gates.handle)
        except BridgeError as error:
            self._failure = error
        self.ended.set()

    async def failure(self) -> BridgeError | None:
        with anyio.fail_after(10):
            await self.ended.wait()
        return self._failure


async def test_chunks_begin_in_order_whatever_page_they_are_on_and_only_few_are_in_hand() -> None:
    server, gates = Server(*small_pages(20)), Gates()
    async with background() as tasks:
        tasks.start_soon(run_pipeline, aiter(server), gates.handle)
        await anyio.wait_all_tasks_blocked()
        assert gates.began == [1, 2, 3] == list(range(1, AT_ONCE + 1))
        assert server.asked == AT_ONCE + 2  # one waits for its turn, one is asked for
        await gates.open(2)
        assert gates.began == [1, 2, 3, 4]
        assert server.asked == AT_ONCE + 3
        await gates.open(*range(1, 21))
        assert sorted(gates.ended) == list(range(1, 21))


async def test_a_page_of_many_rows_is_cut_and_the_next_one_begins_before_its_end() -> None:
    server, gates = Server(a_page(1, range(2 * ROWS)), a_page(2, range(2 * ROWS, 3 * ROWS + 1))), Gates()
    async with background() as tasks:
        tasks.start_soon(run_pipeline, aiter(server), gates.handle)
        await anyio.wait_all_tasks_blocked()
        assert gates.began == [1, 1, 2]
        await gates.open(1)
        assert gates.began == [1, 1, 2, 2]
        await gates.open(2)
        assert gates.ended == [1, 1, 2, 2]


async def test_a5_a_chunk_ends_at_a_megabyte_and_one_row_may_be_larger() -> None:
    sizes = [CHUNK_BYTES // 2, CHUNK_BYTES // 2, 10, 3 * CHUNK_BYTES, 10, 10]
    rows = rows_of({"id": number, "text": "x" * size} for number, size in enumerate(sizes))
    chunks: list[list[Any]] = []

    async def handle(chunk: RowChunk) -> None:
        chunks.append([row.id for row in chunk.rows])

    await run_pipeline(aiter(Server(ListPage(rows, datetime.now(UTC), None, 1, None))), handle)
    assert chunks == [[0, 1], [2, 3], [4, 5]]


async def test_every_page_has_a_first_and_a_last_chunk_also_one_without_rows() -> None:
    seen: list[tuple[int, int, bool, bool]] = []

    async def handle(chunk: RowChunk) -> None:
        seen.append((chunk.page.number, len(chunk.rows), chunk.first, chunk.last))

    await run_pipeline(aiter(Server(a_page(1, []), a_page(2, range(ROWS)), a_page(3, range(ROWS + 1)))), handle)
    assert seen == [(1, 0, True, True), (2, ROWS, True, True), (3, ROWS, True, False), (3, 1, False, True)]


async def test_what_stands_on_two_pages_comes_last_on_the_second_and_waits_for_the_first() -> None:
    chunks: list[list[Any]] = []
    gates = Gates()

    async def handle(chunk: RowChunk) -> None:
        chunks.append([row.id for row in chunk.rows])
        await gates.handle(chunk)

    pages = a_page(1, ["a", "b", "c"]), a_page(2, ["c", {"odd": 1}, "d", "c", None]), a_page(3, ["e"])
    async with background() as tasks:
        tasks.start_soon(run_pipeline, aiter(Server(*pages)), handle)
        await anyio.wait_all_tasks_blocked()
        assert chunks == [["a", "b", "c"], [{"odd": 1}, "d", None, "c", "c"], ["e"]]
        assert gates.turned == [1, 3]
        await gates.open(1)
        assert gates.turned == [1, 3, 2]
        await gates.open(2, 3)
        assert gates.ended == [1, 2, 3]


async def test_the_failure_of_an_earlier_page_is_told_also_when_a_later_one_failed_before_it() -> None:
    going = Failing(*small_pages(20))
    earlier, later = DatabaseUnavailableError("away"), PermanentError("never")
    async with background() as tasks:
        tasks.start_soon(going.run)
        await anyio.wait_all_tasks_blocked()
        await going.gates.open(3, failing=later)
        await going.gates.open(1, failing=earlier)
        await going.gates.open(2)
        assert await going.failure() is earlier
        assert going.gates.began == [1, 2, 3]


async def test_after_a_failure_nothing_begins_and_what_is_under_way_is_gone_through_with() -> None:
    going = Failing(*small_pages(3), a_page(4, range(5 * ROWS)), None)
    failure = DatabaseUnavailableError("away")
    async with background() as tasks:
        tasks.start_soon(going.run)
        await anyio.wait_all_tasks_blocked()
        assert going.server.asked == 5  # and never answered: it is not waited for
        await going.gates.open(1, failing=failure)
        assert not going.ended.is_set()
        await going.gates.open(2, 3)
        assert await going.failure() is failure
        assert going.gates.began == [1, 2, 3]
        assert going.gates.ended == [2, 3]


async def test_a_page_that_cannot_be_had_ends_the_pass_after_all_that_was_had() -> None:
    refused = TransientError("502", retry_after_seconds=60)
    going = Failing(*small_pages(4), refused)
    async with background() as tasks:
        tasks.start_soon(going.run)
        await anyio.wait_all_tasks_blocked()
        assert going.gates.began == [1, 2, 3]
        await going.gates.open(1, 2, 3, 4)
        assert await going.failure() is refused
        assert going.gates.ended == [1, 2, 3, 4]


async def test_a_failure_to_store_comes_before_a_page_behind_it_that_cannot_be_had() -> None:
    going = Failing(*small_pages(1), TransientError("502", retry_after_seconds=60))
    away = DatabaseUnavailableError("away")
    async with background() as tasks:
        tasks.start_soon(going.run)
        await anyio.wait_all_tasks_blocked()
        await going.gates.open(1, failing=away)
        assert await going.failure() is away
