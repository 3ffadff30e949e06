"""Changes of a day as a small picture (SVG): an hour a column, stacked by the way they were found. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from bridge.storage.console_source import HourOfChanges

HOURS = 24
COLUMN = 6
HEIGHT = 24


class SparkBar(Struct, frozen=True):
    """A rectangle; `way`: push, poll or reconcile."""

    way: str
    x: int
    y: float
    height: float


def spark_bars(hours: Sequence[HourOfChanges], now: datetime) -> list[SparkBar]:
    """Return the rectangles of the last `HOURS` hours, the oldest at the left; the fullest hour is `HEIGHT` high."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    most = max((each.by_push + each.by_poll + each.by_reconcile for each in hours), default=0)
    bars = []
    for each in hours:
        column = HOURS - 1 - (this_hour - each.hour) // timedelta(hours=1)
        if most == 0 or not 0 <= column < HOURS:
            continue
        top = float(HEIGHT)
        for way, number in (("push", each.by_push), ("poll", each.by_poll), ("reconcile", each.by_reconcile)):
            height = round(HEIGHT * number / most, 2)
            if height:
                top -= height
                bars.append(SparkBar(way, column * COLUMN, round(max(0.0, top), 2), height))
    return bars


def spark_words(hours: Sequence[HourOfChanges]) -> str:
    """Say the same in a sentence.

    >>> spark_words([])
    'no changes within 24 h'
    """
    push, poll, reconcile = (sum(getattr(each, f"by_{way}") for each in hours) for way in ("push", "poll", "reconcile"))
    if not push + poll + reconcile:
        return "no changes within 24 h"
    return f"changes within 24 h: {push:,} by push, {poll:,} by poll, {reconcile:,} by reconcile"
