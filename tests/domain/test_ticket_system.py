"""A record survives the way through a version 4 problem."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.ticket_system import characteristics_of, record_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), VALUES, max_size=6))
def test_a_record_survives(record: dict[str, Any]) -> None:
    assert record_of({"id": "1", "characteristic": characteristics_of(record)}) == record


@given(VALUES)
def test_any_other_list_of_characteristics_gives_no_error(value: Any) -> None:
    assert isinstance(record_of({"characteristic": value}), dict)
    assert isinstance(record_of({"characteristic": [value, {"name": value}]}), dict)
