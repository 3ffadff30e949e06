"""The times in each status as one line: the rectangles of a picture (SVG), wide as they were long. Pure."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from bridge.storage.problem_timeline import StatusInterval

WIDTH = 1000
_NARROWEST = 4.0
"""So that a short time can still be seen, and pointed at."""


class StatusBar(Struct, frozen=True):
    """A rectangle; `x` and `width` in parts of `WIDTH`. `seconds`: up to now where it still is."""

    status: str
    x: float
    width: float
    entered_at: datetime
    left_at: datetime | None
    seconds: float


def bars_of(intervals: Sequence[StatusInterval]) -> list[StatusBar]:
    """Return the rectangles from left to right, none narrower than can be seen, together `WIDTH` wide."""
    whole = sum(max(0.0, each.seconds) for each in intervals)
    if not intervals:
        return []
    least = min(_NARROWEST, WIDTH / len(intervals))
    spare = WIDTH - least * len(intervals)
    bars, x = list[StatusBar](), 0.0
    for each in intervals:
        share = max(0.0, each.seconds) / whole if whole else 1 / len(intervals)
        width = least + spare * share
        bars.append(
            StatusBar(each.status, round(x, 2), round(width, 2), each.entered_at, each.left_at, max(0.0, each.seconds))
        )
        x += width
    return bars
