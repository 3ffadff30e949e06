"""Written times: the day, the time from its beginning on, zone and all, and the unit they were stated in."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.domain.timestamp_forms import Written, read_calendar, read_digits, split_zone, time_of_day

DAY = datetime(2026, 3, 2, tzinfo=UTC)
MICROSECOND, MINUTE, WHOLE_DAY = 1, 60_000_000, 86_400_000_000


@pytest.mark.parametrize(
    ("text", "after", "unit"),
    [
        ("2026-03-02", timedelta(0), WHOLE_DAY),
        ("2026-03-02T10:00+01:00", timedelta(hours=9), MINUTE),
        ("2026/3/2 9:05 PM", timedelta(hours=21, minutes=5), MINUTE),
        ("2026-03-02 10:00:00.123456789", timedelta(hours=10, microseconds=123456), 0),
        ("Mon, 02 Mar 2026 10:00:00 GMT", timedelta(hours=10), MICROSECOND),
        ("02-MAR-26 10.00.00.000000 AM", timedelta(hours=10), MICROSECOND),
        ("Mar 2, 2026, 12:00:00 AM", timedelta(0), MICROSECOND),
        ("Mon Mar  2 10:00:00 CET 2026", timedelta(hours=9), MICROSECOND),
        ("2026-03-02T23:59:60Z", timedelta(days=1), MICROSECOND),
    ],
)
def test_a_form_says_day_time_and_unit(text: str, after: timedelta, unit: int) -> None:
    assert read_calendar(text, None) == Written(DAY, after, unit)


@pytest.mark.parametrize(
    "text", ["02/03/2026", "2026-02-30", "2026-03-02 13:00 PM", "2026-03-02 10:60", "2026-03-02 10:00 IST", "2026"]
)
def test_what_could_mean_two_times_or_none_is_not_read(text: str) -> None:
    assert read_calendar(text, None) is None


def test_a_zone_behind_the_time_counts_unless_the_time_has_an_offset() -> None:
    text, zone = split_zone("2026-03-02T10:00:00[Europe/Paris]")
    assert (text, zone) == ("2026-03-02T10:00:00", "Europe/Paris")
    assert read_calendar(text, zone) == Written(DAY, timedelta(hours=9), MICROSECOND)
    assert read_calendar(f"{text}-02:00", zone) == Written(DAY, timedelta(hours=12), MICROSECOND)
    assert split_zone("2026-03-02 10:00:00 +0000 UTC m=+0.001") == ("2026-03-02 10:00:00 +0000 UTC", None)


def test_the_last_instant_of_the_calendar_has_a_zone_too() -> None:
    last = datetime(9999, 12, 31, tzinfo=UTC)
    assert read_calendar("9999-12-31T24:00:00", "Europe/Paris") == Written(last, timedelta(hours=23), MICROSECOND)


def test_digits_are_read_only_as_calendar_digits() -> None:
    assert read_digits("20260302100000") == Written(DAY, timedelta(hours=10), MICROSECOND)
    assert read_digits("20261302100000") is None
    assert read_digits("1772445600") is None


@pytest.mark.parametrize("clock", [(24, 0, 1, 0), (25, 0, 0, 0), (10, 60, 0, 0), (10, 58, 60, 0)])
def test_no_clock_shows_it(clock: tuple[int, int, int, int]) -> None:
    assert time_of_day(*clock) is None
