"""What a pass has seen: rows that join pages, ids that were on none, and a filter that is not obeyed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.http.row import rows_of
from bridge.tmf656 import wire
from bridge.tmf656.page import PageAnswer
from bridge.tmf656.seen_pages import PageEvidence, SeenPage, SeenPages

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def rows(*numbers: int, minute: int = 0) -> list[Any]:
    at = (NOON + timedelta(minutes=minute)).isoformat()
    return rows_of([{"id": f"P{number}", "lastUpdate": at} for number in numbers])


def add(seen: SeenPages, evidence: PageEvidence, start: int, *numbers: int, **answer: Any) -> SeenPage:
    return seen.add(PageAnswer(rows(*numbers), **answer), start, 10, evidence)


def test_a_row_that_is_covered_and_unchanged_joins_two_pages() -> None:
    seen, evidence = SeenPages(None, wire.stamps), PageEvidence(100)
    first = add(seen, evidence, 0, 1, 2, 3)
    second = add(seen, evidence, 2, 3, 4)
    assert (first.fresh, second.fresh, second.joined, second.reordered) == (3, 1, True, False)
    assert not add(seen, evidence, 9, 8, 9).joined
    assert seen.distinct == 6


def test_a_row_that_changed_is_no_evidence() -> None:
    seen, evidence = SeenPages(None, wire.stamps), PageEvidence(100)
    add(seen, evidence, 0, 1, 2)
    changed = seen.add(PageAnswer(rows(2, minute=5)), 1, 10, evidence)
    assert (changed.joined, changed.fresh) == (False, 0)


def test_rows_in_another_order_are_noticed() -> None:
    seen, evidence = SeenPages(None, wire.stamps), PageEvidence(100)
    add(seen, evidence, 0, 1, 2, 3)
    assert add(seen, evidence, 0, 3, 2).reordered


def test_evidence_is_bounded() -> None:
    evidence = PageEvidence(3)
    evidence.adopt((1, 2, 3, 4, 5))
    assert len(evidence) == 5, "a page is kept whole"
    evidence.adopt((6,))
    assert len(evidence) == 3
    assert evidence.compare((1,), (False,))[0] is False
    assert evidence.compare((6,), (False,))[0] is True


def test_problems_on_no_page_are_known_at_the_end() -> None:
    seen = SeenPages(None, wire.stamps)
    add(seen, PageEvidence(100), 0, 1, 2)
    assert seen.unseen(["P1", "P9", "P2"]) == ["P9"]


def test_a_row_is_seen_under_the_id_that_is_stored() -> None:
    """The defect: rows without an id, or with 7.0 for one, were missing in every pass and asked for by id."""
    seen = SeenPages(None, wire.stamps)
    rows = [
        {"href": "http://h/serviceProblem/a%2F8", "status": "held"},
        {"id": 7.0},
        {"id": 9},
        {"id": "", "href": "/x/10"},
    ]
    seen.add(PageAnswer(rows_of(rows)), 0, 10, PageEvidence(100))
    assert seen.unseen(["a/8", "7", "9", "10", "11"]) == ["11"]
    seen.add(PageAnswer(rows_of([{"id": {"a": 1}}, {"id": ["b"], "href": 5}, {"id": True}])), 0, 10, PageEvidence(100))
    assert seen.distinct == 7


def test_as_many_as_stated_all_through_the_pass_convinces() -> None:
    seen, evidence = SeenPages(None, wire.stamps), PageEvidence(100)
    add(seen, evidence, 0, 1, 2, total=3)
    assert not seen.counted
    add(seen, evidence, 2, 3, total=3)
    assert seen.counted
    add(seen, evidence, 3, total=4)
    assert not seen.counted


def test_a_row_older_than_the_bound_convicts_the_filter() -> None:
    seen, evidence = SeenPages(NOON + timedelta(seconds=1), wire.stamps), PageEvidence(100)
    assert seen.filter_honoured is None
    add(seen, evidence, 0, 1)
    assert seen.filter_honoured is True, "some servers compare by the second"
    seen.add(PageAnswer(rows(2, minute=-1)), 1, 10, evidence)
    add(seen, evidence, 2, 3)
    assert seen.filter_honoured is False
