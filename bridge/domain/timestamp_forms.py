"""The forms in which sources write times as text: patterns, and what the clock and the zone in them mean.

Nothing is known here of precision and its order, nor of the ends of the calendar: `bridge.domain.timestamp` makes an
instant of what was `Written`. Pure, but for the zone database of the system.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

_MICROSECOND, _MINUTE, _DAY = 1, 60_000_000, 86_400_000_000
"""Units of time, in microseconds; 0 stands for nanoseconds."""

_CLOCK = r"""
    (?P<hour>[0-9]{1,2}) (?: (?P<colon>[:.]?) (?P<minute>[0-9]{2})
        (?: (?P=colon) (?P<second>[0-9]{2}) (?: [.,] (?P<fraction>[0-9]*) )? )? )?
    (?: [ ]* (?P<half>[AP]) [.]? M [.]? )?
"""
_ZONE = r"""
    (?: [ ]* (?P<utc> Z | UTC | GMT | UT ) )?
    (?: [ ]* (?P<sign>[+-]) (?P<zone_hours>[0-9]{1,2}) (?: :? (?P<zone_minutes>[0-9]{2}) )? (?: : 00 )? )?
    (?: [ ]* (?P<zone> [A-Z][A-Z_]+ (?: / [A-Z0-9_+-]+ ){0,2} ) )?
"""
_WEEKDAY = r"(?: (?:MON|TUE|WED|THU|FRI|SAT|SUN) [A-Z]* [.,]? [ ]* )?"
_MONTH = r"(?P<name> JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC ) [A-Z]* [.]?"
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

_FORMS = tuple(
    re.compile(form, re.VERBOSE | re.IGNORECASE | re.ASCII)
    for form in (
        # 2026-03-02T10:00:00.5+01:00, 2026/3/2 9:05 PM, 20260302T100000Z, 2026-03-02 10:00:00 +0000 UTC
        rf"""(?P<year>[0-9]{{4}}) (?P<dash>[-/.]?) (?P<month>[0-9]{{1,2}}) (?P=dash) (?P<day>[0-9]{{1,2}})
             (?: (?: [T_] | ,?[ ]+ | - (?= [0-9]{{2}} [.] ) ) {_CLOCK} )? {_ZONE}""",
        # 20260302100000.5Z
        rf"""(?P<year>[0-9]{{4}}) (?P<month>[0-9]{{2}}) (?P<day>[0-9]{{2}}) (?P<hour>[0-9]{{2}}) (?P<minute>[0-9]{{2}})
             (?P<second>[0-9]{{2}})
             (?: (?: [.,] | (?= [0-9]{{3}} (?: [^0-9] | $ ) ) ) (?P<fraction>[0-9]+) )? {_ZONE}""",
        # Mon, 02 Mar 2026 10:00:00 GMT, 02-MAR-26 10.00.00.000000 AM
        rf"""{_WEEKDAY} (?P<day>[0-9]{{1,2}}) [ -]+ {_MONTH} [ -]+ (?P<year>[0-9]{{4}}|[0-9]{{2}})
             (?: (?: T | ,?[ ]+ ) {_CLOCK} )? {_ZONE}""",
        # Mar 2, 2026, 10:00:00 AM, Mon Mar 02 2026 10:00:00 GMT+0100
        rf"""{_WEEKDAY} {_MONTH} [ ]+ (?P<day>[0-9]{{1,2}}) ,?[ ]+ (?P<year>[0-9]{{4}})
             (?: ,?[ ]+ {_CLOCK} )? {_ZONE}""",
        # Mon Mar  2 10:00:00 UTC 2026
        rf"""{_WEEKDAY} {_MONTH} [ ]+ (?P<day>[0-9]{{1,2}}) [ ]+ {_CLOCK} {_ZONE} [ ]+ (?P<year>[0-9]{{4}})""",
    )
)
_SUFFIX = re.compile(r"[ ]* (?: \[ !? ([^\[\]]{1,40}) \] | \( [^()]{0,60} \) | m=[+-][0-9.]+ )$", re.VERBOSE)
"""What follows a time: a zone's name (RFC 9557, JavaScript), Go's monotonic clock."""
COUNT = re.compile(r"[+-]?[0-9]{9,19}(?:\.[0-9]{1,9})?|[+-]?[0-9](?:\.[0-9]{1,18})?E\+?(?:9|1[0-9])")
"""Epoch time written as text. Shorter ones are no times: eight digits are a date."""
DATE_CALL = re.compile(r"\\?/?(?:new )?Date\((-?[0-9]{1,19})(?:[+-][0-9]{4})?\)\\?/?")
"""What .NET's older serializers write, always in milliseconds."""
_ZONE_HOURS = {"EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7} | {
    "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9,
}  # fmt: skip
"""Abbreviations that name one zone only. CST, IST and BST do not."""


