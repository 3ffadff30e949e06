"""Storing the pages of one pass over a source's list; poll, reconcile and the commands share it.

A page is stamped with the moment its request was *started*: a notification received later wins over it. A pass that
breaks off has stored what it saw and moves no watermark.

Where the whole list was read before, most rows are skipped: they are word for word what the current row was read from
(`bridge.storage.list_digest`). A server may write the attributes of a problem in another order each time. That shows
when two passes in a row read most rows only to find them unchanged; its rows are then compared in sorted order.

A row that cannot be read, whatever the reason, becomes a dead letter and its neighbours are stored.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import structlog

from bridge.domain.completeness import Completeness, Gap
from bridge.domain.observation import Via
from bridge.domain.problem_history import Outcome
from bridge.domain.service_problem import usable_id
from bridge.errors import UnreadableError
from bridge.http.list_page import ListPage
from bridge.http.row import Row, read_rows
from bridge.pull.change_count import APPLIED, count_changes
from bridge.pull.deletion import DeletionResult
from bridge.pull.page_pipeline import ROWS, RowChunk, run_pipeline
from bridge.pull.thin_rows import learn_thin_rows
from bridge.sources.missed_push import expected_notification
from bridge.sources.request_pace import RequestPace
from bridge.sources.state import SourceState
from bridge.storage import awaited_notification, list_digest
from bridge.storage.database import Connection, Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.missing_problem import Missed
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import Item, store_items
from bridge.telemetry.metrics import Metrics

_Digested = tuple[Row, bytes]
"""A row and its digest."""

log = structlog.get_logger(__name__)

_CHUNK_ROWS_KNOWN = 1000
"""Rows of a chunk of which most are skipped. Skipping is so cheap that larger chunks save questions to Postgres."""

_WORTH_ASKING = 20
"""So few rows of a poll are read as soon as asked for."""

_VERSION_SAMPLE = 8
"""Skipped rows of a chunk that are read to find out the version of the source."""

REORDERED_PASSES = 2
"""Passes in a row that read most rows and found them unchanged, before rows are compared in sorted order. One such pass
is normal after an upgrade, or where everything was pushed.
"""

CLOCK_TOLERANCE = timedelta(hours=1)
"""An update time further ahead of the server's clock (ours, when it shows none) is a mistake: it moves no watermark."""

_CLOCK_ERROR = timedelta(days=1)
"""A Date header that is further off than this states no time."""

_FIRST_TIME = datetime(1970, 1, 2, tzinfo=UTC)
"""Earlier update times mean "none" (year 1, the epoch)."""


def plausible(at: datetime, clock: datetime) -> bool:
    """Can a problem have been updated `at`, when a clock shows `clock`?"""
    return at >= _FIRST_TIME and at - CLOCK_TOLERANCE <= clock


@dataclass(slots=True)
class Tally:
    """What a pass found."""

    completeness: Completeness = field(default_factory=lambda: Completeness(Gap.UNFINISHED))
    problems: int = 0
    """Rows; pages may overlap."""
    skipped: int = 0
    """Rows that were known word for word."""
    pages: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    """Rows that could not be read; like all rows, counted again on a page that overlaps."""
    unreadable_example: str = ""
    without_id: int = 0
    """Unreadable rows of which not even the id could be read."""
    newest_stamp: datetime | None = None
    """The latest plausible update time, by the source's clock."""
    server_at: datetime | None = None
    """The source's clock when the pass began."""
    missed: int = 0
    """Changes whose notification was overdue when the pass was over (`bridge.sources.missed_push`)."""
    repaired: Counter[str] = field(default_factory=Counter)
    """Differences from before the poll's watermark, by kind of drift."""
    drift: int = 0
    unmoved: int = 0
    """Problems that changed although their update time did not move."""
    missing: Missed | None = None
    """What a complete pass over everything did not return."""
    filtered: str | None = None
    """What of the source's filter the server applies; None: there is nothing to say."""
    deletion: DeletionResult = field(default_factory=DeletionResult)
    """What GET by id said about missing problems after the pass."""

    @property
    def changed(self) -> int:
        """Rows that changed a current row."""
        return sum(self.outcomes[outcome] for outcome in APPLIED)

    def _clock_usable(self, asked_at: datetime) -> bool:
        return self.server_at is not None and abs(self.server_at - asked_at) < _CLOCK_ERROR

    def bounded(self, changed_at: datetime | None, started_at: datetime) -> datetime | None:
        """Return a watermark that is neither ahead of the server's clock when the pass began nor far ahead of ours
        (`started_at`)."""
        if changed_at is None:
            return None
        server_at = self.server_at if self._clock_usable(started_at) else None
        return min(at for at in (changed_at, server_at, started_at + CLOCK_TOLERANCE) if at is not None)

    def note_stamps(self, stamps: Iterable[datetime | None], asked_at: datetime) -> None:
        """Keep the latest update time that is plausible."""
        clock = (self.server_at if self._clock_usable(asked_at) else None) or asked_at
        usable = [at for at in stamps if at is not None and plausible(at, clock)]
        self.newest_stamp = max((at for at in (*usable, self.newest_stamp) if at is not None), default=None)


