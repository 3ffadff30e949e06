"""How times and counts are written on pages."""

import doctest
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.console import frame, layout, same_origin
from bridge.web.console.layout import ago, duration

NOW = datetime(2026, 1, 4, 15, 2, 7, tzinfo=UTC)


@pytest.mark.parametrize("module", [layout, frame, same_origin])
def test_the_examples_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3_599, "59 min"), (3_661, "1 h 1 min"), (86_400, "1 d"), (-5, "0 s")],
)
def test_a_duration_has_its_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.integers(min_value=-(10**9), max_value=10**9))
def test_an_instant_is_past_or_to_come_and_never_negative(seconds: int) -> None:
    text = ago(NOW - timedelta(seconds=seconds), NOW)
    assert text.startswith("in ") is (seconds <= -1)
    assert "-" not in text
