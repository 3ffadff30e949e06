"""Instants, with the precision they were stated in: as sources write them → timezone-aware UTC, and back.

TMF656 says `date-time` (RFC 3339). What arrives is what a server's library writes by default: Java, .NET, Go, Python,
JavaScript, PHP, databases and HTTP. Every form that means one instant only is read; one that could mean two
(02/03/2026, the zone IST) is not. A time that cannot be used is no reason to lose a problem, so reading never raises.

Sources state the same change in nanoseconds in an event and in whole seconds in a list, so two instants are compared at
the coarser precision of the two (`same_instant`). What stands for *no time* (0001-01-01, 1970-01-01, 9999-12-31 and
the like) is `unset`; what lies before 1970 or more than a day ahead of our clock is not `plausible`: it orders nothing
and moves no watermark. Arithmetic ends at the years 1 and 9999. Pure: no clock.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Any

from msgspec import Struct

from bridge.domain.timestamp_forms import COUNT, DATE_CALL, Written, read_calendar, read_digits, split_zone, time_of_day

MIN = datetime.min.replace(tzinfo=UTC)
MAX = datetime.max.replace(tzinfo=UTC)

_TICK = timedelta(microseconds=1)
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
"""Before it only *none* is meant: the epoch, in whatever zone, and the first days of calendars."""
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""From here on only *never* is meant: 9999-12-31, 3000-01-01, the last instant of 64 bits."""
_AHEAD = timedelta(days=1)


class Precision(IntEnum):
    """The unit in which an instant was stated, in microseconds; coarser is greater. Nanoseconds are cut off."""

    NANOSECOND = 0
    MICROSECOND = 1
    MILLISECOND = 1_000
    SECOND = 1_000_000
    MINUTE = 60_000_000
    DAY = 86_400_000_000


class Instant(Struct, frozen=True):
    """A moment in UTC and the precision in which it was stated."""

    at: datetime
    precision: Precision

    @property
    def unset(self) -> bool:
        """Whether this stands for *no time*: before 1970-01-02, or from 2200 on."""
        return not _EARLIEST <= self.at < _LATEST


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_TEXT = 100
"""Characters; JavaScript's longest form has some 80."""
_TEXTS_KEPT = 4096
"""An event states the same time up to three times, and its problem's creation date comes with each change."""

_FROM_MILLISECONDS = 10**11
"""A number this large counts milliseconds: as seconds it would lie beyond the year 5138, as milliseconds it is March
1973.
"""
_FROM_MICROSECONDS = 10**15
_FROM_NANOSECONDS = 10**18
_LAST_DAY = range(253_402_214_400, 253_402_300_801)
"""9999-12-31 in seconds, which as milliseconds would be a day in January 1978."""
_CALENDAR = range(1970_01_02_00_00_00, 2200_01_01_00_00_00)
"""Numbers that are calendar digits, if they are a date at all; as milliseconds they would lie beyond the year 2590."""

_BLANK = frozenset(("", "-", "--", "0", "null", "none", "nil", "nan", "n/a", "na", "undefined", "never", "unknown"))


_TICKS = range(621_672_192 * 10**9, 694_224_288 * 10**9)
"""1971 to 2200 in units of 100 ns since the year 1 (.NET); as microseconds they would lie beyond the year 21,000."""
_FILE_TIMES = range(116_760_096 * 10**9, 189_312_192 * 10**9)
"""The same since 1601 (Windows, LDAP); as microseconds beyond the year 5600."""
_TICKS_AT_EPOCH = 621_355_968 * 10**9
_FILE_TIME_AT_EPOCH = 116_444_736 * 10**9

_WRAPPERS = ("iso", "dateTime", "date", "value", "@value", "#text", "_text", "$t", "time", "timestamp")
"""Names under which a single time is wrapped (Parse, Graph, PHP, JSON-LD, XML)."""
_ZONES = ("timeZone", "timezone", "offset", "zoneOffset", "utcOffset", "zone")
"""Names under which the zone of such a time stands."""
_SECONDS = ("seconds", "_seconds", "epochSecond")
_NANOSECONDS = ("nanos", "_nanoseconds", "nanoseconds", "nano")
_PARTS = (("year",), ("monthValue", "month"), ("dayOfMonth", "day"), ("hour",), ("minute",), ("second",), ("nano",))


