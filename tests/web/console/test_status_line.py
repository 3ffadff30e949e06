"""The picture of the statuses: as wide as they were long, and none too narrow to be seen."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.storage.problem_timeline import StatusInterval
from bridge.web.console.status_line import WIDTH, bars_of

AT = datetime(2026, 6, 1, tzinfo=UTC)


def interval(seconds: float) -> StatusInterval:
    return StatusInterval("held", AT, None, seconds)


def test_widths_are_in_proportion() -> None:
    bars = bars_of([interval(3600), interval(3 * 3600)])
    assert bars[0].x == 0
    assert bars[1].width / bars[0].width == pytest.approx(3, rel=0.02)


@given(st.lists(st.floats(-10, 1e9), max_size=600))
def test_together_they_fill_the_picture_whatever_the_clocks_said(seconds: list[float]) -> None:
    bars = bars_of([interval(each) for each in seconds])
    assert sum(bar.width for bar in bars) == pytest.approx(WIDTH if seconds else 0, abs=4)
    assert all(bar.width > 0 and bar.seconds >= 0 for bar in bars)
