"""Records are counted and stamped when they change, and only then."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.record_store import RecordStore, written

BEGAN = datetime(2026, 11, 30, 10, tzinfo=UTC)


def ticking() -> Iterator[datetime]:
    at = BEGAN
    while True:
        yield at
        at += timedelta(seconds=1)


@pytest.fixture
def store() -> RecordStore:
    return RecordStore(ticking().__next__, Random(1), ServiceNowFaults())


def test_a_change_counts_and_no_change_does_not(store: RecordStore) -> None:
    made = store.insert("incident", {"short_description": "x", "u_nothing": "y", "sys_id": "mine"}, "beth")
    assert (made["sys_mod_count"], made["sys_updated_by"], made["number"]) == ("0", "beth", "INC0010001")
    assert made["sys_id"] != "mine"
    changed = store.update("incident", made["sys_id"], {"short_description": "y"}, "fred")
    assert (changed["sys_mod_count"], changed["sys_updated_by"]) == ("1", "fred")
    assert changed["sys_updated_on"] > made["sys_updated_on"]
    assert store.update("incident", made["sys_id"], {"short_description": "y"}, "abel") is changed
    assert store.earlier[made["sys_id"]] == made


def test_a_journal_entry_is_a_row_of_its_own_and_a_change(store: RecordStore) -> None:
    made = store.insert("incident", {"short_description": "x"}, "beth")
    changed = store.update("incident", made["sys_id"], {"work_notes": "called"}, "beth")
    assert changed["sys_mod_count"] == "1"
    [entry] = store.journal(made["sys_id"], "work_notes")
    assert (entry["value"], entry["element_id"], entry["name"]) == ("called", made["sys_id"], "incident")
    shown = store.shown("incident", changed, "work_notes", timedelta(hours=-8))
    assert shown == f"{written(BEGAN - timedelta(hours=8) + timedelta(seconds=2))} - beth (Work notes)\ncalled\n\n"
    store.delete("incident", made["sys_id"])
    assert store.tables["sys_journal_field"] == {}


def test_display_values_are_labels_and_names(store: RecordStore) -> None:
    person = store.insert("sys_user", {"user_name": "beth", "name": "Beth Anglin"}, "admin")
    made = store.insert("incident", {"caller_id": person["sys_id"], "state": "2"}, "beth")
    zone = timedelta(hours=1)
    assert store.shown("incident", made, "state", zone) == "In Progress"
    assert store.shown("incident", made, "caller_id", zone) == "Beth Anglin"
    assert store.shown("incident", made, "sys_created_on", zone) == written(BEGAN + timedelta(hours=1, seconds=1))
