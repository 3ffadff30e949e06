"""One pass over a source's list into Postgres: the part that poll and reconcile share.

Pages are asked for ahead, and a few stretches of their rows are under way at once (`bridge.pull.page_pipeline`). Where
everything was read before, what is known word for word is passed over (`bridge.storage.list_digest`), a page at a time,
and what is left is stored in batches as small as in any other pass. Each page is stamped with the moment its request
was
*started*: what is known from a notification that came later wins. A pass that breaks off has stored what it saw and
moved no watermark.

What is known is known by its text. Where two passes in a row had to read most rows only to find them unchanged, the
server writes the attributes of a problem in another order each time; from then on its rows are compared in sorted
order, which takes reading them, but not the door. For a source that is told of everything before it is polled, and
where most of that changes between two polls, it costs a little and changes nothing.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from bridge.domain.observation import Observation, Via
from bridge.domain.problem_history import Outcome
from bridge.errors import UnreadableError
from bridge.pull.page_pipeline import ROWS, RowChunk, run_pipeline
from bridge.sources.state import SourceState
from bridge.storage import awaited_notification, list_digest
from bridge.storage.awaited_notification import AwaitedNotification
from bridge.storage.database import Connection, Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import Item, store_items
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire
from bridge.tmf656.client import ListPage
from bridge.tmf656.reader import reader
from bridge.tmf656.wire import Row

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=10)
"""A change younger than this may still be on its way as a notification."""

_SIEVED = 1000
"""Rows of a stretch, at most, of which most are passed over. That takes 4 µs a row, and a question to Postgres takes 80
whatever it asks for.
"""

_TASTED = 8
"""Rows of a stretch, of those passed over, that are read to find out whose version they are."""

_REWORDED = 2
"""Passes in a row. One has to read everything after an upgrade, and where everything was pushed."""

_SAME_CLOCK = timedelta(seconds=2)
"""HTTP tells the time in whole seconds and takes a while: clocks that differ by less are taken for the same."""


@dataclass(slots=True)
class Tally:
    """What a pass found. `stamps` are the source's own times of change."""

    problems: int = 0
    passed_over: int = 0
    """Problems that were known word for word."""
    pages: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    nameless: int = 0
    """Unreadable rows of which not even the id could be read."""
    newest_stamp: datetime | None = None
    server_at: datetime | None = None
    missed: int = 0
    """Changes that a notification should have brought and that were overdue when the pass was over
    (`sources.missed_push`).
    """
    repaired: Counter[str] = field(default_factory=Counter)
    """Differences from before the poll's watermark, by kind of drift."""
    drift: int = 0

    @property
    def changed(self) -> int:
        """Problems whose current row is different for it."""
        return sum(self.outcomes[outcome] for outcome in Outcome if outcome.applied)


