"""Parts of a problem in version 4's shape; what is of another shape stays as it came."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.tmf656.wire.shapes import SHAPES, each, note, party, place, rename

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "@type", "comment", "text", "user", "partyOrPartyRole", "place", "entity", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(SHAPES)), JSON)
def test_any_value_is_shaped_once_and_then_stays(attribute: str, value: Any) -> None:
    shape = SHAPES[attribute]
    shaped = shape(value)
    if not _nested(value):
        assert shape(shaped) == shaped


@given(JSON)
def test_what_needs_no_change_is_the_same_object(value: Any) -> None:
    if isinstance(value, list):
        assert each(lambda part: part)(value) is value
    assert rename(value, {"nowhere": "x"}) is value


def test_a_comment_becomes_a_note() -> None:
    assert note({"comment": "hi", "user": "a", "time": "t"}) == {"text": "hi", "author": "a", "date": "t"}
    assert note({"comment": "old", "text": "new"}) == {"text": "new"}


@pytest.mark.parametrize(
    ("part", "flat"),
    [
        ({"role": "r", "partyOrPartyRole": {"id": "1", "name": "n"}}, {"role": "r", "id": "1", "name": "n"}),
        ({"@type": "wrapper", "partyOrPartyRole": {"@type": "Party"}}, {"@type": "Party"}),
        ({"id": "0", "partyOrPartyRole": {"id": "1"}}, {"id": "0", "partyOrPartyRole": {"id": "1"}}),
        ({"partyOrPartyRole": "1"}, {"partyOrPartyRole": "1"}),
        ("a text", "a text"),
    ],
)
def test_a_nested_party_is_laid_flat_unless_names_clash(part: Any, flat: Any) -> None:
    assert party(part) == flat


def test_a_place_without_its_list_is_shaped_too() -> None:
    nested = {"place": {"id": "1", "referredType": "site"}}
    assert SHAPES["affectedLocation"](nested) == {"id": "1", "@referredType": "site"}
    assert place(nested) == {"id": "1", "@referredType": "site"}


def _nested(value: Any) -> bool:
    """A part within itself is laid flat one level at a time."""
    parts = value if isinstance(value, list) else [value]
    nests = ("partyOrPartyRole", "place", "entity")
    return any(
        isinstance(part, dict) and isinstance(part.get(nest), dict) and any(name in part[nest] for name in nests)
        for part in parts
        for nest in nests
    )
