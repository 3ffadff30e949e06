"""Instants: compared at the coarser precision, and never beyond the years 1 and 9999."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.timestamp import (
    MAX,
    MIN,
    Precision,
    plausible,
    precision_of,
    read,
    same_instant,
    shift,
    to_utc,
    truncate,
)

QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=200)
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
instants = st.datetimes(timezones=st.just(UTC))
precisions = st.sampled_from(Precision)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2026-03-02T10:00:00.123456789Z", "2026-03-02T10:00:00.123456Z", True),
        ("2026-03-02T10:00:00.123456789Z", "2026-03-02T10:00:00.123457Z", True),
        ("2026-03-02T10:00:00.123456Z", "2026-03-02T10:00:00.123Z", True),
        ("2026-03-02T10:00:00.7Z", "2026-03-02T10:00:00Z", True),
        ("2026-03-02T10:00:00.7Z", "2026-03-02T10:00:01Z", True),
        ("2026-03-02T10:00:00.7Z", "2026-03-02T10:00:00.000Z", True),
        ("2026-03-02T10:00:00.7Z", "2026-03-02T10:00:02Z", False),
        ("2026-03-02T10:00:00Z", "2026-03-02T10:00:01Z", False),
        ("2026-03-02T10:00:00.123Z", "2026-03-02T10:00:00.124Z", False),
        ("2026-03-02T10:00:00.123456Z", "2026-03-02T10:00:00.123457Z", False),
        ("2026-03-02T10:00:59Z", "2026-03-02T10:00Z", True),
        ("2026-03-02T10:00:59Z", "2026-03-02", True),
        ("2026-03-03T10:00:59Z", "2026-03-02", False),
    ],
)
def test_c10_instants_are_compared_at_the_coarser_precision(one: str, other: str, same: bool) -> None:
    first, second = read(one), read(other)
    assert first is not None
    assert second is not None
    assert same_instant(first.at, second.at, first.precision, second.precision) is same
    assert same_instant(second.at, first.at, second.precision, first.precision) is same


@QUICK
@given(at=instants, precision=precisions)
def test_c10_an_instant_cut_off_is_the_same_instant(at: datetime, precision: Precision) -> None:
    cut = truncate(at, precision)
    assert same_instant(at, cut, precision_of(at), max(precision, precision_of(cut)))
    assert timedelta(0) <= at - cut < timedelta(microseconds=max(precision, 1))


@QUICK
@given(at=instants, by=st.timedeltas())
def test_a2_arithmetic_ends_at_the_first_and_the_last_year(at: datetime, by: timedelta) -> None:
    assert MIN <= shift(at, by) <= MAX
    assert shift(MAX, timedelta(days=1)) == MAX
    assert shift(MIN, timedelta(days=-1)) == MIN


def test_a2_an_offset_beyond_the_first_and_the_last_year_ends_there() -> None:
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    assert to_utc(datetime(1, 1, 1, tzinfo=east)) == MIN
    assert to_utc(datetime(9999, 12, 31, 23, tzinfo=west)) == MAX


def test_a2_only_what_is_from_1970_to_tomorrow_is_plausible() -> None:
    assert plausible(NOW, NOW)
    assert plausible(NOW + timedelta(hours=24), NOW)
    assert not plausible(NOW + timedelta(hours=25), NOW)
    assert plausible(datetime(1970, 1, 2, tzinfo=UTC), NOW)
    for none in (MIN, MAX, datetime(1900, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)):
        assert not plausible(none, NOW)
    assert plausible(NOW, MAX)
