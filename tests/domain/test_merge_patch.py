"""Merge patches: the cases of RFC 7386's appendix, and the laws that hold."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.merge_patch import merge_patch

QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=200)

scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", "y"])
names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(names, values, max_size=3)
flat = st.dictionaries(names, scalars | st.lists(values, max_size=2), max_size=3)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_appendix_of_the_rfc_holds(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


def without_nulls(value: Any) -> Any:
    """Leave out members that are null, at any depth that a merge reaches."""
    if not isinstance(value, dict):
        return value
    return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}


@QUICK
@given(target=values, patch=values)
def test_a_patch_applied_twice_is_a_patch_applied_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@QUICK
@given(target=values)
def test_an_empty_patch_changes_no_object(target: Any) -> None:
    assert merge_patch(target, {}) == (target if isinstance(target, dict) else {})


@QUICK
@given(patch=values)
def test_on_nothing_a_patch_leaves_what_it_sets(patch: Any) -> None:
    assert merge_patch({}, patch) == without_nulls(patch)


@QUICK
@given(target=objects, first=flat, second=flat)
def test_flat_patches_may_be_put_together_first(target: Any, first: Any, second: Any) -> None:
    assert merge_patch(merge_patch(target, first), second) == merge_patch(target, first | second)


@QUICK
@given(target=objects, first=objects, second=objects)
def test_patches_of_different_attributes_may_come_in_any_order(target: Any, first: Any, second: Any) -> None:
    second = {name: value for name, value in second.items() if name not in first}
    assert merge_patch(merge_patch(target, first), second) == merge_patch(merge_patch(target, second), first)


@QUICK
@given(target=values, patch=values)
def test_the_arguments_stay_as_they_were(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))
    merge_patch(target, patch)
    assert (target, patch) == before
