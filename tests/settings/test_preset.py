"""Each preset is whole for every kind of system that it is for."""

from itertools import product

import pytest

from bridge.domain.link.word_map import Side, unmapped
from bridge.links.rules import rule_of
from bridge.settings import LinkSettings
from bridge.settings.check_links import check_links
from bridge.settings.draft import Draft
from bridge.settings.preset import overlaid, preset_names, preset_table, preset_text

WORDS = {
    "tmf656": [
        "submitted",
        "acknowledged",
        "inProgress",
        "held",
        "pending",
        "resolved",
        "closed",
        "cancelled",
        "rejected",
    ],
    "dataminer-api": [
        "Acknowledged",
        "In Progress",
        "On Hold",
        "Pending",
        "Resolved",
        "Closed",
        "Cancelled",
        "Rejected",
    ],
    "dataminer": ["New", "In Progress", "Assigned", "On Hold", "Solved", "Closed"],
    "servicenow:incident": ["1", "2", "3", "6", "7", "8"],
    "servicenow:problem": ["101", "102", "103", "104", "106", "107"],
}


def variants() -> list[tuple[str, str, str]]:
    """Preset, left and right, each a kind or `servicenow:table`."""
    found = []
    for name in preset_names():
        _, kinds = preset_table(name, {})
        tables = {"servicenow": ["servicenow:incident", "servicenow:problem"]}
        sides = [[one for kind in kinds[side] for one in tables.get(kind, [kind])] for side in ("left", "right")]
        found += [(name, left, right) for left, right in product(*sides)]
    return found


@pytest.mark.parametrize(("name", "left", "right"), variants())
def test_a_preset_is_a_whole_rule(name: str, left: str, right: str) -> None:
    sources = {}
    for side, one in (("l", left), ("r", right)):
        kind, _, table = one.partition(":")
        sources[side] = {
            "kind": kind,
            "url": "https://x.example",
            "write": True,
            "state_path": "/x",
            "journals": "display",
        } | ({"table": table} if table else {})
    draft = Draft({"sources": sources, "links": {"one": {"left": "l", "right": "r", "preset": name, "create": "both"}}})
    check_links(draft)
    create_left = {key for key in draft.faults if key[2] == "create_left"}
    assert [fault for key, fault in draft.faults.items() if key not in create_left] == []
    settings = LinkSettings.model_validate(draft.tree["links"]["one"])
    rule = rule_of("one", settings)
    [status] = [mapped for mapped in rule.fields if mapped.name == "status"]
    word_map = status.rule.comparison.word_map
    for side, words in ((Side.LEFT, WORDS[left]), (Side.RIGHT, WORDS[right])):
        if status.rule.direction.allows(side):
            assert unmapped(word_map, side, words) == [], f"{name} does not know what these of {side} mean"


def test_resolved_and_closed_and_both_waits_are_one_class_between_dataminer_and_servicenow() -> None:
    table, _ = preset_table(
        "dataminer-servicenow", {"left": ("dataminer-api", ""), "right": ("servicenow", "incident")}
    )
    rule = rule_of("one", LinkSettings.model_validate(table | {"left": "a", "right": "b"}))
    [status] = [mapped for mapped in rule.fields if mapped.name == "status"]
    meaning = status.rule.comparison.class_of
    assert meaning(Side.LEFT, "On Hold") == meaning(Side.LEFT, "Pending") == meaning(Side.RIGHT, "3")
    assert meaning(Side.LEFT, "Resolved") == meaning(Side.LEFT, "Closed") == meaning(Side.RIGHT, "6")
    assert status.rule.comparison.put(Side.LEFT, "Resolved", None) == "6"


def test_the_two_lowest_priorities_of_servicenow_stay_apart() -> None:
    table, _ = preset_table("servicenow-tmf656", {"left": ("servicenow", "incident"), "right": ("tmf656", "")})
    rule = rule_of("one", LinkSettings.model_validate(table | {"left": "a", "right": "b"}))
    [priority] = [mapped for mapped in rule.fields if mapped.name == "priority"]
    put = priority.rule.comparison.put
    assert [put(Side.LEFT, pair, None) for pair in ("2/3", "3/2", "3/3")] == ["4", "4", "5"]
    assert [put(Side.RIGHT, word, None) for word in ("4", "5", "6", "10")] == ["2/3", "3/3", "3/3", "3/3"]


def test_no_preset_writes_a_name_into_a_reference_of_servicenow() -> None:
    """The Table API stores what it is given: a name instead of a sys_id is a reference to nobody."""
    for name in preset_names():
        assert "caller_id" not in preset_text(name)


def test_an_empty_table_takes_the_place_of_a_whole_one() -> None:
    below = {"a": {"x": 1, "y": 2}, "b": 1}
    assert overlaid(below, {"a": {"y": 3}}) == {"a": {"x": 1, "y": 3}, "b": 1}
    assert overlaid(below, {"a": {}}) == {"a": {}, "b": 1}


def test_a_preset_is_shown_as_its_file_has_it() -> None:
    assert "[fields]" in preset_text("ses")
