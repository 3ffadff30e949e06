"""A day as a picture: every hour in its column, stacked, and never beyond its frame."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.storage.console_source import HourOfChanges
from bridge.web.console.sparkline import COLUMN, HEIGHT, HOURS, spark_bars, spark_words

NOW = datetime(2026, 6, 1, 12, 34, tzinfo=UTC)
numbers = st.integers(0, 10**9)


def hour(ago: int, push: int, poll: int = 0, reconcile: int = 0) -> HourOfChanges:
    return HourOfChanges("noc", NOW.replace(minute=0) - timedelta(hours=ago), push, poll, reconcile)


def test_the_fullest_hour_is_as_high_as_the_picture() -> None:
    bars = spark_bars([hour(0, 3, 1), hour(23, 1)], NOW)
    assert [(bar.way, bar.x, bar.y, bar.height) for bar in bars] == [
        ("push", 23 * COLUMN, 6.0, 18.0),
        ("poll", 23 * COLUMN, 0.0, 6.0),
        ("push", 0, 18.0, 6.0),
    ]
    assert spark_words([hour(0, 3, 1)]) == "changes within 24 h: 3 by push, 1 by poll, 0 by reconcile"


@given(st.lists(st.builds(hour, st.integers(-3, 30), numbers, numbers, numbers), max_size=30))
def test_nothing_is_drawn_beyond_the_frame(hours: list[HourOfChanges]) -> None:
    for bar in spark_bars(hours, NOW):
        assert 0 <= bar.x < HOURS * COLUMN
        assert bar.y >= 0
        assert bar.y + bar.height <= HEIGHT + 0.05
