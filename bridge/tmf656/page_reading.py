"""Reading a list from its head to its end by position, in one style of asking: decisions only, no I/O.

The list may change between two requests, and the server's paging is not trusted: a page cap below the asked limit; 206
or 200 for the same thing; a total of the whole list under a filter; an offset that counts pages; an offset, or a limit,
that is ignored. What a server *states* never decides alone; what its pages *contain* does.

Overlap proves that no row is missing. Every page is requested so that it begins a few rows before the end of the rows
covered so far. If it contains a covered row that has not changed, and the server keeps its order, then no row that
existed all the time lies between the two pages. If it contains none, the reading steps back further and further, and at
worst starts again at the head of the list. A row that changed proves nothing, because it may have moved.
"""

from collections.abc import Generator

from bridge.tmf656.page import PageAnswer, PageStyle, Unit, Window
from bridge.tmf656.seen_pages import PageEvidence, SeenPage, SeenPages

_OVERLAP = 8
"""Rows by which two pages overlap. One would do; a few survive updates and removals just there without a step back."""
_EVIDENCE_PAGES = 16
"""How many pages of covered rows are remembered as evidence."""
_RESTARTS = 3
_STALLS = 16
"""Steps in a row that bring neither a new row nor a later position."""
EMPTY_PAGES = 3
"""Empty pages in a row behind the known end of the list, after which a statement that more follows is refuted."""
BARREN_PAGES = 50
"""Linked or numbered pages in a row without a new row, after which they are taken for a cycle."""
_FAR_ROWS = 1_000_000
"""Added to an offset to request a page certainly beyond the end."""

Steps = Generator[Window, PageAnswer, SeenPage | None]
"""Asks for windows and returns the page to go on from; None: the reading is over."""


class RequestsSpentError(Exception):
    """The pass used up its requests."""


class RequestBudget:
    """Requests that are left to a pass."""

    def __init__(self, requests: int) -> None:
        """Start with so many."""
        self._left = requests

    def spend(self) -> None:
        """Take one; RequestsSpentError when there is none."""
        if self._left <= 0:
            raise RequestsSpentError
        self._left -= 1


