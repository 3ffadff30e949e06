"""Which page to ask for next, and whether the pass saw everything: decisions only, no I/O.

A `Walk` is one pass over a collection that may change between two requests, on a server whose paging is not to be
trusted. It names a `Window`, is told the `Answer` and names the next window, until it is done. TMF630 leaves servers
much room, and servers take more. Seen in the field: a page cap below the asked limit; 206 or 200 for the same thing;
X-Total-Count of the whole collection under a filter, or none; a Link header with stray quotes, with a cursor, or none;
an offset that counts pages; an offset, or a limit, that is ignored. So nothing the server *says* about its paging
decides alone; what its pages *contain* does.

The proof of completeness is overlap. Every page is asked for so that it begins a few rows before the end of what is
covered. When a covered and unchanged row turns up in it, then, the server keeping its order, no row that was there all
the time can stand between the two pages. When none turns up (the rows before it vanished), the walk steps back further
and further, and at worst starts again at the head, which needs no proof. A row that changed is no evidence, for it may
have moved; rows out of order, or strange rows amid known ones, mean that the order cannot be relied on. At the end of a
pass over everything the head is read once more: where the latest update comes first, a row updated meanwhile has jumped
from what was unread to what had been read.

A walk belongs to one task. It keeps 64-bit hashes, never rows: one for each distinct id, and the evidence of the last
pages. So it can also tell, at the end, which problems were on no page.
"""

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from itertools import islice, pairwise
from urllib.parse import parse_qsl, quote, urlsplit

from bridge.domain.completeness import Completeness, Gap
from bridge.domain.value import dataclass
from bridge.tmf656.wire.row import Row

MAX_REQUESTS = 20_000
"""Requests in one pass; a server that never ends is left there."""

_OVERLAP = 8
"""Rows by which two pages overlap. One would do; a few survive updates and removals just there without a step back."""
_EVIDENCE_PAGES = 16
"""How many pages of covered rows are remembered as evidence."""
_RESTARTS = 3
_STALLS = 16
"""Steps in a row that bring neither a new row nor a later position."""
_BARREN_PAGES = 50
"""Linked or numbered pages in a row without a new row, before they are taken for a ring."""
_FAR_ROWS = 1_000_000
"""Added to an offset to ask where certainly nothing is."""
_COARSENESS = timedelta(seconds=1)
"""Some servers compare times by the second, so a row this much older than the bound does not convict a filter."""


class FilterStyle(StrEnum):
    """How "changed since" is written; servers know one of these, or none, and some ignore what they do not know."""

    NONE = "none"
    DOT_GTE = "dot_gte"
    """`lastUpdate.gte=…` (TMF630 part 1, 4.4)."""
    OPERATOR = "operator"
    """`lastUpdate>=…` with the operator, percent-encoded, in the name (same place)."""
    JSONPATH = "jsonpath"
    """`filter=[?(@.lastUpdate>='…')]` (TMF630 part 6)."""


