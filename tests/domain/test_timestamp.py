"""Times: every spelling means the same instant, nothing raises, and instants are compared at the coarser precision."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.domain import timestamp
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

instants = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001 -- naive on purpose
all_instants = st.datetimes(timezones=st.just(UTC))
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
        ("0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:00:00-05:00", "9999-12-31T23:59:59.999999Z"),
        ("9999-12-31T24:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("0000-00-00 00:00:00", "0001-01-01T00:00:00.000000Z"),
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
        "2026-11-23 1",
        "2026-11-23T100Z",
        "2026123",
        "٢٠٢٦-11-23",
        "\ud800",
        True,
        float("nan"),
        float("inf"),
        -1e22,
        10**400,
        [2026, 11],
        [2026, 13, 1],
        [2026, 11, 23, 10, 0, 0.5],
        [2026, 11, 23, True],
        {"$date": "soon"},
        {"$date": {}},
        {"seconds": "many"},
        {},
        "02/03/2026 10:00:00",
        "3/2/2026, 10:00:00 AM",
        "02.03.2026",
        "2026-03-02 10:00:00 IST",
        "2026-03-02 10:00:00 CST",
        "2026-03-02T10:00:00[Atlantis/Port]",
        "2026-03-02T10:00:00[../../etc/passwd]",
        "2026-03-02 13:00:00 PM",
        "1" * 2000,
        "[" * 2000,
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
@given(milliseconds=st.integers(300_000_000_000, 19_000_000_000_000))
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


# C7: what servers' libraries write by default; all of these are 2026-03-02, ten o'clock in UTC.


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-02T10:00:00Z[UTC]",
        "2026-03-02T11:00:00+01:00[Europe/Paris]",
        "2026-03-02T11:00:00.000+01:00[Europe/Paris][u-ca=iso8601]",
        "2026-03-02T11:00:00[Europe/Paris]",
        "2026-03-02T11:00:00 Europe/Paris",
        "2026-03-02 11:00:00 CET",
        "2026-03-02 05:00:00 EST",
        "2026-03-02T10:00:00+0000",
        "2026-03-02T10:00:00.000+0000",
        "2026-03-02T10:00:00+00",
        "2026-03-02T11:00:00 GMT+1",
        "2026-03-02T05:00:00\u221205:00",
        "2026-03-02 10:00:00 +0000 UTC",
        "2026-03-02 11:00:00 +0100 CET m=+0.000012",
        "2026-03-02t10:00:00z",
        "2026-03-02T10:00:00 Z",
        "2026-03-02 10:00:00.000",
        "2026-03-02 10:00:00,000",
        "2026-03-02-10.00.00.000000",
        "2026/03/02 10:00:00",
        "2026-3-2 10:00",
        "2026-03-02 10:00:00 AM",
        "20260302T100000Z",
        "20260302100000Z",
        "20260302110000.0+0100",
        "20260302100000",
        "20260302100000000",
        "2026-W10-1T10:00:00Z",
        "Mon, 02 Mar 2026 10:00:00 GMT",
        "Mon, 2 Mar 2026 11:00:00 +0100",
        "Monday, 02-Mar-26 10:00:00 GMT",
        "02-Mar-2026 10:00:00",
        "02-MAR-26 10.00.00.000000 AM",
        "2 March 2026 10:00",
        "Mon Mar  2 10:00:00 2026",
        "Mon Mar 02 10:00:00 UTC 2026",
        "Mon Mar 02 11:00:00 CET 2026",
        "Mon Mar 02 2026 11:00:00 GMT+0100 (Central European Standard Time)",
        "Mar 2, 2026 10:00:00 AM",
        "Mar 2, 2026, 10:00:00\u202fAM",
        20260302100000,
        1772445600,
        1772445600.0,
        1772445600000,
        1772445600000000,
        1772445600000000000,
        "1772445600",
        "1772445600000",
        "1772445600000000",
        "1772445600000000000",
        "1772445600.000000000",
        "1.7724456E9",
        "/Date(1772445600000)/",
        "/Date(1772445600000+0100)/",
        "\\/Date(1772445600000)\\/",
        [2026, 3, 2, 10],
        [2026, 3, 2, 10, 0],
        [2026, 3, 2, 10, 0, 0],
        [2026, 3, 2, 10, 0, 0, 999],
        {"$date": "2026-03-02T10:00:00Z"},
        {"$date": 1772445600000},
        {"$date": {"$numberLong": "1772445600000"}},
        {"$numberLong": "1772445600000"},
        {"seconds": 1772445600, "nanos": 0},
        {"_seconds": 1772445600, "_nanoseconds": 0},
        {"epochSecond": 1772445600, "nano": 0},
        {"year": 2026, "month": "MARCH", "monthValue": 3, "dayOfMonth": 2, "hour": 10, "minute": 0, "second": 0},
        {"date": "2026-03-02 10:00:00.000000", "timezone_type": 3, "timezone": "UTC"},
        {"dateTime": "2026-03-02T11:00:00", "timeZone": "Europe/Paris"},
        {"__type": "Date", "iso": "2026-03-02T10:00:00.000Z"},
        {"@type": "DateTime", "@value": "2026-03-02T10:00:00Z"},
        {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-03-02T10:00:00Z"}},
        {"dateTime": "2026-03-02T11:00:00", "offset": "+01:00"},
        {"date": "2026-03-02 11:00:00", "zoneOffset": "+0100"},
        {"dateTime": "2026-03-02T11:00:00+01:00", "timeZone": "Europe/Paris"},
        '"2026-03-02T10:00:00Z"',
        639080424000000000,
        "639080424000000000",
        134169192000000000,
        "134169192000000000",
    ],
)
def test_c7_what_libraries_write_by_default_is_read(written: object) -> None:
    assert timestamp.parse(written) == datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "precision"),
    [
        ("2026-03-02T10:00:00.123456789Z", Precision.NANOSECOND),
        ("2026-03-02 10:00:00.123456789 +0000 UTC", Precision.NANOSECOND),
        (1772445600123456789, Precision.NANOSECOND),
        ("2026-03-02T10:00:00.123456Z", Precision.MICROSECOND),
        ("2026-03-02T10:00:00.123000Z", Precision.MILLISECOND),
        (1772445600123, Precision.MILLISECOND),
        ("2026-03-02T10:00:00.000Z", Precision.SECOND),
        ("2026-03-02T10:00:00Z", Precision.SECOND),
        ("2026-03-02T10:00Z", Precision.MINUTE),
        ("2026-03-02", Precision.DAY),
    ],
)
def test_c10_an_instant_has_the_precision_it_was_written_in(written: object, precision: Precision) -> None:
    found = timestamp.read(written)
    assert found is not None
    assert found.precision is precision


@pytest.mark.parametrize(
    "written",
    [
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "0000-00-00 00:00:00",
        "1753-01-01T00:00:00Z",
        "1899-12-30T00:00:00Z",
        "1900-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T01:00:00",
        "1969-12-31T16:00:00-08:00",
        "2999-12-31",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-12:00",
        0,
        -62135596800,
        -62135596800000,
        253402300799,
        253402300799999,
        9223372036854775807,
        "/Date(-62135596800000)/",
        {"$date": {"$numberLong": "-62135596800000"}},
    ],
)
def test_a2_what_libraries_write_for_none_is_read_and_unset(written: object) -> None:
    found = timestamp.read(written)
    assert found is not None
    assert found.unset


@pytest.mark.parametrize("value", [None, "", "  ", "N/A", "null", "-", "0", [], {}, False])
def test_c7_what_says_that_there_is_no_time_is_blank(value: object) -> None:
    assert timestamp.blank(value)
    assert timestamp.read(value) is None


@QUICK
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=8)
            | st.dictionaries(
                st.sampled_from(["$date", "$numberLong", "seconds", "nanos", "year", "date", "value"]), inner
            )
        ),
        max_leaves=10,
    )
)
def test_c7_no_json_value_makes_reading_raise(value: object) -> None:
    found = timestamp.read(value)
    assert found is None or found.at.tzinfo is UTC
    timestamp.blank(value)


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
@given(at=all_instants, precision=st.sampled_from(Precision))
def test_c10_an_instant_cut_off_is_the_same_instant(at: datetime, precision: Precision) -> None:
    cut = truncate(at, precision)
    assert same_instant(at, cut, precision_of(at), max(precision, precision_of(cut)))
    assert timedelta(0) <= at - cut < timedelta(microseconds=max(precision, 1))


@QUICK
@given(at=all_instants, by=st.timedeltas())
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
