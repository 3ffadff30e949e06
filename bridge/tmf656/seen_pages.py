"""The ids that a pass has seen, and the rows by which it shows that one page follows another.

It keeps 64-bit hashes, not rows: one for each distinct id, and the marks of the last pages. So the pass also knows at
its end which problems were on no page.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice, pairwise

from msgspec import Struct
from msgspec.structs import replace

from bridge.domain.service_problem import id_in_href, usable_id
from bridge.http.row import Row
from bridge.tmf656.page import PageAnswer, offset_in

Stamps = Callable[[Sequence[Row]], list[datetime | None]]
"""Gives the times of the last update of rows, None for one that has none."""

_COARSENESS = timedelta(seconds=1)
"""Some servers compare times by the second, so a row this much older than the bound does not convict a filter."""


class SeenPage(Struct, frozen=True):
    """An answer without its rows.

    `start`: the position of its first row. `asked`: the limit it was asked with. `keys` identify the rows, `marks` the
    rows in their state: a changed row has another mark. `fresh`: how many ids were seen for the first time. `joined`:
    some row is covered and unchanged; `ended_known`: the last one is; `reordered`: it contradicts an order that stays.
    """

    start: int
    asked: int
    answer: PageAnswer
    keys: tuple[int, ...]
    marks: tuple[int, ...]
    fresh: int
    joined: bool
    ended_known: bool
    reordered: bool

    def __len__(self) -> int:
        return len(self.marks)

    @property
    def end(self) -> int:
        """Position behind the last row."""
        return self.start + len(self.marks)

    @property
    def linked(self) -> int | None:
        """The offset in its link to the next page."""
        return offset_in(self.answer.next_link) if self.answer.next_link is not None else None

    def shares(self, other: "SeenPage") -> bool:
        """Whether half of the rows of one of the two, or more, are on the other."""
        ours, theirs = set(self.keys), set(other.keys)
        return bool(ours and theirs) and 2 * len(ours & theirs) >= min(len(ours), len(theirs))

    def claims_more(self, *, filtered: bool) -> bool:
        """Whether a header hints at rows behind this page.

        Under a filter that left nothing, count and 206 may speak of the whole collection.
        """
        if self.linked is not None and self.linked > self.start:
            return True
        if not self.marks and filtered:
            return False
        return (
            self.answer.partial
            or self.answer.more is True
            or (self.answer.total is not None and self.answer.total > self.end)
        )

    def says_all(self) -> bool:
        """Whether this first page is short and everything stated agrees: then no second request is worth it."""
        agreed = self.answer.total == len(self.marks) < self.asked
        return agreed and not (self.answer.partial or self.answer.more or self.answer.next_link is not None)


class PageEvidence:
    """The marks of the rows covered last, ranked in their order; about `capacity` of them."""

    def __init__(self, capacity: int) -> None:
        """Start with nothing covered."""
        self._capacity = capacity
        self._ranks: dict[int, int] = {}
        self._next_rank = 0

    def __len__(self) -> int:
        return len(self._ranks)

    def forget(self) -> None:
        """Drop all evidence: the next page is not compared."""
        self._ranks.clear()

    def compare(self, marks: tuple[int, ...], strange: tuple[bool, ...]) -> tuple[bool, bool, bool]:
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


class SeenPages:
    """The pages of one pass, whatever way they were asked for.

    `bound`: rows that changed before it should not come; None when the whole list is asked for.
    """

    def __init__(self, bound: datetime | None, stamps: Stamps) -> None:
        """Nothing is seen yet."""
        self.bound = bound
        self._stamps = stamps
        self._ids: set[int] = set()
        self.totals: tuple[int, int] | None = None
        """The least and the largest number of rows that the server stated."""
        self.filter_honoured: bool | None = None
        """None while nothing tells; False once a row is older than the bound."""
        self.not_found = False
        """Whether the server said that it has no such list."""
        self.counts_all = False
        """Whether a total spoke of more rows than its page has: it is no count of the page."""
        self.in_part = False
        """Whether the server said of any page that it holds less than was asked for."""

    @property
    def distinct(self) -> int:
        """How many different problems were seen."""
        return len(self._ids)

    @property
    def counted(self) -> bool:
        """Whether as many came as the server stated, all through the pass: that convinces without any order.

        Only a row that came while another went could deceive it, where pages do not overlap. Under a filter the total
        may speak of other rows than those that came, unless the filter is ignored.
        """
        unfiltered = self.bound is None or self.filter_honoured is False
        return unfiltered and self.totals == (self.distinct, self.distinct)

    def unseen(self, problem_ids: Iterable[str]) -> list[str]:
        """Return those of these problems that were on no page.

        They are known by a hash of 64 bits: one missing among a million is overlooked in one pass of 10 trillion.
        """
        return [each for each in problem_ids if hash(each) not in self._ids]

    def add(self, answer: PageAnswer, start: int, asked: int, evidence: PageEvidence) -> SeenPage:
        """Take the rows of an answer into account."""
        stamps = self._stamps(answer.rows)
        self._check_filter(stamps)
        pairs = [_identify(row, at) for row, at in zip(answer.rows, stamps, strict=True)]
        keys, marks = tuple(key for key, _ in pairs), tuple(mark for _, mark in pairs)
        strange = tuple(key not in self._ids for key in keys)
        seen_before = self.distinct
        self._ids.update(keys)
        if answer.total is not None:
            least, most = self.totals or (answer.total, answer.total)
            self.totals = (min(least, answer.total), max(most, answer.total))
            self.counts_all = self.counts_all or answer.total > len(keys) > 0
        self.not_found = self.not_found or answer.not_found
        self.in_part = self.in_part or answer.in_part
        fresh = self.distinct - seen_before
        return SeenPage(start, asked, replace(answer, rows=[]), keys, marks, fresh, *evidence.compare(marks, strange))

    def _check_filter(self, stamps: list[datetime | None]) -> None:
        known = [at for at in stamps if at is not None]
        if self.bound is not None and known and self.filter_honoured is not False:
            self.filter_honoured = min(known) >= self.bound - _COARSENESS


def _identify(row: Row, at: datetime | None) -> tuple[int, int]:
    """Return hashes of the row's id and of its state: its id and the time of its last update, else its content."""
    identity: object = row.id
    if not isinstance(identity, str) or not identity:  # under which id is it stored?
        nothing = identity is None or identity == ""
        identity = usable_id(identity) or id_in_href(row.href) or (row.href if nothing else identity)
    state: object = at
    if at is None or identity is None:
        state = row.sorted()
    if identity is None:
        return hash(state), hash(state)
    return hash(str(identity)), hash((str(identity), state))
