"""The store stamps each change later than the one before, and can show the state before the last one."""

import random
from datetime import UTC, datetime

from bridge.simulator.dataminer.ticket_store import TicketStore

AT = datetime(2026, 3, 1, tzinfo=UTC)


def store() -> TicketStore:
    return TicketStore(lambda: AT, random.Random(1))


def test_times_grow_although_the_clock_stands() -> None:
    tickets = store()
    first = tickets.create({"name": "a"}, {}, author="x")
    second = tickets.create({"name": "b"}, {}, author="x")
    tickets.change(first, {"name": "c"}, {}, "y")
    assert first.modified_at > second.modified_at > first.created_at == AT
    assert first.ticks == 639079200000000020
    assert tickets.listed() == [second, first]


def test_a_change_without_a_difference_leaves_the_version() -> None:
    tickets = store()
    ticket = tickets.create({"name": "a"}, {"x": 1}, author="x")
    before = ticket.ticks
    assert not tickets.change(ticket, {"name": "a"}, {"x": 1}, "y")
    assert (ticket.ticks, ticket.modified_by) == (before, "x")
    assert tickets.change(ticket, {}, {"x": 2}, "y")
    assert ticket.ticks > before


def test_a_stale_list_lacks_the_last_change_whatever_it_was() -> None:
    tickets = store()
    first = tickets.create({"name": "a"}, {}, key="k", author="x")
    assert tickets.listed(stale=True) == []
    tickets.change(first, {"name": "b"}, {}, "y")
    assert [each.values for each in tickets.listed(stale=True)] == [{"name": "a"}]
    tickets.add_note(first, "hello", "y")
    assert [each.notes for each in tickets.listed(stale=True)] == [[]]
    tickets.delete(first.guid)
    assert [each.guid for each in tickets.listed(stale=True)] == [first.guid]
    assert tickets.listed() == tickets.with_key("k") == []