@dataclass(frozen=True, slots=True)
class Window:
    """What to ask for: rows by `offset` and `limit`, or, when `link` is not None, exactly that address.

    Where nothing may be, a window is `speculative`: a refusal (400, 404, 416) says "no rows", not "wrong request".
    """

    offset: int
    limit: int
    link: str | None = None
    speculative: bool = False


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What came back: the rows in the server's order, and its claims.

    `total`: X-Total-Count. `partial`: it said 206. `next_link`: rel=next, found to be on the source's own origin.
    `refused`: the server turned a speculative window down.
    """

    rows: list[Row]
    total: int | None = None
    partial: bool = False
    next_link: str | None = None
    refused: bool = False


class _Unit(Enum):
    """What the server counts by `offset`."""

    UNKNOWN = 0
    ROWS = 1
    PAGES = 2


@dataclass(frozen=True, slots=True)
class _Sheet:
    """An answer as the walk sees it, without its rows.

    `start`: the position of its first row. `asked`: the limit it was asked with. `keys` identify the rows, `marks` the
    rows in their state: a changed row has another mark. `news`: how many ids were seen for the first time. `joined`:
    some row is covered and unchanged; `ended_known`: the last one is.
    """

    start: int
    asked: int
    answer: PageAnswer
    keys: tuple[int, ...]
    marks: tuple[int, ...]
    news: int
    joined: bool
    ended_known: bool

    def __len__(self) -> int:
        return len(self.marks)

    @property
    def end(self) -> int:
        """Position behind the last row."""
        return self.start + len(self.marks)

    @property
    def linked(self) -> int | None:
        """The offset in its link to the next page."""
        return offset_of(self.answer.next_link) if self.answer.next_link is not None else None

    def claims_more(self, *, filtered: bool) -> bool:
        """Whether a header hints at rows behind this page.

        Under a filter that left nothing, count and 206 may speak of the whole collection.
        """
        if self.linked is not None and self.linked > self.start:
            return True
        if not self.marks and filtered:
            return False
        return self.answer.partial or (self.answer.total is not None and self.answer.total > self.end)

    def says_all(self) -> bool:
        """Whether this first page is short and every header agrees: then no second request is worth it."""
        agreed = self.answer.total == len(self.marks) < self.asked
        return agreed and not self.answer.partial and self.answer.next_link is None


_Steps = Generator[Window, PageAnswer, _Sheet | None]
"""Asks for windows and returns the page to go on from; None: the walk is over."""


class _SpentError(Exception):
    """The pass used up its requests."""


class PageWalk:
    """One pass. Ask for `first()`, then for `following(answer)` until that is None; then the verdict stands.

    `limit` rows are asked for at a time (two at least: overlapping needs them). `changed_since` is the bound of the
    filter, None when the whole collection is asked for; `stamp` gives the time of the last update of a row, None when
    it has none.
    """

    def __init__(
        self,
        limit: int,
        *,
        changed_since: datetime | None = None,
        stamp: Callable[[Row], datetime | None] = lambda _: None,
        max_requests: int = MAX_REQUESTS,
    ) -> None:
        """Prepare the walk; nothing is asked yet."""
        self._limit = max(2, limit)
        self._bound = changed_since
        self._stamp = stamp
        self._requests_left = max_requests
        self._unit = _Unit.UNKNOWN
        self._ids: set[int] = set()
        self._evidence = _Evidence(_EVIDENCE_PAGES * self._limit)
        self._longest = 0
        self._totals: tuple[int, int] | None = None
        self._gap = False
        self._disorder = False
        self._restarts_left = _RESTARTS
        self._stalls = 0
        self._over = False
        self.exhausted = False
        """Whether the pass was given up because the server never came to an end."""
        self.filter_honoured: bool | None = None
        """None while nothing tells; False once a row is older than the bound."""
        self._steps = self._walk()

    @property
    def distinct(self) -> int:
        """How many different problems were seen."""
        return len(self._ids)

    def unseen(self, problem_ids: Iterable[str]) -> list[str]:
        """Those of these problems that were on no page. Known by a hash of 64 bits, whose key is another in each
        process: of a million problems seen, one that is missing hides behind in one pass of 10,000,000,000,000.
        """
        return [each for each in problem_ids if hash(each) not in self._ids]

    @property
    def complete(self) -> bool:
        """Whether the pass is over and saw every row that was there from its first request to its last.

        Sound as long as fewer rows come and go between two requests than stand on a page.
        """
        return self.completeness.complete

    @property
    def completeness(self) -> Completeness:
        """Whether every problem was seen, and if not, why."""
        return Completeness(self._missing(), self.distinct, None if self._totals is None else self._totals[0])

    def _missing(self) -> Gap | None:
        if not self._over:
            return Gap.ENDLESS if self.exhausted else Gap.UNFINISHED
        if self._covered or self._counted:
            return None
        if self._totals is not None and self._totals[0] > self.distinct:
            return Gap.MORE_STATED
        return Gap.ORDER_CHANGED if self._disorder else Gap.NOT_JOINED

    @property
    def _covered(self) -> bool:
        return not self._gap and not self._disorder

    @property
    def _counted(self) -> bool:
        """As many as the server says it has, all through the pass: that convinces without any order.

        Only a row that came while another went could deceive it, where pages do not overlap.
        """
        return self._bound is None and self._totals == (self.distinct, self.distinct)

    def first(self) -> Window:
        """Say what to ask for first."""
        return next(self._steps)

    def following(self, answer: PageAnswer) -> Window | None:
        """Take the answer to the last window; say what to ask for next, None when the pass is over."""
        try:
            return self._steps.send(answer)
        except StopIteration:
            self._over = not self.exhausted
            return None

    def _walk(self) -> Generator[Window, PageAnswer, None]:
        try:
            first = yield from self._ask(0)
            if first.answer.next_link is not None and not first.linked:
                yield from self._follow_links(first)
                return
            yield from self._read_through(first)
            if self._bound is None and self.distinct > len(first):
                yield from self._look_again()
        except _SpentError:
            self.exhausted = True

    def _read_through(self, first: _Sheet) -> Generator[Window, PageAnswer, None]:
        """Page by page to the end."""
        sheet: _Sheet | None = None if first.says_all() else first
        while sheet is not None:
            before = sheet
            sheet = yield from self._step(before)
            if sheet is not None and self._stalled(before, sheet):
                self._gap = True
                return

    def _stalled(self, before: _Sheet, after: _Sheet) -> bool:
        self._stalls = 0 if after.news or after.end > before.end else self._stalls + 1
        return self._stalls > _STALLS

    def _step(self, sheet: _Sheet) -> _Steps:
        filtered = self._bound is not None
        if not sheet.marks:
            return (yield from self._look_beyond(sheet)) if sheet.claims_more(filtered=filtered) else None
        page = yield from self._advance(sheet)
        if page is None or not self._is_last(page):
            return page
        return (yield from self._look_beyond(page)) if page.claims_more(filtered=filtered) else None

    def _is_last(self, sheet: _Sheet) -> bool:
        """Whether nothing stands behind the known rows although there was room for it on the page."""
        return sheet.ended_known and len(sheet) < min(sheet.asked, self._longest)

    def _advance(self, sheet: _Sheet) -> _Steps:
        """Ask for the page behind `sheet`, overlapping; find the way back when the two do not join."""
        overlap = min(_OVERLAP, max(1, len(sheet) // 4)) if self._longest > 1 else 0
        if self._unit is _Unit.PAGES and _reach(page_window(sheet.end - 1, self._limit), sheet.end) < 1:
            return (yield from self._turn_pages(sheet.end // self._limit))
        page = yield from self._ask(sheet.end - overlap, speculative=True)
        if page.marks and page.marks == sheet.marks and page.start != sheet.start:
            return (yield from self._told_the_same(page))
        if page.joined:
            if self._unit is _Unit.UNKNOWN and page.start > 0:
                self._unit = _Unit.ROWS
            return page
        if not overlap:
            return self._jump(page)
        if self._unit is _Unit.UNKNOWN and len(sheet) > 1:
            return (yield from self._tell_unit(sheet))
        return (yield from self._step_back(sheet, page, overlap))

    def _jump(self, page: _Sheet) -> _Sheet | None:
        """Go on from a page that is not known to follow; whatever stands between is missed."""
        if not page.marks:
            return page if page.linked is not None and page.linked > page.start else None
        self._gap = True
        self._evidence.adopt(page.marks)
        return page

    def _step_back(self, sheet: _Sheet, page: _Sheet, overlap: int) -> _Steps:
        """Look for a covered row further and further back; at the head none is needed."""
        back = overlap * 4
        while back < len(self._evidence) and back < sheet.end:
            found = yield from self._ask(sheet.end - back, speculative=True)
            if found.joined:
                return found
            back *= 4
        if self._restarts_left:
            return (yield from self._restart())
        self._gap = True
        return self._jump(page) if page.news else None

    def _restart(self) -> Generator[Window, PageAnswer, _Sheet]:
        """Begin again at the head; what was seen stays seen, but proves nothing any more."""
        self._restarts_left = max(0, self._restarts_left - 1)
        self._gap = False
        self._evidence.forget()
        return (yield from self._ask(0))

    def _tell_unit(self, sheet: _Sheet) -> _Steps:
        """Find out why the second page does not join the first: offset 1 overlaps it only where rows are counted."""
        probe = yield from self._ask_raw(Window(1, self._limit, speculative=True), start=1)
        if not probe.marks:
            return (yield from self._only_page(refused=probe.answer.refused))
        if probe.marks == sheet.marks:
            return (yield from self._turn_pages(2))
        common = len(set(probe.keys).intersection(sheet.keys))
        if common:
            return (yield from self._count_rows(probe, sure=common * 2 >= len(sheet)))
        self._unit = _Unit.PAGES
        self._limit = max(2, min(self._limit, len(sheet)))
        page = yield from self._ask(sheet.end - 1, speculative=True)
        return page if page.joined else (yield from self._turn_pages(2))

    def _count_rows(self, probe: _Sheet, *, sure: bool) -> _Steps:
        """Offset 1 shares rows with offset 0: so rows are counted, unless a page shifted by about its own length."""
        if sure or not self._restarts_left:
            self._unit = _Unit.ROWS
            self._disorder = self._disorder or not sure
        if sure and probe.joined:
            return probe
        return (yield from self._restart()) if self._restarts_left else self._jump(probe)

    def _only_page(self, *, refused: bool) -> _Steps:
        """Nothing at offset 1: two rows or more at 0 are one page of those the offset counts, else the list shrank.

        Rows may have moved up from a second page before that was found empty, so page 0 is read anew and then its last
        row, as page 1 of pages that are one row shorter.
        """
        again = yield from self._restart()
        rows = len(again)
        if rows < 2 or refused:
            self._gap = refused
            return None if refused else again
        self._unit = _Unit.PAGES
        self._limit = max(2, min(self._limit, rows))
        page = yield from self._ask_raw(Window(1, rows - 1, speculative=True), start=rows - 1)
        if not page.marks or (page.joined and not page.news and (len(page) < rows - 1 or rows == 2)):
            return None
        return page if page.joined else (yield from self._turn_pages(1))

    def _turn_pages(self, number: int) -> _Steps:
        """Pages by number that cannot be made to overlap: only the count can prove anything."""
        self._gap = True
        before: frozenset[int] = frozenset()
        barren = 0
        while barren < _BARREN_PAGES:
            page = yield from self._ask_raw(Window(number, self._limit, speculative=True), start=number)
            keys = frozenset(page.keys)
            if not keys or keys == before:
                return None
            if len(keys & before) * 2 > len(keys) and self._restarts_left:
                self._unit = _Unit.ROWS  # neighbouring numbers overlap: rows are counted after all
                return (yield from self._restart())
            barren = 0 if page.news else barren + 1
            before = keys
            number += 1
        return None

    def _told_the_same(self, page: _Sheet) -> _Steps:
        """Another offset, the same page: is the offset ignored? Far behind the end a row cannot be by chance."""
        if len(page) > page.asked:
            return None  # so is the limit: this is all there is
        far = page.start + _FAR_ROWS
        answer = yield from self._ask_raw(Window(far, max(1, len(page) // 2), speculative=True), start=far)
        if not answer.marks:
            return page
        if answer.answer.next_link is not None and page.answer.next_link is None:
            return None  # it links on where there is more, and here it did not
        self._gap = answer.marks != page.marks  # the limit is heeded, so this may be the cap and not the end
        return None

    def _look_beyond(self, sheet: _Sheet) -> _Steps:
        """The rows say that this is the end, the headers that it is not: ask behind it."""
        beyond = max(sheet.end, sheet.linked or 0)
        if beyond == sheet.start:
            self._gap = True
            return None
        if self._unit is _Unit.PAGES:
            number = -(-beyond // self._limit)
            page = yield from self._ask_raw(Window(number, self._limit, speculative=True), start=number * self._limit)
        else:
            page = yield from self._ask(beyond, speculative=True)
        return page if page.joined else self._jump(page)

    def _look_again(self) -> Generator[Window, PageAnswer, None]:
        """Read the head once more, as far as it brings rows that were not seen."""
        self._evidence.forget()
        sheet = yield from self._ask(0)
        while sheet.news:
            sheet = yield from self._ask(sheet.end - 1, speculative=True)

    def _follow_links(self, sheet: _Sheet) -> Generator[Window, PageAnswer, None]:
        """Follow a chain of cursors to its end; the server answers for it, unless they are positions in disguise."""
        followed: set[int] = set()
        barren = 0
        while sheet.answer.next_link is not None:
            link = sheet.answer.next_link
            barren = 0 if sheet.news else barren + 1
            if hash(link) in followed or barren > _BARREN_PAGES:
                self._gap = True
                return
            followed.add(hash(link))
            self._gap = self._gap or _is_position(link)
            self._evidence.forget()
            sheet = yield from self._ask_raw(Window(0, self._limit, link=link), start=sheet.end)

    def _ask(self, start: int, *, speculative: bool = False) -> Generator[Window, PageAnswer, _Sheet]:
        """Ask for rows from position `start`, or, where pages are counted, from as little before it as can be."""
        if self._unit is not _Unit.PAGES:
            return (
                yield from self._ask_raw(Window(start, self._limit, speculative=speculative and start > 0), start=start)
            )
        number, size = page_window(start, self._limit)
        window = Window(number, size, speculative=speculative and number > 0)
        return (yield from self._ask_raw(window, start=number * size))

    def _ask_raw(self, window: Window, *, start: int) -> Generator[Window, PageAnswer, _Sheet]:
        if self._requests_left <= 0:
            raise _SpentError
        self._requests_left -= 1
        answer = yield window
        return self._enter(answer, start, window.limit)

    def _enter(self, answer: PageAnswer, start: int, asked: int) -> _Sheet:
        """Enter the rows in the books."""
        stamps = [self._stamp(row) for row in answer.rows]
        self._judge_filter(stamps)
        pairs = [_identify(row, at) for row, at in zip(answer.rows, stamps, strict=True)]
        keys, marks = tuple(key for key, _ in pairs), tuple(mark for _, mark in pairs)
        strange = tuple(key not in self._ids for key in keys)
        seen_before = self.distinct
        self._ids.update(keys)
        if answer.total is not None:
            least, most = self._totals or (answer.total, answer.total)
            self._totals = (min(least, answer.total), max(most, answer.total))
        self._longest = max(self._longest, len(marks))
        joined, ended_known, disorder = self._evidence.weigh(marks, strange)
        self._disorder = self._disorder or disorder
        said = replace(answer, rows=[])
        return _Sheet(start, asked, said, keys, marks, self.distinct - seen_before, joined, ended_known)

    def _judge_filter(self, stamps: list[datetime | None]) -> None:
        known = [at for at in stamps if at is not None]
        if self._bound is not None and known and self.filter_honoured is not False:
            self.filter_honoured = min(known) >= self._bound - _COARSENESS


class _Evidence:
    """The marks of the rows covered last, ranked in their order; about `capacity` of them."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ranks: dict[int, int] = {}
        self._next_rank = 0

    def __len__(self) -> int:
        return len(self._ranks)

    def forget(self) -> None:
        """Start anew: the next page stands for itself."""
        self._ranks.clear()

    def weigh(self, marks: tuple[int, ...], strange: tuple[bool, ...]) -> tuple[bool, bool, bool]:
        """Compare a page with what is covered; when it joins, or nothing is covered yet, it becomes evidence itself.

        `strange` tells which ids were never seen. Returns whether the page joined, whether its last row is covered, and
        whether page and evidence contradict an order that stays.
        """
        ranks = [self._ranks.get(mark) for mark in marks]
        covered = [rank for rank in ranks if rank is not None]
        last = max((index for index, rank in enumerate(ranks) if rank is not None), default=0)
        reordered = any(later < earlier for earlier, later in pairwise(covered))
        if covered or not self._ranks:
            self.adopt(marks)
        return bool(covered), bool(ranks) and ranks[-1] is not None, reordered or any(strange[:last])

    def adopt(self, marks: tuple[int, ...]) -> None:
        """Count a page as covered."""
        for mark in marks:
            if mark not in self._ranks:
                self._ranks[mark] = self._next_rank
                self._next_rank += 1
        surplus = len(self._ranks) - max(self._capacity, len(marks))
        for mark in list(islice(self._ranks, max(0, surplus))):
            del self._ranks[mark]


