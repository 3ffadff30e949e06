"""Polling: read what changed since the watermark, every poll interval and when called.

It runs also while push works: a lost notification is found by nothing else. The first pass over a source reads
everything and counts as a reconcile pass; later ones ask for changes since the newest change seen, less an overlap.

A filter is used only after it has proven itself: the first filtered pass asks for a time at which something is known to
have changed, so an empty answer shows that the server does not understand the filter. A server that ignores or refuses
every filter is read in full each time, and so is one whose update times stand still when problems change.

A filter that worked and gives nothing, not even what set the watermark, is doubted, and everything is read.

The watermark is never ahead of the server's clock at the start of the pass, nor an hour ahead of ours, so that a change
made while pages are read is not skipped. It is stored after the last page; a pass that breaks off leaves it, and one
that may have missed rows does not take it forward. It goes back where a doubted filter shows that nothing is as new. A
stored watermark that cannot be right is ignored and replaced.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic

import anyio
import structlog

from bridge.domain.observation import Via
from bridge.http.list_page import NO_FILTER, FilterRefusedError, ListPage
from bridge.pull.page_import import PageImport, Tally, plausible
from bridge.pull.pass_record import note_update_times, record_pass
from bridge.pull.reconcile import Reconciler
from bridge.schedule import jittered, run_job
from bridge.sources.missed_push import count_missed_pushes
from bridge.sources.state import SourceState
from bridge.storage import source as source_table
from bridge.storage import watermark
from bridge.storage.database import Database
from bridge.storage.observation import Stored
from bridge.storage.watermark import Watermark
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_FIRST_PASSES = 3
"""After so many first passes an incomplete one is accepted as the start of polling."""
_INCOMPLETE_PASSES = 3
"""Of so many incomplete passes in a row the last one moves the watermark all the same."""
_BETWEEN_CALLS_SECONDS = 1.0
"""However often it is called, there is one poll a second."""


@dataclass(slots=True)
class Poller:
    """Polls one source."""

    source: SourceState
    database: Database
    metrics: Metrics
    reconciler: Reconciler
    on_stored: Callable[[Stored], None] | None = None
    on_page: Callable[[Tally, ListPage], None] | None = None
    _useless: set[str] = field(default_factory=set, init=False)
    _first_passes: int = field(default=0, init=False)
    _incomplete_passes: int = field(default=0, init=False)
    _started: float = field(default=0.0, init=False)

    async def run(self) -> None:
        """Poll at once, then every interval and at every call."""
        job = self.source.job("poll", self.metrics)
        await run_job(job, self._poll, self._wait, on_failure=self._failed)

    async def _poll(self) -> None:
        self._started = monotonic()
        tally = await self.run_once()
        self.source.first_pass.set()
        if tally.changed:
            log.info(
                "polled", source=self.source.name, problems=tally.problems, changed=tally.changed, pages=tally.pages
            )

    async def _wait(self) -> None:
        called = await self.source.poll_wake.wait(jittered(self.source.settings.poll_interval_seconds))
        if called is not None:
            await anyio.sleep(max(0.0, self._started + _BETWEEN_CALLS_SECONDS - monotonic()))

    def _failed(self, _: Exception) -> None:
        self.metrics.polls.labels(self.source.name, "poll", "failed").inc()

    async def run_once(self) -> Tally:
        """Read what changed. TransientError when the source or Postgres is away; what was read until then is stored."""
        async with self.source.passing:
            started, started_at = monotonic(), datetime.now(UTC)
            async with self.database.connection() as connection:
                mark = await watermark.find(connection, self.source.source_id, "poll")
            tally = await (self._first(started_at) if mark is None else self._since(mark, started_at))
        ended_at = datetime.now(UTC)
        async with self.database.connection() as connection:
            await record_pass(connection, self.source, self.metrics, "poll", tally, started_at, ended_at)
            tally.missed = await count_missed_pushes(connection, self.source, self.metrics, ended_at)
        self.source.arrivals.polled(started)
        return tally

    async def _first(self, started_at: datetime) -> Tally:
        """Read everything; after some passes accept one that was not complete."""
        tally = await self.reconciler.pass_once()
        self._first_passes += 1
        if not tally.completeness.complete and self._first_passes >= _FIRST_PASSES:
            await self._advance(tally, None, None, started_at=started_at)
        return tally

    async def _since(self, mark: Watermark, started_at: datetime) -> Tally:
        moves = self.source.update_times_move is not False
        if mark.changed_at is None or mark.filter_style == NO_FILTER or not moves:
            return await self._pass(mark, NO_FILTER, None, started_at)
        if not plausible(mark.changed_at, started_at):
            log.warning("implausible watermark ignored", source=self.source.name, changed_at=str(mark.changed_at))
            return await self._pass(replace(mark, changed_at=None), NO_FILTER, None, started_at)
        since = mark.changed_at - timedelta(seconds=self.source.settings.poll_overlap_seconds)
        styles = self.source.client.filters
        proven = mark.filter_style if mark.filter_style in styles else None
        for style in styles if proven is None else (proven, *styles):
            if style in self._useless:
                continue
            try:
                tally = await self._pass(mark, style, since, started_at)
            except FilterRefusedError as error:
                log.info("filter refused", source=self.source.name, filter=style, error=str(error))
                self._useless.add(style)
                continue
            if tally.problems or (style == proven and not self.source.settings.poll_overlap_seconds):
                return tally
            if style == proven:
                return await self._pass(mark, NO_FILTER, None, started_at, doubted=(style, since))
            self._useless.add(style)
        log.info("no filter works, every poll reads everything", source=self.source.name)
        self._useless.clear()
        self.source.update_times_move = True
        return await self._pass(mark, NO_FILTER, None, started_at)

    async def _pass(
        self,
        mark: Watermark,
        style: str,
        since: datetime | None,
        started_at: datetime,
        *,
        doubted: tuple[str, datetime] | None = None,
    ) -> Tally:
        """Read what a filter gives. `doubted`: one that worked and now gives nothing since a time, although the overlap
        should give at least what set the watermark. Either the filter is wrong, or the watermark is: that problem was
        deleted, or its time was a mistake.
        """
        page_import = PageImport(
            self.source,
            self.database,
            self.metrics,
            Via.POLL,
            touch=False,
            read_before=style == NO_FILTER,
            overlaps=style != NO_FILTER,
            on_stored=self.on_stored,
            on_page=self.on_page,
        )
        tally = Tally()
        asked = self.source.settings.untimed_filter if style == NO_FILTER else style
        pages = self.source.client.pages(changed_since=since, filter_style=asked, version=self.source.version)
        await page_import.run(pages, tally)
        tally.completeness = pages.completeness
        if style == NO_FILTER:
            note_update_times(self.source, tally)
        proven: str | None = style
        if doubted is not None:
            proven, asked_since = doubted
            if tally.newest_stamp is not None and tally.newest_stamp >= asked_since:
                log.info("filter gave nothing of what changed", source=self.source.name, filter=proven)
                proven = None
            elif tally.newest_stamp is not None:
                log.info("nothing is as new as the watermark", source=self.source.name, watermark=str(mark.changed_at))
                mark = replace(mark, changed_at=tally.newest_stamp)  # the filter has to give this one from now on
        if mark.changed_at is None:
            proven = None  # nothing could be asked for yet, so nothing was learned about filters
        if style != NO_FILTER and pages.filter_honoured is False:
            log.info("filter ignored by the server", source=self.source.name, filter=style)
            self._useless.add(style)
            proven = None
        if tally.problems or mark.filter_style == style:
            moves = self._may_move(complete=tally.completeness.gap is None)
            await self._advance(tally, mark, proven, started_at=started_at, moves=moves)
        return tally

    def _may_move(self, *, complete: bool) -> bool:
        """May the watermark move? An incomplete pass may have missed rows; where none is ever complete, the watermark
        still has to move now and then.
        """
        enough = complete or self._incomplete_passes + 1 >= _INCOMPLETE_PASSES
        self._incomplete_passes = 0 if enough else self._incomplete_passes + 1
        return enough

    async def _advance(
        self,
        tally: Tally,
        mark: Watermark | None,
        style: str | None,
        *,
        started_at: datetime,
        moves: bool = True,
    ) -> None:
        times = (tally.newest_stamp if moves else None, mark.changed_at if mark else None)
        changed_at = max((at for at in times if at is not None), default=None)
        changed_at = tally.bounded(changed_at, started_at)
        next_mark = Watermark(changed_at, style, started_at, datetime.now(UTC), tally.problems)
        async with self.database.transaction() as connection:
            await self.source.fence.hold(connection)
            await watermark.advance(connection, self.source.source_id, "poll", next_mark)
            await source_table.write_version(connection, self.source.source_id, self.source.version)
