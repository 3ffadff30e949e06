"""Positions in the stream, and what a follower asked for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.stream_event import Position, StreamEvent, StreamFilter, StreamStep

POSITIONS = st.builds(Position, st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))
STEP = StreamStep(
    Position(7, 1), True, "snow", (StreamEvent("held", b"h", b"H"), StreamEvent("closed", b"c", b"C")), size_bytes=2
)


@given(POSITIONS)
def test_a_position_reads_back_as_it_was_written(position: Position) -> None:
    assert Position.read(str(position)) == position


@given(POSITIONS, POSITIONS)
def test_positions_are_in_the_order_of_commits(one: Position, other: Position) -> None:
    assert (one < other) == ((one.committed, one.id) < (other.committed, other.id))


@pytest.mark.parametrize(
    "text",
    ["", "-", "1", "1-", "-1", "a-1", "1-a", "1-2-3", "¹-1", f"{2**64}-1", f"1-{2**63}", "0" * 41 + "-1"],
)
def test_anything_else_is_no_position(text: str) -> None:
    assert Position.read(text) is None


@pytest.mark.parametrize(
    ("wish", "events"),
    [
        (StreamFilter(), [b"h", b"c"]),
        (StreamFilter(bodies=True), [b"H", b"C"]),
        (StreamFilter(statuses=frozenset({"held"})), [b"h"]),
        (StreamFilter(sources=frozenset({"snow"})), [b"h", b"c"]),
        (StreamFilter(sources=frozenset({"other"})), []),
        (StreamFilter(statuses=frozenset({"resolved"})), []),
    ],
)
def test_a_follower_gets_what_it_asked_for(wish: StreamFilter, events: list[bytes]) -> None:
    assert STEP.wanted(wish) == events
    assert replace(STEP, events=()).wanted(wish) == []
