"""A filter and its address say the same."""

from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.console.link_filter import (
    CONFLICT_KINDS,
    LINK_STATES,
    OUTCOMES,
    WRITE_KINDS,
    WRITE_STATES,
    ConflictFilter,
    LinkFilter,
    WriteFilter,
    read_conflict_filter,
    read_link_filter,
    read_write_filter,
)
from bridge.web.refusal import Refusal

TEXT = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    st.builds(
        LinkFilter, TEXT, st.none() | st.sampled_from(LINK_STATES), TEXT, behind=st.booleans(), conflicts=st.booleans()
    )
)
def test_a_filter_of_links_is_read_as_it_was_written(chosen: LinkFilter) -> None:
    assert read_link_filter(parse_qs(chosen.query())) == chosen


@given(
    st.builds(WriteFilter, TEXT, TEXT, st.none() | st.sampled_from(WRITE_KINDS), TEXT, st.sampled_from(WRITE_STATES))
)
def test_a_filter_of_writes_is_read_as_it_was_written(chosen: WriteFilter) -> None:
    assert read_write_filter(parse_qs(chosen.query())) == chosen


@given(st.builds(ConflictFilter, TEXT, st.none() | st.sampled_from(CONFLICT_KINDS), TEXT, st.sampled_from(OUTCOMES)))
def test_a_filter_of_conflicts_is_read_as_it_was_written(chosen: ConflictFilter) -> None:
    assert read_conflict_filter(parse_qs(chosen.query())) == chosen


@pytest.mark.parametrize("read", [read_link_filter, read_write_filter, read_conflict_filter])
def test_an_unknown_parameter_is_named(read: Any) -> None:
    with pytest.raises(Refusal, match="'wherever'"):
        read({"wherever": ["1"]})


def test_the_states_of_a_filter_of_writes() -> None:
    assert WriteFilter().states == ("waiting", "sending", "blocked")
    assert (WriteFilter(state="all").states, WriteFilter(state="done").states) == ((), ("done",))
