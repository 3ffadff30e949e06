"""The moves between statuses that the life cycle of TMF656 has, and the shortest way from one to another. Pure.

Nothing in the standard says that a server refuses other moves; some do.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

_VERSION_3: Final[Mapping[str, tuple[str, ...]]] = {
    "submitted": ("acknowledged", "rejected"),
    "acknowledged": ("inProgress", "cancelled"),
    "inProgress": ("held", "pending", "resolved", "cancelled"),
    "held": ("inProgress",),
    "pending": ("inProgress",),
    "resolved": ("closed", "acknowledged"),
}
_VERSION_4: Final[Mapping[str, tuple[str, ...]]] = {
    "submitted": ("acknowledged",),
    "acknowledged": ("inProgress", "rejected", "cancelled"),
    "inProgress": ("held", "pending", "resolved", "cancelled"),
    "held": ("inProgress", "resolved", "cancelled"),
    "pending": ("inProgress", "resolved", "cancelled"),
    "resolved": ("closed", "inProgress"),
    "closed": ("inProgress",),
}
_MOVES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "2": _VERSION_3,
    "3": _VERSION_3,
    "4": _VERSION_4,
    "5": _VERSION_4,
}
"""Version → status → those that may follow, as its picture of the life cycle has them; version 5 has that of 4."""


def way(version: str, start: str, goal: str) -> tuple[str, ...]:
    """Return the statuses to move through, `goal` last; `goal` alone where the life cycle has no way.

    >>> way("4", "acknowledged", "closed"), way("4", "cancelled", "held")
    (('inProgress', 'resolved', 'closed'), ('held',))
    """
    moves = _MOVES.get(version, {})
    before: dict[str, str] = {start: ""}
    waiting = deque([start])
    while waiting and goal not in before:
        status = waiting.popleft()
        for following in moves.get(status, ()):
            if following not in before:
                before[following] = status
                waiting.append(following)
    if goal not in before or goal == start:
        return (goal,)
    found = [goal]
    while before[found[-1]] != start:
        found.append(before[found[-1]])
    return tuple(reversed(found))


def between(version: str, start: str, goal: str) -> tuple[str, ...]:
    """Return the statuses that are passed on the way; none where the version is not known."""
    return way(version, start, goal)[:-1]
