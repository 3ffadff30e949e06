"""Instants as sources write them → timezone-aware UTC, and back.

TMF656 says `date-time` (RFC 3339); what arrives is wider: offsets without a colon, a blank instead of `T`, no zone at
all, only a date, one to nine fraction digits, the end of a day written as 24:00, epoch seconds or milliseconds. A
time that cannot be used is no reason to lose a problem, so reading never raises. Pure: no clock.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MILLISECONDS_FROM = 100_000_000_000
"""A number this large counts milliseconds: as seconds it would lie beyond the year 5138, as milliseconds it is March
1973.
"""

_FORM = re.compile(
    r"""
    ([0-9]{4})-?([0-9]{2})-?([0-9]{2})
    (?: (?: [T_] | [ ]+ ) ([0-9]{2}) (?: :?([0-9]{2}) (?: :?([0-9]{2}) (?: [.,]([0-9]*) )? )? )? )?
    [ ]* (?: (Z|UTC|GMT) | ([+-])([0-9]{2}) (?: :?([0-9]{2}) )? )?
    """,
    re.VERBOSE,
)

_COUNT = re.compile(r"[+-]?[0-9]{9,16}(?:\.[0-9]{1,9})?")
"""Epoch time written as text. Shorter ones are no times: eight digits are a date."""


def parse(value: object) -> datetime | None:
    """Return the instant that `value` means in UTC, or None when it means none or lies outside the years 1 to 9999.

    Text: ISO 8601 calendar forms, also with lower-case letters, a decimal comma, surrounding blanks, a zone of `Z`,
    `UTC`, `+00`, `+0000` or `+00:00`; without a zone UTC is meant, without a time midnight. Digits beyond
    microseconds are cut off. Numbers, and text of nine and more digits: epoch seconds, from 100,000,000,000 on
    milliseconds.

    >>> parse("2026-11-23 10:00:00,5+0200")
    datetime.datetime(2026, 11, 23, 8, 0, 0, 500000, tzinfo=datetime.timezone.utc)
    """
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_epoch(value)
    return None


def format_z(at: datetime) -> str:
    """Write an aware instant as `2026-11-23T10:00:00.123456Z`: fixed width, so that text order is time order."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _parse_text(text: str) -> datetime | None:
    """The common form goes through the C parser; it takes too much elsewhere (any separator, so a date with a zone),
    hence the check.
    """
    if len(text) >= 19 and text[10] == "T" and text[4] == "-":
        try:
            at = datetime.fromisoformat(text)
            if at.tzinfo is UTC:
                return at
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    text = text.strip().upper()
    match = _FORM.fullmatch(text)
    if match:
        return _from_form(match)
    return _from_epoch(text) if _COUNT.fullmatch(text) else None


def _from_form(match: re.Match[str]) -> datetime | None:
    year, month, day, *clock, fraction, _, sign, zone_hours, zone_minutes = match.groups()
    since_midnight = _since_midnight(*(int(part or 0) for part in (*clock, (fraction or "").ljust(6, "0")[:6])))
    ahead = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    if since_midnight is None or ahead >= timedelta(days=1):
        return None
    behind = ahead if sign == "-" else -ahead
    try:
        return datetime(int(year), int(month), int(day), tzinfo=UTC) + (since_midnight + behind)
    except (ValueError, OverflowError):
        return None


def _since_midnight(hour: int, minute: int, second: int, microsecond: int) -> timedelta | None:
    """24:00 ends a day, and a leap second is the 61st of its minute; both run into what follows. None: no clock shows
    this.
    """
    if hour > 24 or minute > 59 or second > 60 or (second == 60 and minute != 59):
        return None
    if hour == 24 and (minute or second or microsecond):
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microsecond)


def _from_epoch(count: Any) -> datetime | None:
    try:
        number = float(count)  # an integer may be larger than any
        return _EPOCH + (
            timedelta(milliseconds=number) if abs(number) >= _MILLISECONDS_FROM else timedelta(seconds=number)
        )
    except (ValueError, OverflowError):
        return None