@dataclass(frozen=True, slots=True)
class PageImport:
    """Stores pages of one pass. `known_until`: changes up to here should be known already (None: nothing should).
    `again`: everything was read before, so that most rows are known word for word (`bridge.storage.list_digest`).
    """

    source: SourceState
    database: Database
    metrics: Metrics
    via: Via
    touch: bool
    again: bool = False
    known_until: datetime | None = None
    on_page: Callable[[Tally, ListPage], None] | None = None
    """Told of each page when its last rows are stored; those of the page before may still be on their way."""
    on_stored: Callable[[Stored], None] | None = None

    async def run(self, pages: AsyncIterator[ListPage], tally: Tally) -> None:
        """Store all pages of a pass."""
        await run_pipeline(pages, partial(self._stretch, tally), most=_SIEVED if self.again else ROWS)
        if self.again and not self._in_any_order:
            in_vain = tally.outcomes[Outcome.UNCHANGED] - tally.passed_over > tally.passed_over
            self.source.reworded = self.source.reworded + 1 if in_vain else 0
            if self.source.reworded == _REWORDED:
                log.info(
                    "most rows were read to be found unchanged, compared in sorted order now", source=self.source.name
                )

    @property
    def _in_any_order(self) -> bool:
        return self.source.reworded >= _REWORDED

    async def _stretch(self, tally: Tally, stretch: RowChunk) -> None:
        if stretch.first:
            if tally.pages == 0:
                tally.server_at = stretch.page.server_at
            tally.pages += 1
        if stretch.rows:
            await self._rows(stretch, tally)
        if stretch.last and self.on_page is not None:
            self.on_page(tally, stretch.page)

    async def _rows(self, stretch: RowChunk, tally: Tally) -> None:
        asked_at = stretch.page.asked_at
        digests = wire.listed(stretch.rows, reader(), in_any_order=self._in_any_order)
        rows = list(zip(stretch.rows, digests, strict=True))
        if self.again:
            rows = await self._unknown(rows, stretch.ids, tally)
        for start in range(0, len(rows), ROWS):
            items = [self._item(row, digest, asked_at, tally) for row, digest in rows[start : start + ROWS]]
            await stretch.turn()
            then = None if self.source.expected_since is None else partial(self._await, asked_at, tally)
            stored = await store_items(self.database, items, touch=self.touch, then=then)
            self._count(items, stored, tally)
            if self.on_stored is not None:
                self.on_stored(stored)

    async def _unknown(
        self, rows: list[tuple[Row, bytes]], ids: Sequence[str | None], tally: Tally
    ) -> list[tuple[Row, bytes]]:
        """Return the rows that have to be read, since they do not say word for word what is current.

        The newest time counts of those only that are passed over. Postgres knows it when it told of no others; else
        what a problem says that changed, or is told of otherwise here, must not move the mark.
        """
        async with self.database.session() as connection:
            known, newest = await list_digest.current_digests(
                connection, self.source.source_id, [each for each in ids if each is not None]
            )
        same = [row for row, digest in rows if digest in known]
        unknown = [each for each in rows if each[1] not in known] if len(same) < len(rows) else []
        if not known.issubset(digest for _, digest in rows):
            newest = max((at for at in map(wire.stamp, same) if at is not None), default=None)
        tally.problems += len(same)
        tally.passed_over += len(same)
        tally.outcomes[Outcome.UNCHANGED] += len(same)
        if newest is not None and (tally.newest_stamp is None or newest > tally.newest_stamp):
            tally.newest_stamp = newest
        for row in same[:_TASTED] if self.source.version is None else ():
            self._recognise(row.read())
        return unknown

    def _recognise(self, item: Any) -> None:
        if self.source.version is None:
            self.source.version = wire.detect_version(item)

    def _item(self, row: Row, digest: bytes, asked_at: datetime, tally: Tally) -> Item:
        tally.problems += 1
        try:
            item = row.read()
            seen = wire.read_problem(item, asked_at=asked_at, via=self.via, digest=digest)
        except UnreadableError as error:
            tally.unreadable += 1
            tally.nameless += error.problem_id is None
            log.warning("unreadable row", source=self.source.name, reason=error.reason, detail=str(error))
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
        self._recognise(item)
        if seen.stamped and (tally.newest_stamp is None or seen.effective_at > tally.newest_stamp):
            tally.newest_stamp = seen.effective_at
        return Entry(self.source.source_id, seen)

    async def _await(
        self, asked_at: datetime, tally: Tally, connection: Connection, entries: Sequence[Entry], stored: Stored
    ) -> None:
        """Write down what a notification should bring, if it is not too late for it."""
        awaited = [
            self._awaited(entry.observation, asked_at, tally.server_at)
            for entry, outcome in zip(entries, stored.outcomes, strict=True)
            if entry.observation is not None and outcome in (Outcome.NEW, Outcome.CHANGED)
        ]
        await awaited_notification.wait_for(connection, [each for each in awaited if each is not None])

    def _awaited(self, seen: Observation, asked_at: datetime, server_at: datetime | None) -> AwaitedNotification | None:
        """Nothing that changed before notifications were expected is anybody's fault."""
        ahead = server_at - asked_at if server_at else timedelta(0)
        ahead = ahead if abs(ahead) >= _SAME_CLOCK else timedelta(0)
        changed_at = seen.effective_at - ahead if seen.stamped else asked_at - self._interval
        expected_since = self.source.expected_since
        if expected_since is None or changed_at <= expected_since:
            return None
        due_at = (min(asked_at, changed_at) if seen.stamped else asked_at) + GRACE
        return AwaitedNotification(self.source.source_id, seen, changed_at, found_at=asked_at, due_at=due_at)

    def _count(self, items: Sequence[Item], stored: Stored, tally: Tally) -> None:
        count_changes(self.source, self.metrics, stored)
        tally.drift += stored.drift[self.source.source_id]
        for item, outcome in zip(items, stored.outcomes, strict=True):
            tally.outcomes[outcome] += 1
            if isinstance(item, Entry) and item.observation and outcome in (Outcome.NEW, Outcome.CHANGED):
                self._judge(item.observation, outcome, tally)

    def _judge(self, seen: Observation, outcome: str, tally: Tally) -> None:
        """Should this have been known before?"""
        if self.known_until is not None and (not seen.stamped or seen.effective_at <= self.known_until):
            tally.repaired["missing" if outcome == Outcome.NEW else "stale"] += 1

    @property
    def _interval(self) -> timedelta:
        return timedelta(seconds=self.source.settings.poll_interval_seconds)


def count_changes(source: SourceState, metrics: Metrics, stored: Stored) -> None:
    """Add what a batch changed to the metrics."""
    for (source_id, via, outcome), number in stored.changes.items():
        if outcome.applied and source_id == source.source_id:
            metrics.changes.labels(source.name, via.value).inc(number)
    drift = stored.drift[source.source_id]
    if drift:
        metrics.drift.labels(source.name, "regression").inc(drift)
