"""The words of one source: which of ours they mean, where the built-in synonyms do not know or are wrong."""

from collections.abc import Mapping
from hashlib import blake2b

from bridge.domain.priority import priority_of
from bridge.domain.status import Status, normalise
from bridge.domain.word import fold


class SourceVocabulary:
    """`sources.NAME.status_map` and `priority_map` (the source's word → ours); never changed after it is made.

    The source's words are compared like the built-in ones: case, blanks and hyphens do not matter.
    """

    __slots__ = ("_priorities", "_statuses", "digest")

    def __init__(
        self, status_map: Mapping[str, str] | None = None, priority_map: Mapping[str, int] | None = None
    ) -> None:
        """Take both maps; ValueError for a value that is none of our statuses."""
        self._statuses = {fold(word): Status(status) for word, status in (status_map or {}).items()}
        self._priorities = {fold(word): number for word, number in (priority_map or {}).items()}
        known = f"{sorted(self._statuses.items())}{sorted(self._priorities.items())}"
        self.digest = blake2b(known.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        """Changes with the words; what was read with another one has to be read again."""

    def status(self, raw: str | None) -> Status:
        """Return the status that the source's text means."""
        if raw is None or not self._statuses:
            return normalise(raw)
        return self._statuses.get(fold(raw)) or normalise(raw)

    def priority(self, value: object) -> int | None:
        """Return the priority that the source's value means."""
        if self._priorities and isinstance(value, str | int | float) and not isinstance(value, bool):
            mapped = self._priorities.get(fold(str(value)))
            if mapped is not None:
                return mapped
        return priority_of(value)


BUILT_IN = SourceVocabulary()
"""Knows the built-in synonyms only."""
