"""What this process wrote last, so that it need not be read again to decide what comes next.

Events of one problem follow each other, and most come to the process that stored the one before. So the door keeps the
current rows it has written, and the digests of what it has heard, and decides on them; a problem that is announced as
new is taken to be new, an event that nobody here remembers to be none that came before. Then a batch is one statement
and one round trip instead of two: the time until it is answered falls by a third, and looking up, taking in and
reading some twenty values a problem falls away.

Nothing rests on what is remembered: it is only a guess at what the tables hold, and the statement that writes checks
every guess (`sql/queries/observation.sql`): a row is replaced only on the revision that was remembered, a row taken to
be there has to be there, one taken to be new must not be, and a digest must not either. If one is wrong (another
process was faster, an event came a second time, a row was deleted by hand), the statement undoes itself, as for any
race, and the batch is decided on what the tables hold. After that nothing is guessed for a while: where guesses fail
(several workers that hear of the same problems, a sender that repeats everything after a restart) they cost one batch
in a hundred a second attempt, and no more.

What would not be checked is not guessed: an event that seems to have come before or to change nothing, an answer to a
question, a problem of which more has to be read than its row. What remains is a row with the revision of another life:
only tables that were emptied by hand under several workers can have one, and the next answer puts it right.

Remembered is only what was committed. It is forgotten when a new connection is made: that may lead to another server,
or to one whose tables were put back to an earlier state.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from bridge.domain.problem_history import CurrentRow
from bridge.storage.row_builder import Key, Row

Digest = tuple[int, bytes]
"""Source, and digest of an event."""

_PROBLEMS = 10_000
"""About a kilobyte each."""
_DIGESTS = 20_000
_CAREFUL_BATCHES = 100


class RowCache:
    """Current rows and events, the last ones written."""

    __slots__ = ("_careful", "_careful_batches", "_digests", "_rows")

    def __init__(self, careful_batches: int = _CAREFUL_BATCHES) -> None:
        """Remember nothing yet. After a guess that was wrong, nothing is guessed for so many batches."""
        self._careful_batches = careful_batches
        self._rows: OrderedDict[Key, Row] = OrderedDict()
        self._digests: OrderedDict[Digest, None] = OrderedDict()
        self._careful = 0

    def trusted(self) -> bool:
        """May the batch that begins be decided on this? Counts the batches for which it may not."""
        if self._careful:
            self._careful -= 1
            return False
        return True

    def known(self, key: Key) -> CurrentRow | None:
        """Return what the current row of a problem held when it was written, if that is remembered."""
        row = self._rows.get(key)
        return None if row is None else _known_of(row)

    def heard(self, digest: Digest) -> bool:
        """Is this an event that is remembered?"""
        return digest in self._digests

    def learn(self, written: Sequence[Row], noted: Iterable[Key], digests: Iterable[Digest]) -> None:
        """Take over what was committed: current rows (`bridge.problem_row`), changes of rows that are not at hand, and
        events.
        """
        rows = self._rows
        for row in written:
            key: Key = row[:2]
            rows[key] = row
            rows.move_to_end(key)
        for key in noted:
            rows.pop(key, None)
        self._digests.update(dict.fromkeys(digests))
        _shorten(rows, _PROBLEMS)
        _shorten(self._digests, _DIGESTS)

    def doubt(self, keys: Iterable[Key], *, guessed: bool) -> None:
        """Forget what was wrong, or may have been; and if it was `guessed`, do not guess for a while."""
        for key in keys:
            self._rows.pop(key, None)
        if guessed:
            self._careful = self._careful_batches

    def forget(self) -> None:
        """Remember nothing: the tables may be others."""
        self._rows.clear()
        self._digests.clear()


def _shorten(remembered: OrderedDict[Key, Row] | OrderedDict[Digest, None], most: int) -> None:
    """Forget the oldest."""
    while len(remembered) > most:
        remembered.popitem(last=False)


def _known_of(row: Row) -> CurrentRow:
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
