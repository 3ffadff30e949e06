"""Differences of two bodies say what a person looks for, and together with the first body they make the second."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.exact_json import WrittenNumber, read_exact
from bridge.domain.version_difference import (
    AttributeDifference,
    ElementDifference,
    apply,
    difference,
    text_difference,
)

scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from(["", "x", "held", "1"])
    | st.integers(0, 2).map(lambda number: WrittenNumber(str(number)))
)
identified = st.fixed_dictionaries(
    {"id": st.sampled_from(["1", "2", "3", ""])}, optional={"text": scalars, "n": scalars}
)
values = st.recursive(
    scalars | identified,
    lambda inner: (
        st.lists(inner | identified, max_size=5)
        | st.dictionaries(st.sampled_from(["id", "name", "note"]), inner, max_size=3)
    ),
    max_leaves=12,
)
bodies = st.dictionaries(
    st.sampled_from(["status", "note", "lastUpdate", "statusChangeDate", "relatedParty", "place"]), values, max_size=5
)


@settings(max_examples=500)
@given(bodies, bodies)
def test_applied_to_the_first_body_the_differences_make_the_second(before: Any, after: Any) -> None:
    untouched = copy.deepcopy(before)
    found = difference(before, after)
    assert apply(before, found) == after
    assert before == untouched
    assert (found.attributes, found.folded) == ((), ()) or before != after


@given(bodies)
def test_a_body_does_not_differ_from_itself(body: Any) -> None:
    assert difference(body, copy.deepcopy(body)).attributes == ()


@given(st.lists(identified, max_size=6, unique_by=lambda each: each["id"]), st.randoms())
def test_elements_with_ids_that_only_stand_elsewhere_are_moved_and_nothing_else(notes: list[Any], random: Any) -> None:
    shuffled = list(notes)
    random.shuffle(shuffled)
    found = difference({"note": notes}, {"note": shuffled}).attributes
    assert {each.kind for one in found for each in one.elements} <= {"moved"}
    assert apply({"note": notes}, difference({"note": notes}, {"note": shuffled})) == {"note": shuffled}


def test_a_note_that_was_inserted_is_one_added_element() -> None:
    old, new = {"id": "1", "text": "seen"}, {"id": "2", "text": "waiting"}
    [note] = difference({"note": [old]}, {"note": [new, old]}).attributes
    assert note.elements == (ElementDifference("added", None, 0, after=new),)


def test_an_element_with_the_same_id_is_changed_inside() -> None:
    before = {"note": [{"id": "1", "text": "seen"}, {"id": "2", "text": "b"}]}
    after = {"note": [{"id": "2", "text": "b"}, {"id": "1", "text": "seen twice"}]}
    [note] = difference(before, after).attributes
    [changed] = [each for each in note.elements if each.kind == "changed"]
    assert (changed.place_before, changed.place_after) == (0, 1)
    assert changed.attributes == (AttributeDifference("text", "changed", "seen", "seen twice"),)


def test_elements_without_an_id_are_matched_by_value() -> None:
    [tags] = difference({"tag": ["a", "b", "b"]}, {"tag": ["b", "c", "a"]}).attributes
    assert sorted(each.kind for each in tags.elements) == ["added", "moved", "removed"]


def test_an_id_that_stands_twice_matches_nothing_by_id() -> None:
    twice = [{"id": "1", "text": "a"}, {"id": "1", "text": "b"}]
    [note] = difference({"note": twice}, {"note": [{"id": "1", "text": "b"}]}).attributes
    assert note.elements == (ElementDifference("removed", 0, None, before={"id": "1", "text": "a"}),)


def test_numbers_differ_when_they_are_written_differently() -> None:
    [amount] = difference({"n": read_exact("1.10")}, {"n": read_exact("1.1")}).attributes
    assert (amount.before, amount.after) == (WrittenNumber("1.10"), WrittenNumber("1.1"))
    assert difference({"n": True}, {"n": read_exact("1")}).attributes
    big = json.dumps({"n": 12345678901234567890})
    assert difference(read_exact(big), read_exact(big)).attributes == ()


def test_times_that_change_with_every_version_are_folded() -> None:
    found = difference({"lastUpdate": "1", "status": "held"}, {"lastUpdate": "2", "status": "closed"})
    assert [each.name for each in found.attributes] == ["status"]
    assert [each.name for each in found.folded] == ["lastUpdate"]


def test_an_attribute_that_is_null_differs_from_one_that_is_absent() -> None:
    assert difference({"a": None}, {}).attributes == (AttributeDifference("a", "removed"),)
    assert difference({}, {"a": None}).attributes == (AttributeDifference("a", "added"),)


def test_below_the_deepest_level_values_are_compared_as_a_whole() -> None:
    def nested(leaf: str) -> Any:
        value: Any = leaf
        for _ in range(60):
            value = {"a": [value]}
        return value

    found = difference(nested("x"), nested("y"))
    assert apply(nested("x"), found) == nested("y")


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ("no light", "no power", [("same", "no "), ("removed", "light"), ("added", "power")]),
        ("same", "same", [("same", "same")]),
        ("", "new", [("added", "new")]),
    ],
)
def test_texts_are_compared_by_words(before: str, after: str, parts: list[tuple[str, str]]) -> None:
    assert [(part.kind, part.text) for part in text_difference(before, after)] == parts


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_parts_of_a_text_make_both_texts(before: str, after: str) -> None:
    parts = text_difference(before, after)
    assert "".join(part.text for part in parts if part.kind != "added") == before
    assert "".join(part.text for part in parts if part.kind != "removed") == after


def test_long_texts_are_compared_as_a_whole() -> None:
    assert [part.kind for part in text_difference("a " * 2000, "b " * 2000)] == ["removed", "added"]