class PageReading:
    """One reading. `limit` rows are asked for at a time (two at least: overlapping needs them)."""

    def __init__(
        self, style: PageStyle, limit: int, seen: SeenPages, budget: RequestBudget, *, trusts_totals: bool = True
    ) -> None:
        """Prepare; nothing is asked yet. `trusts_totals`: one that equals the rows of a short page ends the list."""
        self.style = style
        self._trusts_totals = trusts_totals
        self.gap = False
        """Whether rows may stand between two pages."""
        self.disorder = False
        """Whether the order of the list changed."""
        self.unturned = False
        """Whether the position made no difference: the server gave the same page for another one, or refused it."""
        self.ended = False
        """Whether the server was asked for what follows the last row, and gave nothing."""
        self.reached = 0
        """Rows up to here are covered, where the position counts rows. More than ids, where a row comes twice."""
        self.latest: SeenPage | None = None
        self._limit = max(2, limit)
        self._seen = seen
        self._budget = budget
        self._unit = style.unit
        self._evidence = PageEvidence(_EVIDENCE_PAGES * self._limit)
        self._longest = 0
        self._restarts_left = _RESTARTS
        self._stalls = 0

    @property
    def covered(self) -> bool:
        """Whether every page is shown to follow the one before."""
        return not self.gap and not self.disorder

    def read(self, first: SeenPage) -> Generator[Window, PageAnswer, None]:
        """Read from the first page, which was asked for, to the end; then the head once more.

        Where the latest update comes first, a row that is updated meanwhile jumps from what is unread to what was read.
        """
        yield from self._read_through(first)
        end = self.latest
        if self._seen.bound is None and self._seen.distinct > len(first):
            yield from self._look_again()
        self.latest = end

    def ask(
        self, start: int, *, speculative: bool = False, trial: bool = False
    ) -> Generator[Window, PageAnswer, SeenPage]:
        """Ask for rows from position `start`, or, where pages are counted, from as little before it as can be."""
        number, size = page_window(start, self._limit) if self._paged else (start, self._limit)
        start = number * size if self._paged else start
        position = number if self._unit is Unit.PAGES else start
        window = Window(position, size, speculative=speculative and number > 0, style=self.style, trial=trial)
        return (yield from self.ask_window(window, start=start))

    def ask_window(self, window: Window, *, start: int) -> Generator[Window, PageAnswer, SeenPage]:
        """Ask for a window, whose rows are taken to stand at `start`."""
        self._budget.spend()
        answer = yield window
        page = self._seen.add(answer, start, window.limit, self._evidence)
        self._longest = max(self._longest, len(page))
        self.disorder = self.disorder or page.reordered
        self.latest = page
        return page

    @property
    def _paged(self) -> bool:
        """Whether only whole pages can be asked for."""
        return self._unit in {Unit.PAGES, Unit.MULTIPLES}

    def forget(self) -> None:
        """Drop the evidence: the next page is not compared with earlier ones."""
        self._evidence.forget()

    def _ask_number(self, number: int, size: int, start: int) -> Generator[Window, PageAnswer, SeenPage]:
        position = number * size if self._unit is Unit.MULTIPLES else number
        window = Window(position, size, speculative=True, style=self.style)
        return (yield from self.ask_window(window, start=start))

    def _read_through(self, first: SeenPage) -> Generator[Window, PageAnswer, None]:
        page: SeenPage | None = first if self.style.position or self.style.ranged else None
        if first.says_all() and (self._trusts_totals or (yield from self._nothing_behind(first))):
            page, self.reached = None, first.end
        if page is not None and self.style.unit is Unit.PAGES and first.marks:
            page = yield from self._join_numbered(first)
        empty = 0
        while page is not None and empty <= EMPTY_PAGES:
            before = page
            page = yield from self._step(before)
            if page is not None and page.marks and self._stalled(before, page):
                self.gap = True
                return
            empty = empty + 1 if page is not None and not page.marks else 0
        last = self.latest
        if last is not None and last.start > 0 and not (last.marks or last.answer.refused or self.unturned):
            self.ended = True

    def _nothing_behind(self, first: SeenPage) -> Generator[Window, PageAnswer, bool]:
        """Find out whether the list ends with the first page. Many totals count only the rows of their page."""
        if not first.marks:
            return True
        behind = yield from self.ask(first.end, speculative=True)
        self.latest = first
        return not behind.marks

    def _stalled(self, before: SeenPage, after: SeenPage) -> bool:
        self._stalls = 0 if after.fresh or after.end > before.end else self._stalls + 1
        return self._stalls > _STALLS

    def _step(self, page: SeenPage) -> Steps:
        filtered = self._seen.bound is not None
        if not page.marks:
            return (yield from self._look_beyond(page)) if page.claims_more(filtered=filtered) else None
        following = yield from self._advance(page)
        if following is None or not self._is_last(following):
            return following
        return (yield from self._look_beyond(following)) if following.claims_more(filtered=filtered) else None

    def _is_last(self, page: SeenPage) -> bool:
        """Whether the page had room for more rows after the known ones, but has none."""
        return page.ended_known and len(page) < min(page.asked, self._longest)

    def _advance(self, page: SeenPage) -> Steps:
        """Ask for the page behind `page`, overlapping; find the way back when the two do not join."""
        overlap = min(_OVERLAP, max(1, len(page) // 4)) if self._longest > 1 else 0
        if self._paged and _reach(page_window(page.end - 1, self._limit), page.end) < 1:
            return (yield from self._turn_pages(page.end // self._limit))
        following = yield from self.ask(page.end - overlap, speculative=True)
        if following.marks and following.marks == page.marks and following.start != page.start:
            return (yield from self._same_page_again(page, following))
        if following.joined:
            if self._unit is Unit.UNKNOWN and following.start > 0:
                self._unit = Unit.ROWS
            if self._unit is Unit.ROWS:
                self.reached = max(self.reached, following.end)
            return following
        if not overlap:
            return self._jump(following)
        if following.answer.refused and page.start == 0:
            found = yield from self._by_multiples(page)
            if found is not None:
                return found
        if self._unit is Unit.UNKNOWN and len(page) > 1:
            return (yield from self._find_unit(page))
        return (yield from self._step_back(page, following, overlap))

    def _jump(self, page: SeenPage) -> SeenPage | None:
        """Continue from a page that is not shown to follow; rows in between are missed."""
        if not page.marks:
            return page if page.linked is not None and page.linked > page.start else None
        self.gap = True
        self._evidence.adopt(page.marks)
        return page

    def _step_back(self, page: SeenPage, following: SeenPage, overlap: int) -> Steps:
        """Look for a covered row further and further back; at the head none is needed."""
        back = overlap * 4
        while back < len(self._evidence) and back < page.end:
            found = yield from self.ask(page.end - back, speculative=True)
            if found.joined:
                return found
            back *= 4
        if self._restarts_left:
            return (yield from self._restart())
        self.gap = True
        return self._jump(following) if following.fresh else None

    def _restart(self) -> Generator[Window, PageAnswer, SeenPage]:
        """Start again at the head; the ids seen are kept, but no longer serve as evidence."""
        self._restarts_left = max(0, self._restarts_left - 1)
        self.gap = False
        self._evidence.forget()
        return (yield from self.ask(0))

    def _find_unit(self, page: SeenPage) -> Steps:
        """Find out why the second page does not join the first: offset 1 overlaps it only where rows are counted."""
        probe = yield from self._ask_number(1, self._limit, 1)
        if not probe.marks:
            return (yield from self._only_page(refused=probe.answer.refused))
        if probe.marks == page.marks:
            return (yield from self._turn_pages(2))
        common = len(set(probe.keys).intersection(page.keys))
        if common:
            return (yield from self._count_rows(probe, sure=common * 2 >= len(page)))
        self._unit = Unit.PAGES
        return (yield from self._join_numbered(page, number=2))

    def _join_numbered(self, first: SeenPage, number: int = 1) -> Steps:
        """Ask for the page behind the first one by a number and a smaller size, so that the two overlap.

        Where the size is the server's own, page after page is read from `number` on.
        """
        self._limit = max(2, min(self._limit, len(first)))
        page = yield from self.ask(first.end - 1, speculative=True)
        return page if page.joined else (yield from self._turn_pages(number))

    def _count_rows(self, probe: SeenPage, *, sure: bool) -> Steps:
        """Offset 1 shares rows with offset 0: so rows are counted, unless a page shifted by about its own length."""
        if sure or not self._restarts_left:
            self._unit = Unit.ROWS
            self.disorder = self.disorder or not sure
        if sure and probe.joined:
            return probe
        return (yield from self._restart()) if self._restarts_left else self._jump(probe)

    def _only_page(self, *, refused: bool) -> Steps:
        """Nothing at offset 1: two rows or more at 0 are one page of those the offset counts, else the list shrank.

        Rows may have moved up from a second page before that was found empty, so page 0 is read again and then its last
        row, as page 1 of pages that are one row shorter.
        """
        again = yield from self._restart()
        rows = len(again)
        if rows < 2 or refused:
            self.gap = self.unturned = refused
            return None if refused else again
        self._unit = Unit.PAGES
        self._limit = max(2, min(self._limit, rows))
        page = yield from self._ask_number(1, rows - 1, rows - 1)
        if not page.marks or (page.joined and not page.fresh and (len(page) < rows - 1 or rows == 2)):
            return None
        return page if page.joined else (yield from self._turn_pages(1))

    def _turn_pages(self, number: int) -> Steps:
        """Read pages by number that cannot be made to overlap: only the total can prove anything."""
        self.gap = True
        before: frozenset[int] = frozenset()
        barren = 0
        while barren < BARREN_PAGES:
            page = yield from self._ask_number(number, self._limit, number)
            keys = frozenset(page.keys)
            if not keys or keys == before:
                return None
            if len(keys & before) * 2 > len(keys) and self._restarts_left:
                self._unit = Unit.ROWS  # neighbouring numbers overlap: rows are counted after all
                return (yield from self._restart())
            barren = 0 if page.fresh else barren + 1
            before = keys
            number += 1
        return None

    def _by_multiples(self, first: SeenPage) -> Steps:
        """Try positions that are multiples of the size, below other sizes, so that pages overlap; None: it fails."""
        before, limit = self._unit, self._limit
        self._unit, self._limit = Unit.MULTIPLES, max(2, min(self._limit, len(first)))
        if len(first) == 2:  # pages of two rows do not overlap
            page = yield from self._ask_number(1, 2, 2)
            if page.marks != first.marks and not page.answer.refused:
                return page if not page.marks else (yield from self._turn_pages(2))
        else:
            page = yield from self.ask(first.end - 1, speculative=True)
            if page.joined and page.marks != first.marks:
                return page
        self._unit, self._limit = before, limit
        return None

    def _same_page_again(self, before: SeenPage, page: SeenPage) -> Steps:
        """Another offset, the same page: is the offset ignored? Far behind the end a row cannot be by chance."""
        if len(page) > page.asked:
            self.unturned = True
            return None  # the limit is ignored, too: this is all there is, unless more is stated
        far = page.start + _FAR_ROWS
        answer = yield from self._ask_number(far, max(1, len(page) // 2), far)
        if not answer.marks:
            found = (yield from self._by_multiples(before)) if before.start == 0 and len(before) > 1 else None
            return page if found is None else found
        self.unturned = True
        if answer.answer.next_link is not None and page.answer.next_link is None:
            self.latest = page
            return None  # it links on where there is more, and here it did not
        self.gap = answer.marks != page.marks  # the limit is obeyed, so this may be the cap and not the end
        return None

    def _look_beyond(self, page: SeenPage) -> Steps:
        """The rows indicate the end of the list, the headers do not: request a page beyond it."""
        beyond = max(page.end, page.linked or 0)
        if beyond == page.start:
            self.gap = True
            return None
        if self._paged:
            number = -(-beyond // self._limit)
            following = yield from self._ask_number(number, self._limit, number * self._limit)
        else:
            following = yield from self.ask(beyond, speculative=True)
        return following if following.joined else self._jump(following)

    def _look_again(self) -> Generator[Window, PageAnswer, None]:
        """Read the head once more, as far as it brings rows that were not seen."""
        self._evidence.forget()
        page = yield from self.ask(0)
        while page.fresh:
            page = yield from self.ask(page.end - 1, speculative=True)


def page_window(start: int, limit: int) -> tuple[int, int]:
    """Return (page number, page size ≤ `limit`) of the page that holds row `start` and reaches furthest behind it.

    Pages of one size never overlap; pages of different sizes do. So a server that counts pages is read with overlap.
    """
    sizes = range(max(2, limit // 2), limit + 1)
    return max(((start // size, size) for size in sizes), key=lambda page: _reach(page, start))


def _reach(page: tuple[int, int], position: int) -> int:
    number, size = page
    return (number + 1) * size - position
