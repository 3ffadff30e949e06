"""Merge patch, its inverse, and JSON patch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.tmf656.patch import PatchError, apply_json_patch, difference, merge

VALUES = st.recursive(
    st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("abc", min_size=1, max_size=1), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=1), VALUES)


@given(old=OBJECTS, new=OBJECTS)
def test_the_difference_leads_from_the_old_to_the_new(old: dict, new: dict) -> None:
    assert merge(old, difference(old, new)) == new
    assert difference(new, new) == {}


def test_none_removes_and_lists_are_replaced() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None}, "d": [2, 3]}) == {"a": {"c": 2}, "d": [2, 3]}


def test_json_patch_adds_replaces_removes_and_tests() -> None:
    document = {"a": 1, "list": [{"id": "1"}], "o": {"x~/": 1}}
    operations = [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "replace", "path": "/a", "value": 2},
        {"op": "add", "path": "/list/-", "value": {"id": "2"}},
        {"op": "add", "path": "/list/0/name", "value": "one"},
        {"op": "remove", "path": "/o/x~0~1"},
        {"op": "add", "path": "b", "value": 3},
    ]
    expected = {"a": 2, "list": [{"id": "1", "name": "one"}, {"id": "2"}], "o": {}, "b": 3}
    assert apply_json_patch(document, operations) == expected
    assert document == {"a": 1, "list": [{"id": "1"}], "o": {"x~/": 1}}


def test_adding_one_element_by_the_path_of_its_list_appends_it() -> None:
    assert apply_json_patch({"list": [1]}, [{"op": "add", "path": "/list", "value": 2}]) == {"list": [1, 2]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "remove", "path": "/list/5"},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "move", "path": "/a", "from": "/b"},
        {"op": "add", "path": "/a/b/c", "value": 1},
        {"op": "add"},
        "nonsense",
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(operation: object) -> None:
    with pytest.raises(PatchError):
        apply_json_patch({"a": 1, "list": [1]}, [operation])
