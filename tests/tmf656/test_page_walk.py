"""A walk against model servers that page in every way seen in the field, and change between any two requests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.http.row import rows_of
from bridge.tmf656.page import PageAnswer, Window
from bridge.tmf656.page_walk import LearnedPaging, PageWalk

EPOCH = datetime(2026, 11, 23, 10, tzinfo=UTC)

Row = dict[str, Any]


def row(number: int, version: int = 0) -> Row:
    return {"id": f"P{number}", "version": version}


@dataclass
class Server:
    """An honest server that keeps its order; subclasses and arguments take honesty away."""

    rows: list[Row]
    cap: int = 10_000
    totals: Callable[["Server"], int | None] = lambda _: None
    meanwhile: Callable[["Server"], None] = lambda _: None
    partial: bool = False
    asked: list[Window] = field(default_factory=list)

    def cut(self, window: Window) -> list[Row]:
        return self.rows[window.offset : window.offset + min(window.limit, self.cap)]

    def answer(self, window: Window) -> PageAnswer:
        if self.asked:
            self.meanwhile(self)
        self.asked.append(window)
        return PageAnswer(rows_of(self.cut(window)), total=self.totals(self), partial=self.partial)


class PageNumberServer(Server):
    def cut(self, window: Window) -> list[Row]:
        size = min(window.limit, self.cap)
        return self.rows[window.offset * size : (window.offset + 1) * size]


class MultiplesServer(Server):
    """Rounds an offset down to a multiple of the size, as a PageRequest of Spring does that is made of an offset."""

    def cut(self, window: Window) -> list[Row]:
        size = min(window.limit, self.cap)
        start = window.offset - window.offset % size
        return self.rows[start : start + size]


class FixedPageServer(Server):
    """Counts pages, and their size is its own."""

    def cut(self, window: Window) -> list[Row]:
        return self.rows[window.offset * self.cap : (window.offset + 1) * self.cap]


class OffsetDeafServer(Server):
    def cut(self, window: Window) -> list[Row]:
        return self.rows[: min(window.limit, self.cap)]


class DeafServer(Server):
    def cut(self, window: Window) -> list[Row]:  # noqa: ARG002 - that is its fault
        return self.rows


class LinkServer(Server):
    """Pages by cursor; it knows no offset."""

    name = "after"

    def answer(self, window: Window) -> PageAnswer:
        self.asked.append(window)
        start = int(window.link.rpartition("=")[2], 36) if window.link else 0
        end = start + min(window.limit, self.cap)
        link = f"/serviceProblem?limit={window.limit}&{self.name}={self.cursor(end)}" if end < len(self.rows) else None
        return PageAnswer(rows_of(self.rows[start:end]), total=self.totals(self), next_link=link)

    def cursor(self, position: int) -> str:
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"
        return digits[position // 36] + digits[position % 36]


def walk(server: Server, limit: int = 10, **options: Any) -> tuple[PageWalk, set[str]]:
    """Run a whole pass; return it with the ids it was given."""
    steps = PageWalk(limit, **options)
    seen: set[str] = set()
    window: Window | None = steps.first()
    while window is not None:
        answer = server.answer(window)
        seen.update(str(one.id) for one in answer.rows)
        window = steps.following(answer)
    return steps, seen


def ids(count: int) -> set[str]:
    return {f"P{number}" for number in range(count)}


SIZES = [0, 1, 2, 3, 9, 10, 11, 19, 20, 21, 95, 100, 101]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cap", [3, 7, 10, 50])
@pytest.mark.parametrize("total", [True, False])
def test_a_still_collection_is_seen_whole_whatever_the_cap(size: int, cap: int, *, total: bool) -> None:
    server = Server([row(n) for n in range(size)], cap=cap, totals=lambda s: len(s.rows) if total else None)
    steps, seen = walk(server)
    assert seen == ids(size)
    assert steps.complete
    assert steps.distinct == size
    assert steps.unseen([f"P{number}" for number in range(size + 2)]) == [f"P{size}", f"P{size + 1}"]


def test_an_id_is_what_the_problem_is_called_whatever_else_a_row_has() -> None:
    """As `usable_id` reads it: 0 is one, and no text is none."""
    rows: list[Row] = [{"id": 0, "href": "/P0"}, {"id": 17}, {"id": " x "}, {"id": "", "href": "/P1"}, {"name": "none"}]
    steps, _ = walk(Server(rows, totals=lambda s: len(s.rows)))
    assert (steps.complete, steps.distinct) == (True, 5)
    assert steps.unseen(["0", "17", " x ", "P0", "/P0", "x"]) == ["P0", "/P0", "x"]


@pytest.mark.parametrize("size", SIZES)
def test_an_offset_that_counts_pages_is_found_out(size: int) -> None:
    steps, seen = walk(PageNumberServer([row(n) for n in range(size)], cap=1000))
    assert seen == ids(size)
    assert steps.complete


@pytest.mark.parametrize("size", [99, 100, 101, 500, 950])
def test_an_offset_that_counts_pages_of_a_cap_below_the_limit_is_found_out(size: int) -> None:
    steps, seen = walk(PageNumberServer([row(n) for n in range(size)], cap=100), limit=500)
    assert seen == ids(size)
    assert steps.complete


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cap", [7, 10, 50])
def test_b1_an_offset_that_is_rounded_down_to_pages_is_read_in_multiples(size: int, cap: int) -> None:
    steps, seen = walk(MultiplesServer([row(n) for n in range(size)], cap=cap))
    assert seen == ids(size)
    assert steps.complete


@pytest.mark.parametrize("size", SIZES)
def test_b1_an_offset_that_is_refused_between_pages_is_read_in_multiples(size: int) -> None:
    class Refusing(Server):
        def answer(self, window: Window) -> PageAnswer:
            refused = bool(window.offset % window.limit)
            return PageAnswer([], refused=True) if refused else super().answer(window)

    steps, seen = walk(Refusing([row(n) for n in range(size)]))
    assert seen == ids(size)
    assert steps.complete


@pytest.mark.parametrize("size", SIZES)
def test_b1_a_next_page_that_is_stated_behind_the_end_is_asked_for_and_found_empty(size: int) -> None:
    class Linking(Server):
        def answer(self, window: Window) -> PageAnswer:
            rows = super().answer(window).rows
            return PageAnswer(rows, more=True, next_link=f"/x?offset={window.offset + window.limit}")

    server = Linking([row(n) for n in range(size)])
    steps, seen = walk(server)
    assert seen == ids(size)
    assert steps.complete
    assert len(server.asked) <= size // 2 + 6


def test_b1_a_token_that_stands_on_the_last_page_too_ends_with_an_empty_page() -> None:
    """As the token of a scroll, which stays the same, and as one that is made of the position."""
    for moving in (False, True):
        learned = LearnedPaging()
        for requests in (60, 12):  # how many empty pages end a list is learned
            server = Server([row(n) for n in range(35)])
            steps = PageWalk(10, learned=learned)
            seen: set[str] = set()
            window: Window | None = steps.first()
            start = 0
            while window is not None:
                server.asked.append(window)
                start = start if window.cursor else 0
                rows = rows_of(server.rows[start : start + 10])
                start += 10
                seen.update(str(one.id) for one in rows)
                token = ("scrollId", f"t{start}" if moving else "t")
                window = steps.following(PageAnswer(rows, cursor=token, more=True))
            assert (seen, steps.complete) == (ids(35), True), moving
            assert len(server.asked) <= requests


@pytest.mark.parametrize("size", SIZES)
def test_pages_that_cannot_overlap_are_read_but_prove_nothing_without_a_count(size: int) -> None:
    steps, seen = walk(FixedPageServer([row(n) for n in range(size)], cap=7))
    assert seen == ids(size)
    assert steps.complete == (size <= 7)
    counted, seen = walk(FixedPageServer([row(n) for n in range(size)], cap=7, totals=lambda s: len(s.rows)))
    assert seen == ids(size)
    assert counted.complete


@pytest.mark.parametrize("size", SIZES)
def test_a_server_that_ignores_paging_gives_everything_and_that_is_believed(size: int) -> None:
    learned = LearnedPaging()
    for requests in (4, 3):  # other parameters are tried once
        server = DeafServer([row(n) for n in range(size)])
        steps, seen = walk(server, learned=learned)
        assert seen == ids(size)
        assert steps.complete
        assert len(server.asked) <= requests


@pytest.mark.parametrize("size", [11, 50])
def test_a_server_that_ignores_only_the_offset_is_never_complete(size: int) -> None:
    learned = LearnedPaging()
    for requests in (50, 4):  # other ways are tried once
        server = OffsetDeafServer([row(n) for n in range(size)])
        steps, seen = walk(server, learned=learned)
        assert seen == ids(10)
        assert not steps.complete
        assert len(server.asked) <= requests


def test_a_short_first_page_that_every_header_agrees_with_needs_no_second_request_once_totals_are_known() -> None:
    server = Server([row(n) for n in range(4)], totals=lambda s: len(s.rows))
    for learned, requests in ((LearnedPaging(), 2), (LearnedPaging(totals=True), 1)):
        server.asked.clear()
        steps, _ = walk(server, learned=learned)
        assert steps.complete
        assert len(server.asked) == requests


@pytest.mark.parametrize("total", [5, 4, 1])
def test_b1_a_total_that_counts_only_the_rows_of_a_page_ends_no_pass(total: int) -> None:
    """The defect: five of fifty rows were all there were, and complete."""
    server = Server([row(n) for n in range(50)], cap=5, totals=lambda _: total)
    learned = LearnedPaging()
    for _ in range(2):
        steps, seen = walk(server, learned=learned)
        assert seen == ids(50)
        assert steps.complete
    assert learned.totals is False
    steps, seen = walk(server, learned=learned, changed_since=EPOCH)
    assert seen == ids(50)


def test_b1_a_total_that_was_right_for_several_pages_is_trusted_for_one() -> None:
    server = Server([row(n) for n in range(50)], cap=5, totals=lambda s: len(s.rows))
    learned = LearnedPaging()
    walk(server, learned=learned)
    assert learned.totals is True


def test_a_count_of_the_page_instead_of_the_collection_stops_nothing_when_the_server_says_partial() -> None:
    server = Server([row(n) for n in range(50)], cap=5, totals=lambda _: 5, partial=True)
    steps, seen = walk(server)
    assert seen == ids(50)
    assert steps.complete


@pytest.mark.parametrize("partial", [True, False])
def test_a_filtered_pass_survives_a_count_of_the_whole_collection(*, partial: bool) -> None:
    for size in (0, 1, 4, 25):
        server = Server([row(n) for n in range(size)], totals=lambda _: 5000, partial=partial)
        steps, seen = walk(server, changed_since=EPOCH)
        assert seen == ids(size)
        assert steps.complete
        assert len(server.asked) <= size // 5 + 3


def test_b1_a_list_that_gives_a_row_twice_and_counts_it_twice_is_complete() -> None:
    server = Server([*(row(n) for n in range(9)), row(3)], totals=lambda s: len(s.rows))
    steps, seen = walk(server, limit=500)
    assert (steps.complete, seen, len(server.asked)) == (True, ids(9), 2)


def test_b1_a_count_of_everything_convinces_where_the_filter_is_ignored() -> None:
    server = FixedPageServer([row(n) for n in range(25)], cap=10, totals=lambda s: len(s.rows))
    bound = EPOCH + timedelta(days=1)
    steps, seen = walk(server, changed_since=bound, stamps=lambda rows: [EPOCH for _ in rows])
    assert (steps.filter_honoured, steps.complete, seen) == (False, True, ids(25))


def test_an_empty_first_page_of_a_collection_said_to_be_full_is_not_complete() -> None:
    steps, _ = walk(Server([], totals=lambda _: 37))
    assert not steps.complete


def test_rows_that_vanish_in_front_shift_nothing_out_of_sight() -> None:
    def lose_thirty(server: Server) -> None:
        if len(server.asked) == 5:
            del server.rows[:30]

    steps, seen = walk(Server([row(n) for n in range(100)], meanwhile=lose_thirty))
    assert seen == ids(100)
    assert steps.complete


def test_a_row_updated_to_the_front_during_the_pass_is_found_there() -> None:
    def jump(server: Server) -> None:
        if len(server.asked) == 3:
            server.rows.insert(0, server.rows.pop(80) | {"version": 1})

    steps, seen = walk(Server([row(n) for n in range(100)], meanwhile=jump))
    assert seen == ids(100)
    assert steps.complete


def test_rows_updated_to_the_end_while_they_were_read_are_no_evidence() -> None:
    def age(server: Server) -> None:
        if len(server.asked) == 1:
            server.rows = server.rows[10:] + [one | {"version": 1} for one in server.rows[:10]]

    steps, seen = walk(Server([row(n) for n in range(18)], meanwhile=age))
    assert seen == ids(18)
    assert steps.complete


def test_a_shuffled_order_never_counts_as_complete() -> None:
    def shuffle(server: Server) -> None:
        server.rows = server.rows[7:] + server.rows[:7]
        server.rows = server.rows[::3] + server.rows[1::3] + server.rows[2::3]

    steps, _ = walk(Server([row(n) for n in range(100)], meanwhile=shuffle))
    assert not steps.complete


def test_a_server_without_end_is_left() -> None:
    class Endless(Server):
        counter = 0

        def cut(self, window: Window) -> list[Row]:
            self.counter += window.limit
            return [row(self.counter + n) for n in range(window.limit)]

    server = Endless([])
    steps, _ = walk(server, max_requests=40)
    assert steps.exhausted
    assert not steps.complete
    assert len(server.asked) == 40


def test_a_server_that_refuses_every_offset_is_not_complete_unless_the_count_agrees() -> None:
    class Refusing(Server):
        def answer(self, window: Window) -> PageAnswer:
            if window.offset:
                assert window.speculative or window.trial
                return PageAnswer([], refused=True)
            return super().answer(window)

    steps, seen = walk(Refusing([row(n) for n in range(25)]))
    assert len(seen) == 10
    assert not steps.complete
    steps, _ = walk(Refusing([row(n) for n in range(5)], totals=lambda s: len(s.rows)))
    assert steps.complete


@pytest.mark.parametrize("size", [0, 1, 10, 11, 100])
def test_a_chain_of_cursors_is_followed_to_its_end(size: int) -> None:
    server = LinkServer([row(n) for n in range(size)])
    steps, seen = walk(server)
    assert seen == ids(size)
    assert steps.complete


def test_a_cursor_that_is_a_position_in_disguise_proves_nothing_without_a_count() -> None:
    class Position(LinkServer):
        name = "page"

        def cursor(self, position: int) -> str:
            return f"{position // 10 * 10:02d}"

        def answer(self, window: Window) -> PageAnswer:
            start = int(window.link.rpartition("=")[2]) if window.link else 0
            following = f"/serviceProblem?page={start + 10:02d}" if start + 10 < len(self.rows) else None
            return PageAnswer(rows_of(self.rows[start : start + 10]), total=self.totals(self), next_link=following)

    steps, seen = walk(Position([row(n) for n in range(35)]))
    assert seen == ids(35)
    assert not steps.complete
    steps, _ = walk(Position([row(n) for n in range(35)], totals=lambda s: len(s.rows)))
    assert steps.complete


def test_a_ring_of_links_is_left() -> None:
    class Ring(Server):
        def answer(self, window: Window) -> PageAnswer:
            self.asked.append(window)
            return PageAnswer(
                rows_of([row(len(self.asked) % 2)]), next_link=f"/serviceProblem?after=x{len(self.asked) % 3}"
            )

    server = Ring([])
    steps, _ = walk(server)
    assert not steps.complete
    assert len(server.asked) < 10


def test_a_page_emptied_by_a_late_filter_is_passed_over_when_a_link_leads_on() -> None:
    class FiltersLate(Server):
        def answer(self, window: Window) -> PageAnswer:
            self.asked.append(window)
            behind = window.offset + window.limit
            link = f"/serviceProblem?offset={behind}" if behind < len(self.rows) else None
            return PageAnswer(rows_of(one for one in self.cut(window) if one["version"]), next_link=link)

    rows = [row(n, version=int(n in {33, 71})) for n in range(100)]
    _, seen = walk(FiltersLate(rows), changed_since=EPOCH)
    assert seen == {"P33", "P71"}


@pytest.mark.parametrize(("age", "honoured"), [(-5, True), (0.5, True), (60, False)])
def test_one_row_older_than_the_bound_convicts_the_filter(age: float, *, honoured: bool) -> None:
    steps = PageWalk(
        10, changed_since=EPOCH, stamps=lambda rows: [EPOCH - timedelta(seconds=one.read()["age"]) for one in rows]
    )
    steps.first()
    assert steps.filter_honoured is None
    steps.following(PageAnswer(rows_of([{"id": "1", "age": -100}, {"id": "2", "age": age}])))
    assert steps.filter_honoured is honoured


def test_without_a_row_or_a_time_nothing_is_known_of_the_filter() -> None:
    steps, _ = walk(Server([row(1)]), changed_since=EPOCH)
    assert steps.filter_honoured is None


def test_rows_without_an_id_are_told_apart_by_their_content() -> None:
    server = Server([{"name": str(n)} for n in range(30)])
    steps, _ = walk(server)
    assert steps.distinct == 30
    assert steps.complete


@st.composite
def histories(draw: st.DrawFn) -> tuple[Server, set[str], int]:
    """A server in stable order that changes between requests; with the ids that are there all the time, and a limit.

    Where an offset may count pages, fewer rows change between two requests than stand on a page: else nothing can tell.
    """
    size = draw(st.integers(0, 60))
    rows = [row(n) for n in range(size)]
    mortal = draw(st.sets(st.integers(0, max(0, size - 1)), max_size=size))
    fates = draw(
        st.lists(st.tuples(st.sampled_from(["front", "back", "amid", "die", "change"]), st.integers(0, 5)), max_size=40)
    )
    kind = draw(st.sampled_from([Server, PageNumberServer, MultiplesServer, OffsetDeafServer, DeafServer]))
    cap = draw(st.sampled_from([2, 3, 5, 8, 20, 100] if kind is Server else [12, 20, 100]))
    limit = draw(st.integers(2 if kind is Server else 12, 25))
    stated = kind is not OffsetDeafServer and draw(st.booleans())
    new_ids = iter(range(1000, 9999))
    dying = [f"P{number}" for number in sorted(mortal, key=lambda n: n * 7919 % 61)]

    def meanwhile(server: Server) -> None:
        if not fates:
            return
        what, how_many = fates.pop()
        for index in range(how_many):
            if what == "die" and dying:
                gone = dying.pop()
                server.rows = [one for one in server.rows if one["id"] != gone]
            elif what == "change" and server.rows:
                place = index * 31 % len(server.rows)
                server.rows[place] = server.rows[place] | {"version": server.rows[place]["version"] + 1}
            elif what in {"front", "back", "amid"}:
                places = {"front": 0, "back": len(server.rows), "amid": index * 17 % (len(server.rows) + 1)}
                server.rows.insert(places[what], row(next(new_ids)))

    totals: Callable[[Server], int | None] = (lambda s: len(s.rows)) if stated else (lambda _: None)
    server = kind(rows, cap=cap, totals=totals, meanwhile=meanwhile)
    return server, {one["id"] for one in rows} - {f"P{n}" for n in mortal}, limit


@settings(max_examples=1000, deadline=None)
@given(history=histories())
def test_a_pass_that_claims_to_be_complete_missed_no_row_that_was_there_all_the_time(
    history: tuple[Server, set[str], int],
) -> None:
    server, lasting, limit = history
    steps, seen = walk(server, limit=limit, max_requests=500)
    if steps.complete:
        assert lasting <= seen


@settings(max_examples=1000, deadline=None)
@given(history=histories())
def test_where_the_order_is_stable_every_row_that_lasts_is_seen(history: tuple[Server, set[str], int]) -> None:
    server, lasting, limit = history
    server = Server(server.rows, cap=max(8, server.cap), totals=server.totals, meanwhile=server.meanwhile)
    steps, seen = walk(server, limit=max(8, limit), max_requests=500)
    assert lasting <= seen
    assert not steps.exhausted
