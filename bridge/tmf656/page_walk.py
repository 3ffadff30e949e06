"""One pass over a list: which way of asking turns its pages, and whether the pass saw everything. No I/O.

TMF630 pages by `offset` and `limit`; the walk tries that first. If the first page has a cursor, the walk follows the
chain of cursors. If neither yields further pages, or the server states more rows than it returned, the walk tries other
styles until one works. `LearnedPaging` keeps that style for later passes.

A walk names a `Window`, takes the `PageAnswer` to it, and names the next window, until it is over. It belongs to one
task.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from bridge.domain.completeness import Completeness, Gap
from bridge.tmf656.page import (
    BARE,
    BY_LAST_ID,
    BY_OFFSET,
    OTHER_STYLES,
    PageAnswer,
    PageStyle,
    Unit,
    Window,
    names_position,
    style_in,
)
from bridge.tmf656.page_claims import cursor_parameters
from bridge.tmf656.page_reading import BARREN_PAGES, EMPTY_PAGES, PageReading, RequestBudget, RequestsSpentError
from bridge.tmf656.seen_pages import SeenPage, SeenPages, Stamps

MAX_REQUESTS = 20_000
"""Requests in one pass; the pass ends there if the list never does."""
_LARGEST_PAGE = 20_000
"""If no style of paging works, the stated number of rows is requested at once, up to this limit."""

_SMALLER_LIMITS = (100, 50, 20, 10)
"""Rows to ask for at a time, where more are refused."""

Windows = Generator[Window, PageAnswer, None]


@dataclass(slots=True)
class LearnedPaging:
    """What passes found out about a server's paging. `cursor_parameter`: in which its tokens are sent back.

    `limit`: rows at a time, where it refuses more (0: not known; -1: it refuses any number). `endless`: it states a
    further page behind the last one, too. `hopeless`: nothing turned pages that it states; `whole`: it gives all in one
    page and obeys no parameter. `totals`: whether they count all rows (True), or only those of a page (False; many
    servers do that); None: not known. `last_id_parameter`: in which it takes the id of the last row.
    """

    style: PageStyle = BY_OFFSET
    cursor_parameter: str = ""
    limit: int = 0
    endless: bool = False
    hopeless: bool = False
    whole: bool = False
    totals: bool | None = None
    last_id_parameter: str = ""


class PageWalk:
    """One pass. Ask for `first()`, then for `following(answer)` until that is None; then its completeness is known.

    `changed_since` is the bound of the filter, None when the whole list is asked for.
    """

    def __init__(
        self,
        limit: int,
        *,
        changed_since: datetime | None = None,
        stamps: Stamps = lambda rows: [None] * len(rows),
        max_requests: int = MAX_REQUESTS,
        learned: LearnedPaging | None = None,
    ) -> None:
        """Prepare the walk; nothing is asked yet."""
        self._limit = max(2, limit)
        if learned is not None and learned.limit > 0:
            self._limit = min(self._limit, learned.limit)
        self._seen = SeenPages(changed_since, stamps)
        self._budget = RequestBudget(max_requests)
        self._learned = learned or LearnedPaging()
        self._reading = self._new_reading(self._learned.style)
        self._over = False
        self.exhausted = False
        """Whether the pass was given up because the server never came to an end."""
        self._windows = self._walk()

    @property
    def distinct(self) -> int:
        """How many different problems were seen."""
        return self._seen.distinct

    @property
    def filter_honoured(self) -> bool | None:
        """None while nothing tells; False once a row is older than the bound."""
        return self._seen.filter_honoured

    def unseen(self, problem_ids: Iterable[str]) -> list[str]:
        """Return those of these problems that were on no page (`SeenPages.unseen`)."""
        return self._seen.unseen(problem_ids)

    @property
    def complete(self) -> bool:
        """Whether the pass is over and saw every row that was there from its first request to its last.

        Sound as long as fewer rows come and go between two requests than stand on a page.
        """
        return self.completeness.complete

    @property
    def on_one_page(self) -> bool:
        """Whether the server gave one page, whatever page was asked for, and states no number: it may hold more."""
        return self._learned.whole and self._seen.totals is None

    @property
    def completeness(self) -> Completeness:
        """Whether every problem was seen, and if not, why."""
        stated = None if self._seen.totals is None else self._seen.totals[0]
        gap = self._gap()
        if not self._over:
            gap = Gap.ENDLESS if self.exhausted else Gap.UNFINISHED
        return Completeness(gap, self.distinct, stated)

    def first(self) -> Window:
        """Say what to ask for first."""
        return next(self._windows)

    def following(self, answer: PageAnswer) -> Window | None:
        """Take the answer to the last window; say what to ask for next, None when the pass is over."""
        try:
            return self._windows.send(answer)
        except StopIteration:
            self._over = not self.exhausted
            return None

    def _gap(self) -> Gap | None:
        """Return why rows may be missing after what was read."""
        reading, latest = self._reading, self._reading.latest
        if self._seen.not_found:
            return Gap.NOT_FOUND
        if self._seen.in_part:
            return Gap.IN_PART
        if self._seen.counted:
            return None
        if self._states_more():
            return Gap.MORE_STATED
        if latest is not None and latest.answer.link_refused:
            return Gap.LINK_REFUSED
        if (
            latest is not None
            and latest.answer.more
            and (latest.marks or (self._seen.bound is None and not reading.ended))
        ):
            return Gap.MORE_STATED
        if latest is not None and latest.answer.partial and reading.unturned and latest.marks:
            return Gap.MORE_STATED  # 206, of a server that obeys no position
        if reading.covered:
            return None
        return Gap.ORDER_CHANGED if reading.disorder else Gap.NOT_JOINED

    def _states_more(self) -> bool:
        """Whether the least total is more than came. Under a filter it may speak of the whole list, so it counts only
        where no position was obeyed.
        """
        if self._seen.totals is None or self._seen.totals[0] <= max(self.distinct, self._reading.reached):
            return False
        return self._seen.bound is None or (self._reading.unturned and not self._learned.whole)

    def _new_reading(self, style: PageStyle) -> PageReading:
        known = self._learned.totals
        trusts = known is True or (known is None and (self._seen.bound is not None or self._learned.whole))
        return PageReading(style, self._limit, self._seen, self._budget, trusts_totals=trusts)

    def _walk(self) -> Windows:
        try:
            first = yield from self._reading.ask(0, trial=True)
            if first.answer.refused:
                first = yield from self._read_refused()
            else:
                yield from self._read(first)
            if self._should_try_others():
                yield from self._try_others(first)
            if self._seen.bound is None and self._gap() is None and self._reading.unturned and len(first):
                self._learned.whole = True
            self._learn_totals()
        except RequestsSpentError:
            self.exhausted = True

    def _learn_totals(self) -> None:
        """Learn what totals count from a pass over everything."""
        totals = self._seen.totals
        if self._seen.bound is not None or totals is None:
            return
        if totals[1] < self.distinct:
            self._learned.totals = False
        elif self._seen.counts_all and self._gap() is None:
            self._learned.totals = True

    def _read_refused(self) -> Generator[Window, PageAnswer, SeenPage]:
        """Read a list whose first page was refused; return that page. A server that fails gets one more request."""
        bare = self._reading = self._new_reading(BARE)
        whole = yield from bare.ask(0)
        first = (yield from self._ask_for_fewer()) if whole.marks else None
        if first is not None:
            yield from self._read(first)
            return first
        self._reading = bare
        bare.unturned = True
        yield from bare.read(whole)
        return whole

    def _ask_for_fewer(self) -> Generator[Window, PageAnswer, SeenPage | None]:
        """Ask for the first page with smaller limits: many servers refuse one beyond 100 instead of cutting it."""
        asked = self._limit
        for limit in _SMALLER_LIMITS if self._learned.limit >= 0 else ():
            if limit < asked:
                self._limit = limit
                self._reading = self._new_reading(self._learned.style)
                first = yield from self._reading.ask(0, trial=True)
                if not first.answer.refused:
                    self._learned.limit = limit
                    return first
        self._limit = asked
        self._learned.limit = -1
        return None

    def _read(self, first: SeenPage) -> Windows:
        """Read on from the first page, in the way that it points out."""
        answer = first.answer
        if answer.next_link is not None and not first.linked:
            style = style_in(answer.next_link)
            if style is not None and (yield from self._read_by(style, first)) and self._gap() is None:
                return
            self._reading = self._new_reading(self._learned.style)
            yield from self._follow(first, None)
        elif answer.cursor is not None and (parameter := (yield from self._cursor_parameter(first))):
            yield from self._follow(first, parameter)
        elif self._learned.last_id_parameter and first.answer.more:
            yield from self._follow(first, self._learned.last_id_parameter, by_last_id=True)
        else:
            yield from self._reading.read(first)

    def _should_try_others(self) -> bool:
        gap = self._gap()
        if gap is Gap.NOT_FOUND or self._learned.hopeless:
            return False
        if gap is None:
            return self._reading.unturned and not self._learned.whole and self.distinct > 0
        return self._reading.unturned or gap in {Gap.MORE_STATED, Gap.LINK_REFUSED}

    def _try_others(self, first: SeenPage) -> Windows:
        """Try other styles until one yields further pages; if none does, keep the result of the first."""
        before = self._reading
        if self._gap() is None and not (yield from self._any_heeded(first)):
            return
        if first.answer.more and (yield from self._find_last_id_parameter(first)):
            self._reading = self._new_reading(self._learned.style)
            yield from self._follow(first, self._learned.last_id_parameter, by_last_id=True)
            return
        for style in self._candidates(first):
            if (yield from self._read_by(style, first)):
                return
        self._reading = before
        stated = self._seen.totals[0] if self._seen.totals else 0
        if len(first) < stated <= _LARGEST_PAGE:
            yield from before.ask_window(Window(0, stated, style=BY_OFFSET, trial=True), start=0)
        self._learned.hopeless = self._gap() not in {None, Gap.IN_PART}

    def _candidates(self, first: SeenPage) -> Iterator[PageStyle]:
        linked = style_in(first.answer.next_link) if first.answer.next_link is not None else None
        if linked is not None:
            yield linked
        yield from (style for style in OTHER_STYLES if style != self._learned.style)

    def _any_heeded(self, first: SeenPage) -> Generator[Window, PageAnswer, bool]:
        """Send the parameters of all styles at once: does any of them make a difference?

        Asked of a server that ignored offset and limit and states nothing more, which gives all it has in most cases.
        """
        parts = {style.position: 2 if style.unit is Unit.PAGES else len(first) for style in OTHER_STYLES}
        parts |= {style.size: self._limit for style in OTHER_STYLES}
        parts.pop("", None)
        window = Window(0, self._limit, style=BARE, trial=True, extra="&".join(f"{k}={v}" for k, v in parts.items()))
        page = yield from self._reading.ask_window(window, start=0)
        return page.answer.refused or not first.shares(page)

    def _read_by(self, style: PageStyle, first: SeenPage) -> Generator[Window, PageAnswer, bool]:
        """Read everything in a style, if the server obeys it; return whether it does."""
        numbered = yield from self._heeded(style, first)
        if numbered is None:
            return False
        reading = self._reading = self._new_reading(numbered)
        yield from reading.read((yield from reading.ask(0)))
        self._learned.style = numbered
        return True

    def _heeded(self, style: PageStyle, first: SeenPage) -> Generator[Window, PageAnswer, PageStyle | None]:
        """Find out whether a style makes a difference, and from which number pages are counted; None: it does not.

        A server that takes the parameter for a filter on an attribute gives nothing for any number, the first included.
        """
        probe = self._new_reading(replace(style, first=0))

        def ask(number: int) -> Generator[Window, PageAnswer, SeenPage]:
            probe.forget()
            return (yield from probe.ask_window(Window(number, self._limit, style=probe.style, trial=True), start=0))

        if style.unit is Unit.ROWS:
            behind = yield from ask(len(first))
            if behind.marks:
                return None if first.shares(behind) else probe.style
            head = yield from ask(0)
            return probe.style if first.shares(head) else None
        second = yield from ask(1)
        if not first.shares(second):
            if second.marks:
                return probe.style
            head = yield from ask(0)
            return probe.style if first.shares(head) else None
        third = yield from ask(2)
        return None if first.shares(third) else replace(style, first=1)

    def _cursor_parameter(self, first: SeenPage) -> Generator[Window, PageAnswer, str]:
        """Find the parameter in which the token of the first page leads to another page; "" when there is none."""
        assert first.answer.cursor is not None  # noqa: S101 - for the type checker
        name, token = first.answer.cursor
        known = self._learned.cursor_parameter
        for parameter in dict.fromkeys(filter(None, (known, *cursor_parameters(name)))):
            window = Window(0, self._limit, style=self._reading.style, cursor=(parameter, token), trial=True)
            self._reading.forget()
            page = yield from self._reading.ask_window(window, start=first.end)
            if page.marks and not page.shares(first):
                self._learned.cursor_parameter = parameter
                return parameter
        self._reading.latest = first
        self._reading.forget()
        return ""

    def _find_last_id_parameter(self, first: SeenPage) -> Generator[Window, PageAnswer, bool]:
        """Find the parameter in which the id of the last row leads to another page."""
        for parameter in BY_LAST_ID if first.answer.last_id else ():
            cursor = (parameter, str(first.answer.last_id))
            self._reading.forget()
            window = Window(0, self._limit, style=self._reading.style, cursor=cursor, trial=True)
            page = yield from self._reading.ask_window(window, start=first.end)
            if page.marks and not page.shares(first):
                self._learned.last_id_parameter = parameter
                return True
        return False

    def _follow(self, page: SeenPage, parameter: str | None, *, by_last_id: bool = False) -> Windows:
        """Follow a chain of links, or of tokens (ids of last rows) sent back in `parameter`, to its end.

        The server answers for the chain, unless its links are positions, which say nothing about rows that move.
        """
        reading = self._reading
        followed: set[str] = set()
        barren = empty = 0
        while (step := self._next_step(page, parameter, by_last_id=by_last_id)) is not None:
            window, name = step
            barren = 0 if page.fresh else barren + 1
            empty = 0 if page.marks else empty + 1
            if empty and (name in followed or empty > (EMPTY_PAGES if self._learned.endless else BARREN_PAGES)):
                reading.ended = self._learned.endless = True  # the token of a scroll stands on the last page, too
                return
            if (name in followed and not page.fresh) or barren > BARREN_PAGES:
                reading.gap = True
                return
            followed.add(name)
            reading.gap = reading.gap or (window.link is not None and names_position(window.link))
            reading.forget()
            page = yield from reading.ask_window(window, start=page.end)

    def _next_step(self, page: SeenPage, parameter: str | None, *, by_last_id: bool) -> tuple[Window, str] | None:
        """Return the window behind a page of a chain, and what tells it from the others."""
        if parameter is None:
            link = page.answer.next_link
            return None if link is None else (Window(0, self._limit, link=link), link)
        token = page.answer.cursor[1] if page.answer.cursor is not None else None
        if by_last_id:
            token = page.answer.last_id if page.answer.more else None
        if token is None:
            return None
        return Window(0, self._limit, style=self._reading.style, cursor=(parameter, token)), token