def read(value: object) -> Instant | None:
    """Return the instant that `value` means, or None when it means none; beyond the years 1 to 9999, the last of them.

    Text: year-first calendar forms, forms with an English month name (RFC 1123, `Date.toString`), `/Date(…)/`, nine
    and more digits as a number. A zone of any offset, `UTC`, `[Europe/Paris]` or an unambiguous abbreviation; without
    one UTC is meant, without a time midnight. Numbers count from 1970: seconds, from 10**11 on milliseconds, from
    10**15 on microseconds, from 10**18 on nanoseconds. A list is [year, month, day, hour, …, nanosecond]; an object
    wraps one of these, or seconds and nanoseconds.

    >>> read("2026-11-23 10:00:00,5+0200").at.isoformat()
    '2026-11-23T08:00:00.500000+00:00'
    """
    if isinstance(value, str):
        return _read_short_text(value) if len(value) <= _LONGEST_TEXT else _read_text(value)
    if isinstance(value, int | float):
        return None if isinstance(value, bool) else _read_count(value)
    if isinstance(value, list):
        return _read_parts(value)
    return _read_object(value) if isinstance(value, dict) else None


def parse(value: object) -> datetime | None:
    """Return the moment that `value` means in UTC (`read`), without its precision."""
    common = _read_common(value) if isinstance(value, str) else None
    if common is not None:
        return common
    found = read(value)
    return None if found is None else found.at


def blank(value: object) -> bool:
    """Return whether `value` says that there is no time: null, an empty text or list, `N/A`."""
    if isinstance(value, str):
        return value.strip().lower() in _BLANK
    return value is None or value == [] or value == {} or value is False


def format_z(at: datetime) -> str:
    """Write an aware instant as `2026-11-23T10:00:00.123456Z`: fixed width, so that text order is time order."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return to_utc(at).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def instant(at: datetime, written: Precision = Precision.MICROSECOND) -> Instant:
    """Return `at` with the coarser of the precision it was `written` in and the one its trailing zeros show."""
    if at.microsecond % 1000:
        return Instant(at, written)
    return Instant(at, max(written, precision_of(at)))


def precision_of(at: datetime) -> Precision:
    """Return the precision that trailing zeros show: seconds at the coarsest, since a whole minute is no rounded one.

    Writers differ: some cut zeros off and some pad with them, so the number of digits alone says little.
    """
    if at.microsecond == 0:
        return Precision.SECOND
    return Precision.MICROSECOND if at.microsecond % 1000 else Precision.MILLISECOND


def truncate(at: datetime, precision: Precision) -> datetime:
    """Cut an aware instant off at a precision: the beginning of its second, minute or day (UTC)."""
    if precision <= Precision.MICROSECOND:
        return at
    since_min = (to_utc(at) - MIN) // _TICK
    return MIN + timedelta(microseconds=since_min - since_min % precision)


def same_instant(
    one: datetime, other: datetime, one_precision: Precision | None = None, other_precision: Precision | None = None
) -> bool:
    """Return whether two aware instants may be the same one, at the coarser precision of the two.

    Both roundings are taken for the same: 10:00:00.7 is 10:00:00 and 10:00:01. Without a precision it is the one that
    trailing zeros show (`precision_of`).
    """
    if one == other:
        return True
    first = precision_of(one) if one_precision is None else one_precision
    second = precision_of(other) if other_precision is None else other_precision
    if first == second:
        return False
    apart = abs(one - other) // _TICK
    rounded_up = Precision.NANOSECOND in (first, second)  # of ours the nanoseconds were cut off
    return apart < max(first, second) + rounded_up


def plausible(at: datetime, now: datetime) -> bool:
    """Return whether something may have happened at `at`: from 1970 to a day after `now`."""
    return at >= _EARLIEST and (at <= now or at - now <= _AHEAD)


def shift(at: datetime, by: timedelta) -> datetime:
    """Add to an aware instant, ending at the years 1 and 9999."""
    try:
        return at + by
    except OverflowError:
        return MAX if by > timedelta(0) else MIN


def to_utc(at: datetime) -> datetime:
    """Bring an aware instant to UTC, ending at the years 1 and 9999."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return MIN if at.year == 1 else MAX


def _read_common(text: str) -> datetime | None:
    """Read the common form with the C parser. It takes too much elsewhere (any separator, so a date with a zone), hence
    the check.
    """
    if len(text) < 19 or text[10] != "T" or text[4] != "-":
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is UTC:
        return at
    return at.replace(tzinfo=UTC) if at.tzinfo is None else to_utc(at)


def _read_text(text: str) -> Instant | None:
    at = _read_common(text)
    if at is not None:
        finer = at.microsecond % 1000 and len(text) > 26 and text[26].isdigit()
        return Instant(at, Precision.NANOSECOND if finer else precision_of(at))
    if len(text) > _LONGEST_TEXT:
        return None
    text = " ".join(text.replace("\u2212", "-").split())
    if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    called = DATE_CALL.fullmatch(text)
    if called:
        return _since_epoch(int(called[1]), Precision.MILLISECOND)
    text, zone = split_zone(text)
    written = read_calendar(text, zone)
    if written is not None:
        return _instant_of(written)
    if not COUNT.fullmatch(text.upper()):
        return None
    return _read_count(float(text) if "." in text or "e" in text.lower() else int(text))