class Written(Struct, frozen=True):
    """A time as it was written: a day's beginning, the time from there on (zone and all), and the unit it was stated in
    (microseconds; 0: nanoseconds).
    """

    midnight: datetime
    after: timedelta
    unit: int


def split_zone(text: str) -> tuple[str, str | None]:
    """Return a time without what follows it, and the zone that names, if any."""
    zone = None
    for _ in range(4):
        match = _SUFFIX.search(text)
        if match is None:
            break
        text = text[: match.start()]
        if match[1] and "=" not in match[1]:
            zone = match[1]
    return text, zone


def read_calendar(text: str, zone: str | None) -> Written | None:
    """Return the time that a text means in one of the forms; None when it has none of them, or no clock shows it.

    `zone`: the one that was named after the time (`split_zone`).
    """
    for form in _FORMS:
        match = form.fullmatch(text)
        written = _from_match(match.groupdict(), zone) if match else None
        if written is not None:
            return written
    return None


def read_digits(digits: str) -> Written | None:
    """Return the time that calendar digits mean (20260302100000), in UTC."""
    match = _FORMS[1].fullmatch(digits)
    return _from_match(match.groupdict(), None) if match else None


def _from_match(found: Mapping[str, str | None], bracketed: str | None) -> Written | None:
    name = found.get("name")
    year, month = found["year"] or "", str(_MONTHS.index(name.upper()) + 1) if name else found["month"] or ""
    if len(year) == 2:
        year = f"{'19' if year >= '70' else '20'}{year}"
    if found.get("dash") == "" and (len(month) != 2 or len(found["day"] or "") != 2):
        return None
    fraction = found["fraction"] or ""
    hour = int(found["hour"] or 0)
    if not found.get("colon", ":") and len(found["hour"] or "00") != 2:
        return None
    half = found.get("half")
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "Pp" else 0)
    minute, second = int(found["minute"] or 0), int(found["second"] or 0)
    since_midnight = time_of_day(hour, minute, second, int(fraction.ljust(6, "0")[:6]))
    if since_midnight is None:
        return None
    if int(year) == 0:
        return Written(datetime.min.replace(tzinfo=UTC), timedelta(0), _DAY)
    try:
        midnight = datetime(int(year), int(month), int(found["day"] or ""), tzinfo=UTC)
        ahead = _ahead(found, bracketed, midnight, since_midnight)
    except ValueError:
        return None
    if ahead is None:
        return None
    return Written(midnight, since_midnight - ahead, _unit(found, fraction))


def _unit(found: Mapping[str, str | None], fraction: str) -> int:
    if found["hour"] is None:
        return _DAY
    if found["second"] is None:
        return _MINUTE
    return 0 if len(fraction) > 6 else _MICROSECOND


def _ahead(
    found: Mapping[str, str | None], bracketed: str | None, midnight: datetime, since_midnight: timedelta
) -> timedelta | None:
    """Return how far the clock that showed this is ahead of UTC; None: no such zone. An offset counts before a name."""
    if found["sign"]:
        ahead = timedelta(hours=int(found["zone_hours"] or 0), minutes=int(found["zone_minutes"] or 0))
        if ahead >= timedelta(days=1):
            return None
        return -ahead if found["sign"] == "-" else ahead
    if found["utc"]:
        return timedelta(0)
    name = found["zone"] or bracketed
    if name is None or name.upper() in ("Z", "UTC", "GMT"):
        return timedelta(0)
    if name.upper() in _ZONE_HOURS:
        return timedelta(hours=_ZONE_HOURS[name.upper()])
    if "/" not in name:
        return None
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
    try:
        local = midnight + since_midnight
    except OverflowError:  # the end of the last year
        local = midnight
    return local.replace(tzinfo=zone).utcoffset()


def time_of_day(hour: int, minute: int, second: int, microsecond: int) -> timedelta | None:
    """24:00 ends a day, and a leap second is the 61st of its minute; both run into what follows. None: no clock shows
    this.
    """
    if hour > 24 or minute > 59 or second > 60 or (second == 60 and minute != 59):
        return None
    if hour == 24 and (minute or second or microsecond):
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microsecond)
