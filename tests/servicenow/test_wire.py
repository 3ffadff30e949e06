"""A record becomes a version 4 problem, however its columns were written."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from bridge.domain.observation import Via
from bridge.domain.ticket_system import record_of
from bridge.servicenow.wire import TableRecord, instant_of, item_of, record_in
from bridge.tmf656.wire import detect_version, is_whole, read_problem

PLAIN = {
    "sys_id": "9d385017c611228701d22104cc95c371",
    "number": "INC0010001",
    "short_description": "Line down",
    "description": "",
    "state": "6",
    "priority": "2",
    "category": "network",
    "sys_created_on": "2026-11-30 08:00:00",
    "sys_updated_on": "2026-11-30 10:00:00",
    "resolved_at": "2026-11-30 09:59:59",
    "correlation_id": "tb-1",
    "caller_id": "u1",
    "assignment_group": "g1",
    "cmdb_ci": "ci1",
    "active": True,
    "close_code": "",
}
NAMES = {"caller_id": "Beth Anglin", "assignment_group": "Network", "cmdb_ci": "modem-7", "category": "Network"}


def both(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {"value": value, "display_value": NAMES.get(name, value if isinstance(value, str) else "true")}
        for name, value in record.items()
    }


@pytest.mark.parametrize("shape", ["plain", "both", "links"])
def test_the_shape_of_an_answer_does_not_matter(shape: str) -> None:
    linked = PLAIN | {"caller_id": {"link": "https://x/api/now/table/sys_user/u1", "value": "u1"}}
    record = record_in({"plain": PLAIN, "both": both(PLAIN), "links": linked}[shape])
    assert record.values["caller_id"] == "u1"
    assert record.values["active"] == "true"
    assert "close_code" not in record.values
    assert ("caller_id" in record.names) is (shape == "both")


def test_the_problem_can_be_read_as_any_other() -> None:
    item = item_of(record_in(both(PLAIN)), "incident", {})
    seen = read_problem(item, asked_at=datetime(2026, 11, 30, 11, tzinfo=UTC), via=Via.POLL)
    assert (seen.problem_id, seen.status, seen.priority, seen.category) == (PLAIN["sys_id"], "resolved", 2, "Network")
    assert seen.stamped
    assert seen.updated_at == datetime(2026, 11, 30, 10, tzinfo=UTC)
    assert seen.resolved_at == datetime(2026, 11, 30, 9, 59, 59, tzinfo=UTC)
    assert seen.unmapped == ()
    assert detect_version(item) == "4"
    assert not is_whole(item)  # nothing there is a reason


def test_people_and_places_have_their_names_and_the_record_is_kept_whole() -> None:
    item = item_of(record_in(both(PLAIN)), "incident", {})
    assert item["originatorParty"]["name"] == "Beth Anglin"
    assert item["responsibleParty"] | {"name": "Network", "id": "g1"} == item["responsibleParty"]
    assert item["affectedResource"] == [{"id": "ci1", "name": "modem-7"}]
    assert [each["id"] for each in item["externalIdentifier"]] == ["INC0010001", "tb-1"]
    assert item["description"] == "Line down"
    assert record_of(item) == record_in(PLAIN).values
    stored = read_problem(item, asked_at=datetime(2026, 11, 30, 11, tzinfo=UTC), via=Via.POLL).body
    assert record_of(orjson.loads(stored)) == record_in(PLAIN).values


def test_an_unknown_state_stays_and_is_counted() -> None:
    item = item_of(TableRecord({"sys_id": "1", "state": "42"}, {}), "incident", {})
    assert item["status"] == "42"
    seen = read_problem(item, asked_at=datetime(2026, 11, 30, 11, tzinfo=UTC), via=Via.POLL)
    assert [each.attribute for each in seen.unmapped] == ["status"]


@pytest.mark.parametrize(
    ("text", "instant"),
    [("2026-11-30 10:00:00", "2026-11-30T10:00:00Z"), ("", None), ("30.11.2026 10:00", "30.11.2026 10:00")],
)
def test_times_of_records_are_utc(text: str, instant: str | None) -> None:
    assert instant_of(text) == instant
