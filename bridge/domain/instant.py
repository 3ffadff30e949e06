"""An instant with the precision it was stated in, and arithmetic that ends at the years 1 and 9999.

Sources state the same change in nanoseconds in an event and in whole seconds in a list, so two instants are compared at
the coarser precision of the two (`same_instant`). What stands for *no time* (0001-01-01, 1970-01-01, 9999-12-31 and
their kin) is `unset`; what lies before 1970 or more than a day ahead of our clock is not `plausible`: it orders nothing
and moves no watermark. Pure: no clock.
"""

from datetime import UTC, datetime, timedelta
from enum import IntEnum

from msgspec import Struct

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
        """Whether this stands for *no time*."""
        return unset(self.at)


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


def unset(at: datetime) -> bool:
    """Return whether an aware instant stands for *no time*: before 1970-01-02, or from 2200 on."""
    return not _EARLIEST <= at < _LATEST


def plausible(at: datetime, now: datetime) -> bool:
    """Return whether something may have happened at `at`: from 1970 to a day after `now`."""
    return _EARLIEST <= at <= shift(now, _AHEAD)


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
