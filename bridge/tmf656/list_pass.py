"""One pass over the list of a source: its pages, and whether the pass was complete."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Self

import anyio

from bridge.domain.completeness import Completeness
from bridge.http.list_page import ListPage
from bridge.http.response import HttpResponse
from bridge.tmf656.page import PageAnswer, Window
from bridge.tmf656.page_walk import PageWalk

_MANY_ROWS = 5_000
"""A page of more rows is compared with the others in a thread: that takes some 3 µs per row."""

Ask = Callable[[Window], Awaitable[tuple[PageAnswer, HttpResponse]]]
"""Requests one window."""


class ListPass:
    """The pages of one pass, an async iterator; its completeness is known when the iteration is over.

    A request that fails raises out of the iteration, and iterating on asks for the same page again: one bad gateway
    need not end a long pass. One task at a time.
    """

    def __init__(self, walk: PageWalk, ask: Ask) -> None:
        """Made by `Client.pages`."""
        self._walk = walk
        self._ask = ask
        self._window: Window | None = walk.first()
        self._number = 0

    @property
    def complete(self) -> bool:
        """Whether the pass is over and saw every problem that was there from its first request to its last."""
        return self._walk.complete

    @property
    def completeness(self) -> Completeness:
        """Whether every problem was seen, and if not, why."""
        return self._walk.completeness

    @property
    def on_one_page(self) -> bool:
        """Whether the server gave one page, whatever page was asked for, and states no number: it may hold more."""
        return self._walk.on_one_page

    @property
    def filter_honoured(self) -> bool | None:
        """False once a problem older than `changed_since` came; None while nothing tells."""
        return self._walk.filter_honoured

    @property
    def exhausted(self) -> bool:
        """Whether the pass was given up because the server never came to an end."""
        return self._walk.exhausted

    @property
    def distinct(self) -> int:
        """How many different problems came so far; pages overlap, so this is less than the rows."""
        return self._walk.distinct

    def unseen(self, problem_ids: Iterable[str]) -> list[str]:
        """Those of these problems that were on no page so far."""
        return self._walk.unseen(problem_ids)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ListPage:
        """Ask for the next page; raises what `Client` raises, FilterRefusedError included."""
        while self._window is not None:
            answer, response = await self._ask(self._window)
            if len(answer.rows) > _MANY_ROWS:
                self._window = await anyio.to_thread.run_sync(self._walk.following, answer)
            else:
                self._window = self._walk.following(answer)
            if not answer.refused:
                self._number += 1
                return ListPage(answer.rows, response.asked_at, response.server_at, self._number, answer.total)
        raise StopAsyncIteration