@dataclass(slots=True)
class PageImport:
    """Stores the pages of one pass."""

    source: SourceState
    database: Database
    metrics: Metrics
    via: Via
    touch: bool
    """Also write that an unchanged problem was seen."""
    read_before: bool = False
    """The whole list was read before, so that most rows are known word for word."""
    overlaps: bool = False
    """Rows of the pass before come again: where there are many, those that are known word for word are skipped. Of
    others that are unchanged (they were pushed) nothing is learned about the order of attributes.
    """
    known_until: datetime | None = None
    """Changes up to here should be known already; None: none should."""
    rows_pace: RequestPace | None = None
    """How fast rows are taken; None: as fast as they are stored."""
    on_page: Callable[[Tally, ListPage], None] | None = None
    """Called when the last rows of a page are stored; those of the page before may still be in progress."""
    on_stored: Callable[[Stored], None] | None = None
    _thin: bool | None = field(default=None, init=False)
    """Are rows summaries? Learned once a pass over everything, else as it was."""
    _learning: anyio.Lock = field(default_factory=anyio.Lock, init=False)

    async def run(self, pages: AsyncIterator[ListPage], tally: Tally) -> None:
        """Store all pages of a pass."""
        learns = self.via is Via.RECONCILE and not self.source.client.whole_rows
        self._thin = None if learns else self.source.thin_rows
        rows = _CHUNK_ROWS_KNOWN if self.read_before else ROWS
        try:
            await run_pipeline(pages, partial(self._store_chunk, tally), chunk_rows=rows)
        finally:
            if tally.unreadable:
                remedy = "tmf656-bridge dead-letters list"
                example = tally.unreadable_example
                log.warning(
                    "unreadable rows", source=self.source.name, rows=tally.unreadable, example=example, remedy=remedy
                )
        if self.read_before and not self._sorted:
            read_in_vain = tally.outcomes[Outcome.UNCHANGED] - tally.skipped > tally.skipped
            passes = self.source.reordered_passes = self.source.reordered_passes + 1 if read_in_vain else 0
            if passes == REORDERED_PASSES:
                log.info("rows differ in order only, compared in sorted order", source=self.source.name)

    @property
    def _sorted(self) -> bool:
        """Are rows compared in sorted order?"""
        return self.source.reordered_passes >= REORDERED_PASSES

    async def _store_chunk(self, tally: Tally, chunk: RowChunk) -> None:
        if chunk.first:
            if tally.pages == 0:
                tally.server_at = chunk.page.server_at
            tally.pages += 1
        if self.rows_pace is not None:
            await self.rows_pace.wait_turn(len(chunk.rows))
        if chunk.rows:
            await self._store_rows(chunk, tally)
        if chunk.last and self.on_page is not None:
            self.on_page(tally, chunk.page)

    async def _store_rows(self, chunk: RowChunk, tally: Tally) -> None:
        asked_at = chunk.page.asked_at
        words = self.source.vocabulary
        digests = self.source.reader.digests(chunk.rows, vocabulary=words, in_any_order=self._sorted)
        rows = list(zip(chunk.rows, digests, strict=True))
        if self.read_before or (self.overlaps and len(rows) >= _WORTH_ASKING):
            rows = await self._skip_known(rows, chunk, tally)
        for start in range(0, len(rows), ROWS):
            batch, marks = zip(*rows[start : start + ROWS], strict=True)
            said = read_rows(batch)
            if self._thin is None:
                async with self._learning:
                    self._thin = self._thin or await learn_thin_rows(self.source, batch, said)
            items = [
                self._item(row, digest, item, asked_at, tally)
                for row, digest, item in zip(batch, marks, said, strict=True)
            ]
            del said  # a single row may have many MiB
            tally.note_stamps(_stamps(items), asked_at)
            await chunk.wait_turn()
            then = None if self.source.expected_since is None else partial(self._expect, asked_at, tally)
            stored = await store_items(self.database, items, touch=self.touch, then=then)
            self._count(items, stored, tally)
            if self.on_stored is not None:
                self.on_stored(stored)

    async def _skip_known(
        self, rows: list[tuple[Row, bytes]], chunk: RowChunk, tally: Tally
    ) -> list[tuple[Row, bytes]]:
        """Return the rows that are not word for word what is current.

        Only the skipped rows' update times count here. Postgres knows the newest of them when every problem it
        returned is skipped; otherwise the rows themselves are looked at.
        """
        ids = [each for each in chunk.ids if each is not None]
        async with self.database.session() as connection:
            known, newest = await list_digest.current_digests(connection, self.source.source_id, ids)
        same = [row for row, digest in rows if digest in known]
        unknown = [each for each in rows if each[1] not in known] if len(same) < len(rows) else []
        asked_at = chunk.page.asked_at
        all_skipped = known.issubset(digest for _, digest in rows)
        if all_skipped and (newest is None or plausible(newest, tally.server_at or asked_at)):
            tally.note_stamps([newest], asked_at)
        else:
            tally.note_stamps(map(self.source.reader.stamp, same), asked_at)
        tally.problems += len(same)
        tally.skipped += len(same)
        tally.outcomes[Outcome.UNCHANGED] += len(same)
        if self.source.version is None:
            for row in same[:_VERSION_SAMPLE]:
                self._detect_version(row)
        return unknown

    def _detect_version(self, row: Row) -> None:
        if self.source.version is None:
            self.source.version = self.source.reader.detect_version(row.read())

    def _item(self, row: Row, digest: bytes, item: Any, asked_at: datetime, tally: Tally) -> Item:
        """Return what is to be stored for a row that says `item`, which is an error where it cannot be read."""
        tally.problems += 1
        try:
            if isinstance(item, Exception):
                raise item  # noqa: TRY301 -- it is handled as one of reading the problem
            thin = self.source.thin_rows if self._thin is None else self._thin
            seen = self.source.reader.read_problem(
                item,
                asked_at=asked_at,
                via=self.via,
                digest=digest,
                vocabulary=self.source.vocabulary,
                summary=bool(thin),
            )
            if seen.unmapped:
                self.source.unmapped.add(seen.unmapped)
            if self.source.version is None:
                self._detect_version(row)
        except UnreadableError as error:
            return self._dead_letter(row, error, asked_at, tally)
        except Exception as error:  # the bulkhead of a row: a defect of ours costs one row, not the pass
            log.exception("row could not be read", source=self.source.name)
            unexpected = UnreadableError(
                "unexpected",
                f"{type(error).__name__} while the row was read",
                hint="please report it with the bytes of this letter",
                problem_id=usable_id(row.id),
            )
            return self._dead_letter(row, unexpected, asked_at, tally)
        return Entry(self.source.source_id, seen) if self.source.filter is None else self.source.entry(seen)

    def _dead_letter(self, row: Row, error: UnreadableError, asked_at: datetime, tally: Tally) -> DeadLetter:
        tally.unreadable += 1
        tally.without_id += error.problem_id is None
        tally.unreadable_example = tally.unreadable_example or f"{error.reason}: {error}"
        log.debug("unreadable row", source=self.source.name, reason=error.reason, detail=str(error))
        return DeadLetter(
            source_id=self.source.source_id,
            received_at=asked_at,
            raw=bytes(row.text),
            reason=error.reason,
            detail=str(error),
            hint=error.hint,
            problem_id=error.problem_id,
            via=self.via.value,
        )

    async def _expect(
        self, asked_at: datetime, tally: Tally, connection: Connection, entries: Sequence[Entry], stored: Stored
    ) -> None:
        """Write down the notifications that should bring what this batch changed."""
        expected = [
            expected_notification(self.source, entry.observation, asked_at=asked_at, server_at=tally.server_at)
            for entry, outcome in zip(entries, stored.outcomes, strict=True)
            if entry.observation is not None and outcome in (Outcome.NEW, Outcome.CHANGED)
        ]
        await awaited_notification.wait_for(connection, [each for each in expected if each is not None])

    def _count(self, items: Sequence[Item], stored: Stored, tally: Tally) -> None:
        count_changes(self.source, self.metrics, stored)
        tally.drift += stored.drift[self.source.source_id]
        tally.unmoved += stored.unmoved[self.source.source_id]
        for item, outcome in zip(items, stored.outcomes, strict=True):
            tally.outcomes[outcome] += 1
            if not isinstance(item, Entry) or item.observation is None or self.known_until is None:
                continue
            seen = item.observation
            if outcome in (Outcome.NEW, Outcome.CHANGED) and not (
                seen.stamped and seen.effective_at > self.known_until
            ):
                tally.repaired["missing" if outcome == Outcome.NEW else "stale"] += 1


def _stamps(items: Sequence[Item]) -> Iterator[datetime]:
    for item in items:
        if isinstance(item, Entry) and item.observation is not None and item.observation.stamped:
            yield item.observation.effective_at