_read_short_text = lru_cache(maxsize=_TEXTS_KEPT)(_read_text)


def _instant_of(written: Written) -> Instant:
    return instant(shift(written.midnight, written.after), Precision(written.unit))


def _read_count(count: float) -> Instant | None:
    """Read a number of units since 1970; None: not a number, or one that no unit makes a time."""
    if not abs(count) < 10**19:
        return None
    count = int(count) if count == int(count) else count
    written = read_digits(str(count)) if isinstance(count, int) and count in _CALENDAR else None
    if written is not None:
        return _instant_of(written)
    size = abs(count)
    if size >= _FROM_NANOSECONDS:
        return instant(_since_epoch(int(count) // 1000, Precision.MICROSECOND).at, Precision.NANOSECOND)
    if isinstance(count, int) and (count in _TICKS or count in _FILE_TIMES):
        since = _TICKS_AT_EPOCH if count in _TICKS else _FILE_TIME_AT_EPOCH
        return instant(_since_epoch((int(count) - since) // 10, Precision.MICROSECOND).at, Precision.NANOSECOND)
    if size >= _FROM_MICROSECONDS:
        return _since_epoch(count, Precision.MICROSECOND)
    if size >= _FROM_MILLISECONDS and int(count) not in _LAST_DAY:
        return _since_epoch(count, Precision.MILLISECOND)
    return _since_epoch(count, Precision.SECOND)


def _since_epoch(number: float, unit: Precision) -> Instant:
    try:
        return instant(shift(_EPOCH, timedelta(microseconds=number * unit)))
    except OverflowError:
        return Instant(MAX if number > 0 else MIN, unit)


def _read_parts(parts: Sequence[object]) -> Instant | None:
    """Read [year, month, day, hour, minute, second, nanosecond], as Java's Jackson writes it; at least the day."""
    if not 3 <= len(parts) <= 7:
        return None
    numbers = [part for part in parts if type(part) is int and 0 <= part < 10**9]
    if len(numbers) != len(parts):
        return None
    year, month, day, hour, minute, second, nanosecond = (*numbers, 0, 0, 0, 0)[:7]
    since_midnight = time_of_day(hour, minute, second, nanosecond // 1000)
    if since_midnight is None:
        return None
    try:
        midnight = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    written = Precision.DAY if len(parts) == 3 else Precision.MINUTE if len(parts) == 5 else Precision.NANOSECOND
    return instant(shift(midnight, since_midnight), written)


def _read_object(value: dict[str, Any]) -> Instant | None:
    """Read what a library makes of a time when no format was set: MongoDB, protobuf, Java, PHP, Graph."""
    if "$date" in value:
        return _read_mongo(value["$date"])
    if "$numberLong" in value:
        return _read_mongo(value)
    seconds = _whole(next((value[name] for name in _SECONDS if name in value), None))
    if seconds is not None:
        nanoseconds = _whole(next((value[name] for name in _NANOSECONDS if name in value), None)) or 0
        found = _since_epoch(seconds, Precision.SECOND)
        return instant(shift(found.at, timedelta(microseconds=min(max(nanoseconds, 0), 10**9) // 1000)))
    if "year" in value:
        parts = [next((value[name] for name in names if name in value), None) for names in _PARTS]
        return _read_parts([part for part in parts if part is not None])
    zone = next((value[name] for name in _ZONES if isinstance(value.get(name), str) and value[name]), "")
    for name in _WRAPPERS:
        inner = value.get(name)
        if isinstance(inner, str) and zone:
            return _read_zoned(inner, zone)
        if isinstance(inner, str | int | float):
            return read(inner)
        if isinstance(inner, dict) and not any(isinstance(each, dict | list) for each in inner.values()):
            return _read_object(inner)  # NGSI-LD: {"type": "Property", "value": {"@type": "DateTime", "@value": …}}
    return None


def _read_zoned(text: str, zone: str) -> Instant | None:
    """Read a time beside which its zone stands, unless it states one itself."""
    beside = _read_text(f"{text}{zone}" if zone[0] in "+-Z" else f"{text}[{zone}]")
    return beside if beside is not None else _read_text(text)


def _read_mongo(value: object) -> Instant | None:
    if isinstance(value, str):
        return _read_text(value)
    milliseconds = _whole(value.get("$numberLong") if isinstance(value, dict) else value)
    return None if milliseconds is None else _since_epoch(milliseconds, Precision.MILLISECOND)


def _whole(value: object) -> int | None:
    """Return an integer of at most 18 digits, written as a number or as text."""
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) < 19:
        return int(value)
    return value if type(value) is int and abs(value) < 10**18 else None
