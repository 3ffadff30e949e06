"""A pair is found where a text stands once on each side, whatever came first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.link.key import link_key
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.counterpart_index import CounterpartIndex, Match
from bridge.links.rules import rule_of
from bridge.settings import LinkSettings

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SETTINGS = {
    "left": "a",
    "right": "b",
    "fields": {"t": {"left": "t", "right": "t"}},
    "match": {"by": ["key", "other = id", "numbers[].n = number"], "created_within_days": 2},
}


def index(**match: Any) -> CounterpartIndex:
    settings = SETTINGS | {"match": SETTINGS["match"] | match}
    return CounterpartIndex(rule_of("one", LinkSettings.model_validate(settings)))


def ticket(ticket_id: str, days: float | None = 0, **record: Any) -> SideTicket:
    created_at = None if days is None else NOON + timedelta(days=days)
    keys = frozenset(filter(None, [record.pop("key", None)]))
    return SideTicket(ticket_id, "", {"id": ticket_id} | record, created_at=created_at, keys=keys)


def test_a_counterpart_is_found_by_the_key_from_both_sides_before_anything_else() -> None:
    known, key = index(), link_key("one", "a", "L1")
    left, right = ticket("L1", other="R2"), ticket("R1", key=key)
    for side, one in ((Side.LEFT, left), (Side.RIGHT, right), (Side.RIGHT, ticket("R2"))):
        known.put(side, one)
    assert known.find(Side.LEFT, left, key) == Match(("R1",), by="key")
    assert known.find(Side.RIGHT, right, link_key("one", "b", "R1")).unique == "L1"


def test_several_tickets_with_one_key_are_no_match() -> None:
    known, key = index(), link_key("one", "a", "L1")
    for name in ("R1", "R2"):
        known.put(Side.RIGHT, ticket(name, key=key))
    found = known.find(Side.LEFT, ticket("L1"), key)
    assert (found.unique, found.tickets) == (None, ("R1", "R2"))


def test_each_element_of_a_list_may_match_and_the_first_way_decides() -> None:
    known = index()
    left = ticket("L1", numbers=[{"n": "INC1"}, {"n": 7}], other="nothing")
    known.put(Side.LEFT, left)
    known.put(Side.RIGHT, ticket("R1", number="7"))
    assert known.find(Side.LEFT, left, "tb-x") == Match(("R1",), by="numbers[].n = number")


@pytest.mark.parametrize(("days", "found"), [(1.9, True), (2.1, False), (None, True)])
def test_tickets_created_too_far_apart_do_not_match(days: float | None, found: bool) -> None:
    known, left = index(), ticket("L1", other="R1")
    known.put(Side.LEFT, left)
    known.put(Side.RIGHT, ticket("R1", days))
    assert (known.find(Side.LEFT, left, "tb-x").unique == "R1") is found
    assert index(created_within_days=0).rule.created_within == timedelta(0)


def test_what_changed_or_went_is_not_found_any_more() -> None:
    known, left = index(), ticket("L1", other="R1")
    known.put(Side.LEFT, left)
    known.put(Side.RIGHT, ticket("R1"))
    known.remove(Side.RIGHT, "R1")
    assert known.find(Side.LEFT, left, "tb-x") == Match()
    known.put(Side.RIGHT, SideTicket("R1", "", {"id": "R1"}, deleted=True))
    assert known.find(Side.LEFT, left, "tb-x") == Match()


@given(st.permutations(range(6)), st.lists(st.sampled_from("xyz"), min_size=6, max_size=6))
def test_the_order_of_arrival_decides_nothing(order: list[int], others: list[str]) -> None:
    tickets = [(Side.LEFT, ticket(f"L{n}", other=other)) for n, other in enumerate(others[:3])]
    tickets += [(Side.RIGHT, ticket(other)) for other in dict.fromkeys(others[3:])]
    one, two = index(), index()
    for known, sequence in ((one, tickets), (two, [tickets[n] for n in order if n < len(tickets)])):
        for side, each in sequence:
            known.put(side, each)
    for side, each in tickets:
        assert one.find(side, each, "tb-x") == two.find(side, each, "tb-x")
