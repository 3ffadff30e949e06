"""Whether two bodies of a problem say the same, when one states its times more precisely than the other.

A server's event and its list may write the same change as `…:00.123456789Z` and `…:00.123Z`. A difference in precision
is no change. Pure.
"""

from typing import Any

from bridge.domain.timestamp import read, same_instant

_SHORTEST_TIME = 8


def same_content(one: Any, other: Any) -> bool:
    """Compare two JSON values; times are compared at the coarser precision of the two.

    Only texts and numbers that are times in both are compared so. Walks level by level, without recursion.
    """
    pairs = [(one, other)]
    while pairs:
        first, second = pairs.pop()
        if isinstance(first, dict) and isinstance(second, dict):
            if first.keys() != second.keys():
                return False
            pairs += [(value, second[name]) for name, value in first.items()]
        elif isinstance(first, list) and isinstance(second, list):
            if len(first) != len(second):
                return False
            pairs += zip(first, second, strict=True)
        elif (type(first) is not type(second) or first != second) and not _same_time(first, second):
            return False
    return True


def _same_time(one: Any, other: Any) -> bool:
    """Numbers are compared as numbers: 1772445600 and 1772445601 may be counters."""
    if not isinstance(one, str) and not isinstance(other, str):
        return False
    if any(isinstance(text, str) and len(text) < _SHORTEST_TIME for text in (one, other)):
        return False
    first, second = read(one), read(other)
    if first is None or second is None:
        return False
    return same_instant(first.at, second.at, first.precision, second.precision)
