"""What an instance works out by itself, and what it refuses."""

from datetime import UTC, datetime
from random import Random

import pytest

from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.record_store import RecordStore
from bridge.simulator.servicenow.rules import RuleError

ENDED = {"close_code": "Solved", "close_notes": "done"}


@pytest.fixture
def faults() -> ServiceNowFaults:
    return ServiceNowFaults()


@pytest.fixture
def store(faults: ServiceNowFaults) -> RecordStore:
    return RecordStore(lambda: datetime(2026, 11, 30, 10, tzinfo=UTC), Random(1), faults)


def test_the_priority_follows_from_impact_and_urgency(store: RecordStore) -> None:
    made = store.insert("incident", {"impact": "1", "urgency": "2", "priority": "5"}, "beth")
    assert made["priority"] == "2"
    assert store.update("incident", made["sys_id"], {"urgency": "1"}, "beth")["priority"] == "1"


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"state": "6"}, "Resolution code, Resolution notes"),
        ({"state": "6", "close_code": "x"}, "Resolution notes"),
        ({"state": "3"}, "On hold reason"),
        ({"state": "3", "hold_reason": "1"}, "Additional comments"),
    ],
)
def test_a_state_has_companions(store: RecordStore, changes: dict[str, str], missing: str) -> None:
    made = store.insert("incident", {"short_description": "x"}, "beth")
    with pytest.raises(RuleError) as refused:
        store.update("incident", made["sys_id"], changes, "beth")
    assert refused.value.detail == f"Data Policy Exception: The following fields are mandatory: {missing}"
    assert store.tables["incident"][made["sys_id"]] == made


def test_a_ticket_that_is_resolved_and_reopened_has_its_times(store: RecordStore) -> None:
    made = store.insert("incident", {"short_description": "x"}, "beth")
    resolved = store.update("incident", made["sys_id"], {"state": "6", **ENDED}, "beth")
    assert (resolved["resolved_at"], resolved["active"]) == ("2026-11-30 10:00:00", "true")
    assert store.update("incident", made["sys_id"], {"state": "2"}, "beth")["resolved_at"] == ""
    closed = store.update("incident", made["sys_id"], {"state": "7"}, "beth")
    assert (closed["closed_at"], closed["active"]) == ("2026-11-30 10:00:00", "false")


def test_rules_can_be_added(store: RecordStore, faults: ServiceNowFaults) -> None:
    made = store.insert("incident", {"state": "8"}, "beth")
    faults.refuse_ended = True
    with pytest.raises(RuleError, match="Closed tickets are read-only"):
        store.update("incident", made["sys_id"], {"state": "2"}, "beth")
    faults.refuse_ended, faults.refused_text = False, "poison"
    with pytest.raises(RuleError, match="aborted by Business Rule"):
        store.update("incident", made["sys_id"], {"work_notes": "some poison"}, "beth")
    faults.read_only = True
    with pytest.raises(RuleError, match="ACL Exception"):
        store.insert("incident", {}, "beth")
