"""One pass over the tickets of a system: pages, which tickets were seen, and whether the pass was complete."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol, Self

from msgspec import Raw

from bridge.domain.completeness import Completeness, Gap
from bridge.http.list_page import ListPage
from bridge.http.row import Row, rows_of

MAX_PAGES = 100_000


class TicketPage(Protocol):
    """What a page brings: version 4 problems, or what stands in the place of one."""

    @property
    def items(self) -> list[Any]: ...

    @property
    def asked_at(self) -> datetime: ...

    @property
    def server_at(self) -> datetime | None: ...


class PageSource(Protocol):
    """Where the pages come from. `next_page` moves on only when it returns: after a failure the same page is asked
    for again.
    """

    async def next_page(self) -> TicketPage | None:
        """Return the next page, None after the last one."""
        ...


class TicketPass:
    """The pages of one pass, an async iterator (`bridge.sources.client.ProblemPages`). One task at a time."""

    def __init__(self, source: PageSource) -> None:
        """Read from `source` until it has no page left."""
        self._source = source
        self._seen: set[str] = set()
        self._number = 0
        self._gap: Gap | None = Gap.UNFINISHED

    @property
    def completeness(self) -> Completeness:
        """Whether every ticket was seen."""
        return Completeness(self._gap, len(self._seen))

    @property
    def filter_honoured(self) -> bool | None:
        """Nothing to find out: these systems have no filter that they might ignore."""
        return None

    @property
    def distinct(self) -> int:
        """How many different tickets came so far."""
        return len(self._seen)

    def unseen(self, problem_ids: Iterable[str]) -> list[str]:
        """Those of these tickets that were on no page so far."""
        return [each for each in problem_ids if each not in self._seen]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ListPage:
        """Ask for the next page."""
        if self._gap is not Gap.UNFINISHED:
            raise StopAsyncIteration
        if self._number >= MAX_PAGES:
            self._gap = Gap.ENDLESS
            raise StopAsyncIteration
        page = await self._source.next_page()
        if page is None:
            self._gap = None
            raise StopAsyncIteration
        self._number += 1
        self._seen.update(str(each["id"]) for each in page.items if isinstance(each, dict) and each.get("id"))
        rows = [row for each in page.items for row in (rows_of([each]) if isinstance(each, dict) else [_odd(each)])]
        return ListPage(rows, page.asked_at, page.server_at, self._number, None)


def _odd(item: Any) -> Row:
    """Make a row of what is no ticket; its reader says what is wrong with it."""
    return Row(text=Raw(json.dumps(item).encode()))
