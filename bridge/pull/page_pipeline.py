"""Reading a list page by page while a few chunks of its rows are being stored.

A chunk is some hundred rows of one page, and not much more than a megabyte, so that a large page never holds up the
event loop for long. Chunks start in the order of the list and do not care where a page ends: while Postgres stores one,
the next one is read. Memory is bounded: the chunks in progress, the page the next one comes from, and the page behind
it. No page is kept longer, hence each `del` below.

Pages overlap by some rows (`bridge.tmf656.page_reading`), and two chunks with the same problem would race each other.
So a chunk waits for earlier ones with the same problems (`RowChunk.wait_turn`), and the rows that also stood on the
page before come last on theirs, when that wait is short.

The first failure in the order of the list ends the pass: no further chunk starts, those in progress finish. A fetch
error is raised after earlier pages are stored.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from bridge.domain.service_problem import usable_id
from bridge.errors import BridgeError, TransientError, raise_first
from bridge.http.errors import UnauthorisedError
from bridge.http.list_page import ListPage
from bridge.http.row import Row
from bridge.schedule import Backoff

ROWS = 250
"""Rows of a chunk, at most."""

CHUNK_BYTES = 1024 * 1024
"""A chunk ends with the row that reaches this size; one row may be larger."""

AT_ONCE = 3
"""Chunks in progress: one is read, one is in Postgres, one is between the two. More would wait for each other."""

_PAGE_TRIES = 3
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True, eq=False)
class RowChunk:
    """Rows of a page. `ids`: the problem of each row, None where it has no usable id. `first`, `last`: on their page;
    a small page is one chunk that is both.
    """

    page: ListPage
    rows: Sequence[Row]
    ids: Sequence[str | None]
    first: bool
    last: bool
    done: anyio.Event = field(default_factory=anyio.Event)
    after: Sequence[anyio.Event] = ()
    """The `done` of earlier chunks with the same problems."""

    async def wait_turn(self) -> None:
        """Wait until no earlier chunk with the same problems is in progress."""
        for done in self.after:
            await done.wait()


async def run_pipeline(
    pages: AsyncIterator[ListPage], handle: Callable[[RowChunk], Awaitable[None]], *, chunk_rows: int = ROWS
) -> None:
    """Read all pages and `handle` their rows, a few chunks of at most `chunk_rows` at once. A page without rows is one
    chunk without rows.
    """
    await _Pipeline(handle, chunk_rows).run(pages)


class _Pipeline:
    """One pass."""

    def __init__(self, handle: Callable[[RowChunk], Awaitable[None]], chunk_rows: int) -> None:
        self._handle = handle
        self._chunk_rows = chunk_rows
        self._slots = anyio.Semaphore(AT_ONCE)
        self._fetching = anyio.CancelScope()
        self._started = 0
        self._in_progress: dict[int, RowChunk] = {}
        self._failures: dict[int, BridgeError] = {}
        self._fetch_errors: list[BridgeError] = []

    async def run(self, pages: AsyncIterator[ListPage]) -> None:
        send, receive = anyio.create_memory_object_stream[ListPage]()
        async with anyio.create_task_group() as group, receive:
            group.start_soon(self._fetch, pages, send)
            ids_before: frozenset[str | None] = frozenset()
            async for page in receive:
                ids = [usable_id(row.id) for row in page.items]
                for chunk in _chunks(page, ids, ids_before, self._chunk_rows):
                    await self._start(chunk, group)
                ids_before = frozenset(ids)
                del page, chunk
        failures = [self._failures[number] for number in sorted(self._failures)] + self._fetch_errors
        self._failures.clear()
        self._fetch_errors.clear()
        if failures:
            raise_first(failures)

    async def _fetch(self, pages: AsyncIterator[ListPage], send: MemoryObjectSendStream[ListPage]) -> None:
        """Fetch page after page, each once the one before was taken."""
        async with send:
            with self._fetching:
                try:
                    async for page in _retrying(pages):
                        await send.send(page)
                        del page
                except BridgeError as error:
                    self._fetch_errors.append(error)

    async def _start(self, chunk: RowChunk, group: TaskGroup) -> None:
        await self._slots.acquire()
        if self._failures:
            self._slots.release()
            return
        ids = frozenset(chunk.ids).difference((None,))
        chunk.after = [each.done for each in self._in_progress.values() if not ids.isdisjoint(each.ids)]
        self._started += 1
        self._in_progress[self._started] = chunk
        group.start_soon(self._run_chunk, self._started, chunk)

    async def _run_chunk(self, number: int, chunk: RowChunk) -> None:
        try:
            await self._handle(chunk)
        except BridgeError as error:
            self._failures[number] = error
            self._fetching.cancel()
        finally:
            del self._in_progress[number]
            chunk.done.set()
            self._slots.release()


def _chunks(
    page: ListPage, ids: Sequence[str | None], ids_before: frozenset[str | None], most: int
) -> Iterator[RowChunk]:
    """Cut a page into chunks, problems that also stood on the page before (`ids_before`) last."""
    rows: Sequence[Row] = page.items
    repeated = ids_before.intersection(ids).difference((None,))
    if repeated:
        order = [place for place, each in enumerate(ids) if each not in repeated]
        order += [place for place, each in enumerate(ids) if each in repeated]
        rows, ids = [rows[place] for place in order], [ids[place] for place in order]
    start = 0
    while True:
        end = _chunk_end(rows, start, most)
        yield RowChunk(page, rows[start:end], ids[start:end], first=start == 0, last=end >= len(rows))
        start = end
        if start >= len(rows):
            return


def _chunk_end(rows: Sequence[Row], start: int, most: int) -> int:
    """Return where the chunk ends that starts at `start`."""
    size_bytes, end = 0, start
    stop = min(start + most, len(rows))
    while end < stop and size_bytes < CHUNK_BYTES:
        size_bytes += len(rows[end].text)
        end += 1
    return end


async def _retrying(pages: AsyncIterator[ListPage]) -> AsyncIterator[ListPage]:
    """Yield the pages of a pass; fetch a page that failed a few times again, so that one bad answer does not end a long
    pass.

    The first page is not retried, nor one that is refused or asks for a long pause: the job backs off from these.
    """
    backoff: Backoff | None = None
    started = False
    while True:
        try:
            page = await anext(pages)
        except StopAsyncIteration:
            return
        except UnauthorisedError:
            raise
        except TransientError as error:
            short = (error.retry_after_seconds or 0) <= _LONGEST_PAUSE_SECONDS
            backoff = backoff or Backoff(first_seconds=0.2, last_seconds=2.0)
            if not started or not short or backoff.failures >= _PAGE_TRIES:
                raise
            await anyio.sleep(backoff.next_seconds(error.retry_after_seconds))
            continue
        started, backoff = True, None
        yield page
        del page
