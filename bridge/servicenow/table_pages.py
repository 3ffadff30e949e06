"""One pass over a table, by keyset: in the order of the update times, each request going on from the last row.

A record that changes meanwhile moves to the end and is read again, so none is passed over, and a record that is
deleted moves no other. Times are of seconds: the rows of the last second come again, and where they would fill a page
the second is read by `sys_id`. ServiceNow cuts a page before it takes out what the account may not see: a short page
is no end while its `Link` names a next one.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from bridge.domain import timestamp
from bridge.domain.completeness import Completeness, Gap
from bridge.http.list_page import ListPage
from bridge.http.row import Row
from bridge.servicenow.query import condition, joined, time_literal

_MAX_REQUESTS: Final = 100_000
_TIME: Final = "sys_updated_on"
_ORDER: Final = "ORDERBYsys_updated_on^ORDERBYsys_id"
_COARSENESS: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TableWindow:
    """What to request: an encoded query with its order, and how many rows to leave out.

    `since`: the update time that the query begins with, "" at the beginning; `second`: it asks for no other one.
    """

    query: str
    offset: int = 0
    since: str = ""
    second: bool = False


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """What came. `places`: update time and sys_id of each row, as written. `more`: a next page is named."""

    rows: list[Row]
    places: list[tuple[str, str]]
    more: bool
    total: int | None
    asked_at: datetime
    server_at: datetime | None


Ask = Callable[[TableWindow], Awaitable[TableAnswer]]
"""Requests one window."""


class TablePages:
    """The pages of one pass; a `bridge.sources.client.ProblemPages`. One task at a time."""

    def __init__(
        self,
        ask: Ask,
        *,
        query: str = "",
        changed_since: datetime | None = None,
        page_size: int = 500,
        max_requests: int = _MAX_REQUESTS,
    ) -> None:
        """`query`: what tickets must meet, without order."""
        self._ask = ask
        self._query = query
        self._since = changed_since
        self._page_size = page_size
        self._left = max_requests
        since = "" if changed_since is None else time_literal(changed_since)
        first = TableWindow(joined(query, _ORDER)) if changed_since is None else self._at(">=", since)
        self._window: TableWindow | None = first
        self._number = 0
        self._total: int | None = None
        self._ids: set[int] = set()
        self._places: dict[tuple[str, str], bytes] = {}
        self._gap: Gap | None = Gap.UNFINISHED
        self._honoured: bool | None = None

    @property
    def completeness(self) -> Completeness:
        """Complete when the end of the table was reached. How many rows the account may not see is not known."""
        return Completeness(self._gap, got=len(self._ids))

    @property
    def filter_honoured(self) -> bool | None:
        """False once a row came that is older than `changed_since`."""
        return self._honoured

    @property
    def distinct(self) -> int:
        """How many different records came so far."""
        return len(self._ids)

    def unseen(self, problem_ids: Iterable[str]) -> list[str]:
        """Those that were on no page so far."""
        return [each for each in problem_ids if hash(each) not in self._ids]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ListPage:
        """Request the next page; a page without a row that is new is passed over, unless it is the first."""
        while self._window is not None:
            if self._left <= 0:
                self._window, self._gap = None, Gap.ENDLESS
                break
            answer = await self._ask(self._window)
            self._left -= 1
            moved = any(place not in self._places for place in answer.places)
            rows = self._rows_to_read(answer)
            self._note(answer)
            disorder = self._disorder(self._window, answer, moved=moved)
            self._window = None if disorder is not None else self._following(self._window, answer, moved=moved)
            self._gap = disorder if self._window is None else Gap.UNFINISHED
            if rows or self._number == 0:
                self._number += 1
                self._total = answer.total if self._number == 1 else self._total
                return ListPage(rows, answer.asked_at, answer.server_at, self._number, self._total)
        raise StopAsyncIteration

    def _rows_to_read(self, answer: TableAnswer) -> list[Row]:
        """Return the rows that are not on the page before, word for word: a second may hold two changes of a record."""
        pairs = zip(answer.places, answer.rows, strict=True)
        return [row for place, row in pairs if self._places.get(place) != bytes(row.text)]

    def _note(self, answer: TableAnswer) -> None:
        self._places = {place: bytes(row.text) for place, row in zip(answer.places, answer.rows, strict=True)}
        self._ids.update(hash(sys_id) for _, sys_id in answer.places)
        if self._since is None:
            return
        for row in answer.rows:
            found = timestamp.read(row.last_update)
            if found is not None and not found.unset and found.at < self._since - _COARSENESS:
                self._honoured = False

    def _disorder(self, window: TableWindow, answer: TableAnswer, *, moved: bool) -> Gap | None:
        """Return why going on from this answer would miss rows or never end; None: it would not. `moved`: it has a row
        that the page before had not.
        """
        times = [window.since, *(at for at, _ in answer.places)]
        if times != sorted(times) and all(times[1:]):
            return Gap.ORDER_CHANGED
        return Gap.NOT_JOINED if window.second and answer.places and not moved else None

    def _full(self, answer: TableAnswer) -> bool:
        return answer.more or len(answer.places) >= self._page_size

    def _following(self, window: TableWindow, answer: TableAnswer, *, moved: bool) -> TableWindow | None:
        """Return the window behind this one; None: the pass is over."""
        if not answer.places:
            if answer.more:
                return replace(window, offset=window.offset + self._page_size)
            return self._at(">", window.since) if window.second else None
        (first_at, _), (last_at, last_id) = answer.places[0], answer.places[-1]
        if not last_at:  # no update time to go on from
            return replace(window, offset=window.offset + self._page_size) if self._full(answer) else None
        if not self._full(answer):
            return self._at(">", last_at) if window.second else None
        if window.second or first_at == last_at or not moved:
            return self._at("=", last_at, condition("sys_id", ">", last_id))
        return self._at(">=", last_at)

    def _at(self, operator: str, at: str, *more: str) -> TableWindow:
        query = joined(self._query, condition(_TIME, operator, at), *more, _ORDER)
        return TableWindow(query, since=at, second=operator == "=")
