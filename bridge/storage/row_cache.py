"""What this process wrote last: a batch of notifications is then decided without reading.

Events of one problem follow each other, and most come to the process that stored the one before. So current rows that
were written, and digests of events, are kept; a problem that is announced as new is taken to be new, an event whose
digest is not here to be no repeat.

All of that is a guess, and the statement that writes checks every guess (`sql/queries/observation.sql`): a row is
replaced only on the revision that was kept, a new one must not be there, a digest neither. If a guess was wrong
(another process was faster, rows were changed by hand), the statement undoes itself, the batch is decided on what the
tables hold, and nothing is guessed for some batches. What would not be checked is never guessed: repeats, answers of
the server, and problems of which more has to be read than the row.

Only what was committed is kept. It is cleared when a connection is made, which may lead to another server, or to an
earlier state of the same one.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from bridge.domain.current_row import CurrentRow
from bridge.domain.decision import Key
from bridge.storage.row_builder import Row

EventDigest: TypeAlias = tuple[int, bytes]
"""Source, and digest of an event."""

_PROBLEMS = 10_000
"""About a kilobyte each."""
_DIGESTS = 20_000
_CAREFUL_BATCHES = 100


class RowCache:
    """Current rows and events, the last ones written."""

    __slots__ = ("_careful", "_careful_batches", "_digests", "_rows")

    def __init__(self, careful_batches: int = _CAREFUL_BATCHES) -> None:
        """Start empty. After a guess that was wrong, nothing is guessed for so many batches."""
        self._careful_batches = careful_batches
        self._rows: OrderedDict[Key, Row] = OrderedDict()
        self._digests: OrderedDict[EventDigest, None] = OrderedDict()
        self._careful = 0

    def usable(self) -> bool:
        """May the batch that begins be decided on this? Counts the batches for which it may not."""
        if self._careful:
            self._careful -= 1
            return False
        return True

    def row(self, key: Key) -> CurrentRow | None:
        """Return what the current row of a problem held when it was written, if it is kept."""
        row = self._rows.get(key)
        return None if row is None else _current_row_of(row)

    def has_event(self, digest: EventDigest) -> bool:
        """Is this an event that was stored before?"""
        return digest in self._digests

    def update(self, written: Sequence[Row], stale: Iterable[Key], digests: Iterable[EventDigest]) -> None:
        """Take over what was committed: current rows (`bridge.problem_row`), keys of rows that changed otherwise, and
        events.
        """
        rows = self._rows
        for row in written:
            key: Key = row[:2]
            rows[key] = row
            rows.move_to_end(key)
        for key in stale:
            rows.pop(key, None)
        self._digests.update(dict.fromkeys(digests))
        _shorten(rows, _PROBLEMS)
        _shorten(self._digests, _DIGESTS)

    def invalidate(self, keys: Iterable[Key], *, guessed: bool) -> None:
        """Drop what was wrong, or may have been; and if it was `guessed`, do not guess for some batches."""
        for key in keys:
            self._rows.pop(key, None)
        if guessed:
            self._careful = self._careful_batches

    def clear(self) -> None:
        """Drop everything."""
        self._rows.clear()
        self._digests.clear()


def _shorten(kept: OrderedDict[Key, Row] | OrderedDict[EventDigest, None], most: int) -> None:
    """Drop the oldest."""
    while len(kept) > most:
        kept.popitem(last=False)


def _current_row_of(row: Row) -> CurrentRow:
    """What a current row holds once it is written (`bridge.storage.row_builder`): its revision is one more, and no pass
    misses it.
    """
    return CurrentRow(
        revision=row[2] + 1,
        patched=row[3],
        has_partials=row[4],
        effective_at=row[5],
        observed_at=row[6],
        content_at=row[7],
        content_observed_at=row[8],
        confirmed_at=row[9],
        doubt_at=row[10],
        deleted_at=row[11],
        missed_at=None,
        updated_at=row[14],
        status_at=row[15],
        via=row[19],
        content_via=row[20],
        status=row[21],
        content_hash=row[24],
        doubt_hash=row[25],
    )
