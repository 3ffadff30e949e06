"""Going through a source's list: pages are asked for ahead, and a few stretches of rows are under way at once.

A *stretch* is at most some hundred rows of one page, so that a page of thousands never holds up the listener for long
(more where most need not be read: `bridge.pull.page_import`). Stretches begin in the order of the list, and do not care
where a page ends: while Postgres works for some the next one is understood. What is in hand is bounded: the stretches
under way, the page the next one comes from, the page behind it.

Nobody holds on to a page that was passed on. It is half a megabyte and more, and with two of them kept until the next
one came a pass over what is known took a tenth more (when a page was made of 1.7 MB of small objects). Hence each `del`
below.

Pages overlap by some rows (`bridge.tmf656.paging`), so the end of one and the beginning of the next tell of the same
problems; stored at the same time, one would lose the race against the other and be decided anew. So a stretch waits
for those before it that tell of the same problems (`Stretch.turn`), and rows that stood on the page before come last on
theirs, when nobody has to wait for long.

The first failure ends it, first in the order of the list: no stretch begins after one, and those under way are gone
through with. A page that cannot be had comes after everything that was had.

With two stretches of one page at a time, and the next page begun when the last one was stored, our process had nothing
to do but wait for 36 to 59 µs a row in a first pass over 20,000 problems, now for 20 to 24 (interleaved with others'
work on two cores; a row takes some 100 µs of CPU here and 60 in Postgres). Two stretches at once wait for 30. The loop
is busy between two of its turns for as long as before: 12 ms in nine of ten, 20 in 99 of a hundred (15 and 22 before).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from bridge.errors import BridgeError, TransientError, raise_first
from bridge.http.auth import UnauthorisedError
from bridge.schedule import Backoff
from bridge.tmf656 import wire
from bridge.tmf656.client import ListPage
from bridge.tmf656.wire import Row

ROWS = 250
"""Rows of a stretch, at most."""

AT_ONCE = 3
"""Stretches under way: one is understood, one in Postgres, and one between the two. More would wait for each other."""

_PAGE_TRIES = 3
_PAGE_PATIENCE_SECONDS = 30.0


@dataclass(slots=True, eq=False)
class RowChunk:
    """Rows of a page. `ids`: the problem that each tells of, None for none; `first` and `last` on their page: both, on
    a small one.
    """

    page: ListPage
    rows: Sequence[Row]
    ids: Sequence[str | None]
    first: bool
    last: bool
    done: anyio.Event = field(default_factory=anyio.Event)
    after: Sequence[anyio.Event] = ()
    """When those before it that tell of the same problems are done."""

    async def turn(self) -> None:
        """Wait until none before it is under way that tells of the same problems."""
        for done in self.after:
            await done.wait()


async def run_pipeline(
    pages: AsyncIterator[ListPage], handle: Callable[[RowChunk], Awaitable[None]], *, most: int = ROWS
) -> None:
    """Go through a pass `steadily`, a few stretches of at most so many rows at once. A page without rows is a stretch
    without rows.
    """
    await _Pipeline(handle, most).run(pages)


class _Pipeline:
    """One pass under way."""

    def __init__(self, handle: Callable[[RowChunk], Awaitable[None]], most: int) -> None:
        self._handle = handle
        self._most = most
        self._places = anyio.Semaphore(AT_ONCE)
        self._asking = anyio.CancelScope()
        self._begun = 0
        self._under_way: dict[int, RowChunk] = {}
        self._failures: dict[int, BridgeError] = {}
        self._cut_off: list[BridgeError] = []

    async def run(self, pages: AsyncIterator[ListPage]) -> None:
        bring, brought = anyio.create_memory_object_stream[ListPage]()
        async with anyio.create_task_group() as group, brought:
            group.start_soon(self._ask, pages, bring)
            before: frozenset[str | None] = frozenset()
            async for page in brought:
                ids = [wire.usable_id(row.id) for row in page.items]
                for stretch in _cut(page, ids, before, self._most):
                    await self._begin(stretch, group)
                before = frozenset(ids)
                del page, stretch
        failures = [self._failures[number] for number in sorted(self._failures)] + self._cut_off
        self._failures.clear()
        self._cut_off.clear()
        if failures:
            raise_first(failures)

    async def _ask(self, pages: AsyncIterator[ListPage], bring: MemoryObjectSendStream[ListPage]) -> None:
        """Ask for page after page, each once the one before was taken."""
        async with bring:
            with self._asking:
                try:
                    async for page in steadily(pages):
                        await bring.send(page)
                        del page
                except BridgeError as error:
                    self._cut_off.append(error)

    async def _begin(self, stretch: RowChunk, group: TaskGroup) -> None:
        await self._places.acquire()
        if self._failures:
            self._places.release()
            return
        ids = frozenset(stretch.ids).difference((None,))
        stretch.after = [each.done for each in self._under_way.values() if not ids.isdisjoint(each.ids)]
        self._begun += 1
        self._under_way[self._begun] = stretch
        group.start_soon(self._go_through, self._begun, stretch)

    async def _go_through(self, number: int, stretch: RowChunk) -> None:
        try:
            await self._handle(stretch)
        except BridgeError as error:
            self._failures[number] = error
            self._asking.cancel()
        finally:
            del self._under_way[number]
            stretch.done.set()
            self._places.release()


def _cut(page: ListPage, ids: Sequence[str | None], before: frozenset[str | None], most: int) -> Iterator[RowChunk]:
    """Cut a page into stretches, rows of problems that stood on the page before (whose ids are `before`) last."""
    rows: Sequence[Row] = page.items
    again = before.intersection(ids).difference((None,))
    if again:
        order = [place for place, each in enumerate(ids) if each not in again]
        order += [place for place, each in enumerate(ids) if each in again]
        rows, ids = [rows[place] for place in order], [ids[place] for place in order]
    for start in range(0, len(rows) or 1, most):
        end = start + most
        yield RowChunk(page, rows[start:end], ids[start:end], first=start == 0, last=end >= len(rows))


async def steadily(pages: AsyncIterator[ListPage]) -> AsyncIterator[ListPage]:
    """Go through a pass, asking a few times again for a page that fails: a long pass need not start anew because of
    one.

    The first page is not asked for again, nor is one that is refused or to be waited for long: that is for the job to
    tell and to back off from.
    """
    backoff = Backoff(first_seconds=0.2, last_seconds=2.0)
    begun = False
    while True:
        try:
            page = await anext(pages)
        except StopAsyncIteration:
            return
        except UnauthorisedError:
            raise
        except TransientError as error:
            patient = (error.retry_after_seconds or 0) <= _PAGE_PATIENCE_SECONDS
            if not begun or not patient or backoff.failures >= _PAGE_TRIES:
                raise
            await anyio.sleep(backoff.next_seconds(error.retry_after_seconds))
            continue
        begun = True
        backoff.reset()
        yield page
        del page
