"""What the words of one source mean: its statuses, and its priorities as numbers (1 is the highest).

TMF656 says a number; gateways write what the ticket system behind them shows: "1 - Critical", "P1", "Sev 2", "High".
Where the built-in synonyms do not know a word, or are wrong, the source's settings say what it means.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b

from bridge.domain.foreign_words import PRIORITY_WORDS, spelt
from bridge.domain.status import Status, fold, normalise

_INT4 = range(-(2**31), 2**31)
_URGENT, _HIGH, _MEDIUM, _LOW, _LOWEST = range(1, 6)

_WORDS = {
    _URGENT: """
        critical crit urgent highest veryhigh emergency blocker blocking immediate immediately severe top showstopper
    """,
    _HIGH: "high major important elevated",
    _MEDIUM: "medium moderate normal average standard med default regular",
    _LOW: "low minor",
    _LOWEST: "lowest verylow trivial planning planned informational information info none cosmetic negligible",
}
_NUMBERS = {word: number for number, words in PRIORITY_WORDS.items() for word in spelt(words)} | {
    word: number for number, words in _WORDS.items() for word in words.split()
}

_NUMBERED = re.compile(
    r"""(?: priority | prio | p | severity | sev | s | level | l | urgency | impact )? [ ._:#-]*
        ([0-9]{1,2}) (?! \.? [0-9] ) (?: [ ]* [-:.)(\u2013\u2014/_ ]+ (.*) )?""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
"""P1, Sev 2, Priority-3, 1 - Critical."""
_NUMBER_LAST = re.compile(
    r"([^0-9(\[]+?) [ ]* [-:(\[\u2013/_ ] [ ]* (?: P | S | SEV )? ([0-9]) [ ]* [)\]]?", re.VERBOSE | re.IGNORECASE
)
"""Critical - 1, High (P2)."""
_LABEL = re.compile(r"(?:priority|prio|severity|sev|urgency|impact)[ ]*[.:=_/-]+[ ]*", re.IGNORECASE)
"""Priority: High, PRIORITY_HIGH."""


class SourceVocabulary:
    """`sources.NAME.status_map` and `priority_map` (the source's word → ours); never changed after it is made.

    The source's words are compared like the built-in ones: case, blanks and hyphens do not matter.
    """

    __slots__ = ("_exact", "_priorities", "_statuses", "digest")

    def __init__(
        self, status_map: Mapping[str, str] | None = None, priority_map: Mapping[str, int] | None = None
    ) -> None:
        """Take both maps; ValueError for a value that is none of our statuses."""
        self._statuses = {fold(word): Status(status) for word, status in (status_map or {}).items()}
        self._exact = {one.value: self._statuses.get(fold(one.value), one) for one in Status}
        self._priorities = {fold(word): number for word, number in (priority_map or {}).items()}
        known = f"{sorted(self._statuses.items())}{sorted(self._priorities.items())}"
        self.digest = blake2b(known.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        """Changes with the words; what was read with another one has to be read again."""

    def status(self, raw: str | None) -> Status:
        """Return the status that the source's text means."""
        if raw is None:
            return Status.UNKNOWN
        return self._exact.get(raw) or self._statuses.get(fold(raw)) or normalise(raw)

    def priority(self, value: object) -> int | None:
        """Return the priority that the source's value means."""
        if not self._priorities:
            return value if type(value) is int and value in _INT4 else priority_of(value)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            mapped = self._priorities.get(fold(str(value)))
            if mapped is not None:
                return mapped
        return priority_of(value)


BUILT_IN = SourceVocabulary()
"""Knows the built-in synonyms only."""


def priority_of(value: object) -> int | None:
    """Return the number that `value` means; None when it means none, or one beyond 32 bits.

    A digit counts before the word beside it, unless the two point in opposite directions: then the system counts
    upwards (OTRS' "5 very high").

    >>> priority_of("1 - Critical"), priority_of("P2"), priority_of("High"), priority_of("5 very high")
    (1, 2, 2, 1)
    """
    if not isinstance(value, str):
        return whole_number(value)
    number = whole_number(value)
    if number is not None or len(value) > 100:
        return number
    text = _LABEL.sub("", value.strip(), count=1) if _LABEL.match(value.strip()) else value.strip()
    word, digit = text, None
    if match := _NUMBERED.fullmatch(text):
        word, digit = match[2] or "", int(match[1])
    elif match := _NUMBER_LAST.fullmatch(text):
        word, digit = match[1], int(match[2])
    named = _NUMBERS.get(fold(word).removesuffix("priority").removesuffix("severity"))
    if digit is None or named is None:
        return named if digit is None else digit
    opposite = (named <= _HIGH and digit > _MEDIUM) or (named >= _LOW and digit < _MEDIUM)
    return named if opposite else digit


def whole_number(value: object) -> int | None:
    """Read an integer that may have been sent as text or as `1.0`; None when it is none or does not fit 32 bits."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value if value in _INT4 else None
    try:
        number = float(value) if isinstance(value, str | float) else None
        if number is None or not number.is_integer():
            return None
    except (ValueError, OverflowError):
        return None
    whole = int(number)
    return whole if whole in _INT4 else None
