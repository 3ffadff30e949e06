"""Times: every spelling means the same instant, and nothing raises."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.domain import timestamp

QUICK = settings(deadline=None, database=None, derandomize=True, max_examples=200)

instants = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001 -- naive on purpose
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00.000000Z"),
        ("2026-11-23T10:00:00.5Z", "2026-11-23T10:00:00.500000Z"),
        ("2026-11-23T10:00:00.123456789Z", "2026-11-23T10:00:00.123456Z"),
        ("2026-11-23T10:00:00,25Z", "2026-11-23T10:00:00.250000Z"),
        ("2026-11-23T10:00:00-04:00", "2026-11-23T14:00:00.000000Z"),
        ("2026-11-23T10:00:00+0530", "2026-11-23T04:30:00.000000Z"),
        ("2026-11-23T10:00:00+00", "2026-11-23T10:00:00.000000Z"),
        ("2026-11-23T10:00:00", "2026-11-23T10:00:00.000000Z"),
        ("2026-11-23T10:00Z", "2026-11-23T10:00:00.000000Z"),
        ("2026-11-23 10:00:00 +0200", "2026-11-23T08:00:00.000000Z"),
        ("2026-11-23 10:00:00 UTC", "2026-11-23T10:00:00.000000Z"),
        ("  2026-11-23t10:00:00z\n", "2026-11-23T10:00:00.000000Z"),
        ("20261123T100000Z", "2026-11-23T10:00:00.000000Z"),
        ("2026-11-23", "2026-11-23T00:00:00.000000Z"),
        ("20261123", "2026-11-23T00:00:00.000000Z"),
        ("2026-11-23Z", "2026-11-23T00:00:00.000000Z"),
        ("2026-11-23+02:00", "2026-11-22T22:00:00.000000Z"),
        ("2026-12-31T24:00:00Z", "2027-01-01T00:00:00.000000Z"),
        ("9999-12-31T24:00:00+01:00", "9999-12-31T23:00:00.000000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500000Z"),
        (1795428000, "2026-11-23T10:00:00.000000Z"),
        (1795428000.25, "2026-11-23T10:00:00.250000Z"),
        (1795428000123, "2026-11-23T10:00:00.123000Z"),
        ("1795428000", "2026-11-23T10:00:00.000000Z"),
        ("1795428000123", "2026-11-23T10:00:00.123000Z"),
        ("1795428000.5", "2026-11-23T10:00:00.500000Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
    ],
)
def test_every_spelling_seen_is_read(written: object, meant: str) -> None:
    at = timestamp.parse(written)
    assert at is not None
    assert at.tzinfo is UTC
    assert timestamp.format_z(at) == meant


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "   ",
        "soon",
        "2026",
        "12345678901234567890",
        "2026-13-01",
        "2026-02-29T00:00:00Z",
        "2026-11-23T25:00:00Z",
        "2026-11-23T24:00:01Z",
        "2026-11-23T10:61:00Z",
        "2026-11-23T10:00:61Z",
        "2026-11-23T10:30:60Z",
        "2026-11-23T10:00:00+24:00",
        "2026-11-23T10:00:00Z and more",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:00:00-05:00",
        "9999-12-31T24:00:00Z",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-23",
        "\ud800",
        True,
        float("nan"),
        float("inf"),
        -1e18,
        10**400,
        [2026, 11, 23],
        {"$date": "2026-11-23T10:00:00Z"},
    ],
)
def test_what_is_no_usable_time_is_none(written: object) -> None:
    assert timestamp.parse(written) is None


@QUICK
@given(at=instants, zone=offsets, separator=st.sampled_from("Tt "), colon=st.booleans(), mark=st.sampled_from(".,"))
def test_a_time_means_the_same_in_every_zone_and_spelling(
    at: datetime, zone: timezone, separator: str, colon: bool, mark: str
) -> None:
    written = at.astimezone(zone).isoformat(sep=separator, timespec="microseconds")
    text, offset = written[:-6], written[-6:]
    assert timestamp.parse(text.replace(".", mark) + (offset if colon else offset.replace(":", ""))) == at


@QUICK
@given(at=instants)
def test_reading_what_was_written_gives_the_instant_back(at: datetime) -> None:
    written = timestamp.format_z(at)
    assert len(written) == 27
    assert timestamp.parse(written) == at
    assert timestamp.parse(written.lower()) == at
    assert timestamp.parse(written.removesuffix("Z")) == at


@QUICK
@given(at=instants, zone=offsets)
def test_a_zone_does_not_change_what_is_written(at: datetime, zone: timezone) -> None:
    assert timestamp.format_z(at.astimezone(zone)) == timestamp.format_z(at)


@QUICK
@given(one=instants, other=instants)
def test_written_instants_sort_like_instants(one: datetime, other: datetime) -> None:
    assert (timestamp.format_z(one) < timestamp.format_z(other)) == (one < other)


@QUICK
@given(milliseconds=st.integers(100_000_000_000, 253_402_300_799_999))
def test_epoch_milliseconds_are_read_as_number_and_as_text(milliseconds: int) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert (
        timestamp.parse(milliseconds)
        == timestamp.parse(float(milliseconds))
        == timestamp.parse(str(milliseconds))
        == at
    )


@QUICK
@given(seconds=st.integers(100_000_000, 99_999_999_999))
def test_epoch_seconds_are_read_as_number_and_as_text(seconds: int) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert timestamp.parse(seconds) == timestamp.parse(str(seconds)) == at


@QUICK
@given(value=st.text() | st.floats() | st.integers() | st.text("0123456789-+:.,TZ ", max_size=35))
@example(value="2026-11-23T10:00:00.")
def test_nothing_raises_and_every_result_is_utc(value: object) -> None:
    at = timestamp.parse(value)
    assert at is None or at.tzinfo is UTC


def test_an_instant_without_a_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="zone"):
        timestamp.format_z(datetime(2026, 11, 23))  # noqa: DTZ001 -- naive on purpose
