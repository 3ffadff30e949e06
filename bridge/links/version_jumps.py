"""Did somebody else write between our read and our write? Told by a target that counts versions and cannot compare."""

from collections import deque
from typing import Final

_REMEMBERED: Final = 5


class VersionJumps:
    """How far the count of a target moved with each of our latest writes.

    It moves by one, where no rule of the target writes again by itself; the least that was seen lately is taken for
    what it does by itself.
    """

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._seen: deque[int] = deque(maxlen=_REMEMBERED)

    def shows_another_writer(self, before: str | None, after: str | None) -> bool:
        """Take what the target counted before and after a write of ours; is there more than one writer in it?"""
        if before is None or after is None or not (_is_count(before) and _is_count(after)):
            return False
        self._seen.append(int(after) - int(before))
        usual = min(self._seen) if len(self._seen) == _REMEMBERED else 1
        return self._seen[-1] > max(usual, 1)


def _is_count(version: str) -> bool:
    return version.isascii() and version.isdecimal() and len(version) < 19
