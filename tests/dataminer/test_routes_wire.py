"""A ticket of the routes as record and problem."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.dataminer.routes_wire import body_of, instant, item_of, notes_in, record_in
from bridge.domain.observation import Via
from bridge.domain.ticket_system import WriteRefusedError, record_of
from bridge.tmf656.wire import read_problem

TICKET = {
    "id": "6c1f",
    "number": "Ticket 00042",
    "name": "Signal lost",
    "description": "by an alarm",
    "type": "Incident Report",
    "state": "On Hold",
    "priority": "High",
    "severity": "Minor",
    "assignee": "eva",
    "createdAt": "2026-03-01T09:12:00Z",
    "createdBy": "dispatcher",
    "lastModified": "2026-03-01T09:20:00.500000Z",
    "version": "7",
    "key": "tb-1",
    "fields": {"Incident Number": "INC1"},
    "notes": [{"id": "n1", "code": None, "author": "eva", "at": "2026-03-01T09:15:00Z", "text": "hello"}],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner, max_size=3)
)


def test_a_ticket_reads_as_a_problem() -> None:
    seen = read_problem(item_of(TICKET), asked_at=datetime(2026, 3, 2, tzinfo=UTC), via=Via.POLL)
    assert (seen.problem_id, seen.status, seen.status_raw, seen.priority) == ("6c1f", "held", "On Hold", 2)
    assert (seen.category, seen.stamped) == ("Incident Report", True)
    assert seen.effective_at == datetime(2026, 3, 1, 9, 20, 0, 500000, UTC)
    assert seen.created_at == datetime(2026, 3, 1, 9, 12, tzinfo=UTC)
    assert not seen.unmapped
    item = item_of(TICKET)
    assert item["note"] == [{"id": "n1", "author": "eva", "date": "2026-03-01T09:15:00Z", "text": "hello"}]
    assert item["responsibleParty"]["name"] == "eva"
    assert item["originatorParty"]["name"] == "dispatcher"


def test_the_record_is_kept_whole_in_the_problem() -> None:
    assert record_of(item_of(TICKET)) == record_in(TICKET)
    assert record_in(TICKET) | {"notes": TICKET["notes"]} == TICKET
    assert "notes" not in record_in(TICKET)


def test_a_ticket_without_a_priority_has_that_of_its_severity() -> None:
    assert item_of(TICKET | {"priority": ""})["priority"] == "Minor"
    assert "priority" not in item_of({"id": "a"})


@given(st.dictionaries(st.sampled_from(sorted(TICKET)) | st.text(max_size=5), JSON))
def test_any_object_becomes_an_item_that_keeps_it(ticket: dict[str, Any]) -> None:
    item = item_of(ticket)
    assert record_of(item) == record_in(ticket)
    notes_in(ticket)


def test_a_note_without_an_id_is_known_by_its_place() -> None:
    notes = notes_in([{"text": "a"}, {"text": 3}, "b", {"text": "c", "at": "yesterday", "id": "x"}])
    assert [(note.id, note.text, note.at) for note in notes] == [("1", "a", None), ("x", "c", None)]


def test_times_are_read_as_utc() -> None:
    assert instant("2026-03-01T10:00:00+01:00") == instant("2026-03-01T09:00:00") == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert instant("0001-01-01T00:00:00+14:00") is None
    assert instant(3) is instant("x") is None


def test_a_body_has_the_fields_of_the_type_apart() -> None:
    wanted = {"state": "Closed", "fields.Place": "Oslo", "fields": {"Site": 3}}
    assert body_of(wanted, None, None) == {"state": "Closed", "fields": {"Place": "Oslo", "Site": 3}}
    assert body_of({"state": "Closed"}, {"state"}, {"Place"}) == {"state": "Closed"}
    with pytest.raises(WriteRefusedError, match=r"colour, fields\.Site \(there are: fields\.Place, state\)"):
        body_of({"colour": 1, "fields.Site": 2}, {"state"}, {"Place"})
