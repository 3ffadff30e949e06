"""What is written for fields: values at their paths, what goes together with them, what a new ticket begins with."""

from bridge.domain.link.field import FieldWrite
from bridge.domain.link.rule import LinkRule, merged
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.rules import rule_of
from bridge.settings import LinkSettings

SETTINGS = {
    "left": "dma",
    "right": "snow",
    "create": "right",
    "fields": {
        "title": {"left": "name", "right": "short_description", "max_length": 8},
        "status": {"left": "state", "right": "state", "map": "status"},
        "priority": {"left": "priority", "right": ["impact", "urgency"], "map": "priority"},
        "number": {"left": "fields.Incident Number", "right": "number", "direction": "right_to_left"},
        "ci": {"left": "elements[0].name", "right": "cmdb_ci", "direction": "create"},
        "off": {"left": "x", "right": "x", "direction": "none"},
    },
    "maps": {"status": ["New = 1", "Resolved = 6"], "priority": ["High = 1/2", "Low = 3/3"]},
    "with": {"right": {"state": {"6": {"close_code": "Solved", "close_notes": "{{ left.resolution or 'done' }}"}}}},
    "create_right": {"caller_id": "dataminer", "impact": "3", "u.origin": "{{ left.id }}", "active": True},
}
RULE: LinkRule = rule_of("one", LinkSettings.model_validate(SETTINGS))
LEFT = SideTicket("L1", "dma", {"name": "a long name", "state": "New", "priority": "High", "elements": [{"name": "x"}]})
RIGHT = SideTicket("R1", "snow", {"number": "INC1", "state": "1", "impact": "3", "urgency": "3"})
PAIR = {Side.LEFT: LEFT, Side.RIGHT: RIGHT}


def test_a_field_of_two_paths_is_read_and_written_as_one_text() -> None:
    [priority] = [field for field in RULE.fields if field.name == "priority"]
    assert priority.says(Side.RIGHT, RIGHT) == "3/3"
    assert priority.values(Side.RIGHT, "1/2") == {"impact": "1", "urgency": "2"}


def test_a_word_brings_what_is_written_together_with_it() -> None:
    changes = RULE.changes(Side.RIGHT, {"status": FieldWrite(Side.RIGHT, "6", "Resolved")}, PAIR)
    assert changes == {"state": "6", "close_code": "Solved", "close_notes": "done"}
    assert RULE.changes(Side.RIGHT, {"status": FieldWrite(Side.RIGHT, "1", "New")}, PAIR) == {"state": "1"}


def test_a_field_below_another_is_written_as_such() -> None:
    write = FieldWrite(Side.LEFT, "INC1", "INC1")
    assert RULE.changes(Side.LEFT, {"number": write}, PAIR) == {"fields": {"Incident Number": "INC1"}}


def test_a_new_ticket_has_the_fields_over_the_constants() -> None:
    draft, writes = RULE.draft(Side.RIGHT, LEFT)
    assert draft == {
        "short_description": "a long n",
        "state": "1",
        "impact": "1",
        "urgency": "2",
        "cmdb_ci": "x",
        "caller_id": "dataminer",
        "u": {"origin": "L1"},
        "active": True,
    }
    assert set(writes) == {"title", "status", "priority", "ci"}
    assert (writes["title"].text, writes["title"].derived_from) == ("a long n", "a long name")


def test_a_word_that_no_row_knows_is_left_to_the_system() -> None:
    draft, writes = RULE.draft(Side.RIGHT, SideTicket("L2", "dma", {"state": "Strange"}))
    assert "state" not in draft
    assert "status" not in writes


def test_what_a_constant_gives_for_an_empty_text_counts_as_written() -> None:
    constants = {"create_right": {"short_description": "{{ left.id }}", "impact": "3"}}
    rule = rule_of("one", LinkSettings.model_validate(SETTINGS | constants))
    draft, writes = rule.draft(Side.RIGHT, SideTicket("L3", "dma", {"state": "New"}))
    assert (draft["short_description"], draft["impact"]) == ("L3", "3")
    assert set(writes) == {"status", "title"}  # of two paths both must be given
    assert (writes["title"].text, writes["title"].derived_from) == ("L3", "")


def test_what_the_record_alone_says_is_found_in_it() -> None:
    assert RULE.found_in(Side.RIGHT, RIGHT.record)["priority"] == "3/3"
    assert RULE.found_in(Side.LEFT, {"fields": {}})["number"] == ""


def test_two_records_are_merged_below_the_top() -> None:
    assert merged({"a": {"x": 1, "y": 1}, "b": 1}, {"a": {"y": 2}, "b": 2}) == {"a": {"x": 1, "y": 2}, "b": 2}