def page_window(start: int, limit: int) -> tuple[int, int]:
    """Return (page number, page size ≤ `limit`) of the page that holds row `start` and reaches furthest behind it.

    Pages of one size never overlap; pages of different sizes do. So a server that counts pages is read with overlap.
    """
    sizes = range(max(2, limit // 2), limit + 1)
    return max(((start // size, size) for size in sizes), key=lambda page: _reach(page, start))


def _reach(page: tuple[int, int], position: int) -> int:
    number, size = page
    return (number + 1) * size - position


def filter_query(style: FilterStyle, attribute: str, changed_since: datetime) -> str:
    """Return the percent-encoded query part that asks for rows whose `attribute` is `changed_since` or later.

    It is empty for NONE.
    """
    literal = time_literal(changed_since)
    match style:
        case FilterStyle.NONE:
            return ""
        case FilterStyle.DOT_GTE:
            return f"{attribute}.gte={quote(literal, safe='')}"
        case FilterStyle.OPERATOR:
            return f"{attribute}%3E%3D{quote(literal, safe='')}"
        case FilterStyle.JSONPATH:
            return "filter=" + quote(f"[?(@.{attribute}>='{literal}')]", safe="")


def update_attribute(version: str) -> str:
    """Name the attribute that holds the last update in `version` ("2" to "5"; anything else counts as 4)."""
    return "timeChanged" if version in {"2", "3"} else "lastUpdate"


def time_literal(at: datetime) -> str:
    """Write an instant as `2026-11-23T10:00:00.123Z`, rounded down to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


_ENTRY = re.compile(r"<([^<>]*)>([^<]*)")
_REL = re.compile(r"""\brel\s*=\s*["']?([^"';,]*)""", re.IGNORECASE)


def next_link(values: list[str]) -> str | None:
    """Find rel=next in Link headers (RFC 8288), also behind a stray quote; None when there is none."""
    for target, parameters in _ENTRY.findall(",".join(values)):
        rel = _REL.search(parameters)
        if rel is not None and "next" in rel[1].lower().split():
            return str(target).strip()
    return None


def total_of(headers: Mapping[str, str]) -> int | None:
    """Read how many rows there are from X-Total-Count, else from Content-Range (`items 0-9/42`); None: neither says."""
    for text in (headers.get("X-Total-Count", ""), headers.get("Content-Range", "").rpartition("/")[2]):
        digits = text.strip()
        if digits.isascii() and digits.isdigit() and len(digits) < 19:
            return int(digits)
    return None


def offset_of(link: str) -> int | None:
    """Read the `offset` out of a link's query; None when it has none."""
    for name, value in parse_qsl(urlsplit(link).query):
        if name.lower() == "offset" and value.isascii() and value.isdigit() and len(value) < 19:
            return int(value)
    return None


_POSITION = re.compile(r"offset|page|start|skip|from|first|index", re.IGNORECASE)


def _is_position(link: str) -> bool:
    """Whether a link counts rows or pages under another name, and so promises nothing about rows that move."""
    return any(_POSITION.search(name) and value.strip("0").isdigit() for name, value in parse_qsl(urlsplit(link).query))


def _identify(row: Row, at: datetime | None) -> tuple[int, int]:
    """Return hashes of the row's id and of its state: its id and the time of its last update, else its content."""
    identity = row.id
    if identity is None or identity == "":
        identity = row.href
    state: object = at
    if at is None or identity is None:
        state = row.sorted()
    if identity is None:
        return hash(state), hash(state)
    return hash(str(identity)), hash((str(identity), state))
