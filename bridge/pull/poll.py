"""Polling: what changed since the watermark, every poll interval and whenever somebody calls.

It runs also while push works: a notification that is lost is noticed by nobody else. The first pass over a source
without a watermark reads everything (and counts as a reconcile pass); after that it asks for changes since the newest
change it has seen, less an overlap.

No filter is trusted before it has shown its worth: the first filtered pass asks for a time at which something is known
to have changed, so an empty answer means that the server does not understand the question. A server that ignores or
refuses every way of asking is read in full each time. The watermark never runs ahead of the server's clock at the start
of the pass, so that what changes while pages are read is not skipped; it is stored after the last page, and a pass that
breaks off, or may have missed rows, leaves it where it was.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

import anyio
import structlog

from bridge.domain.observation import Via
from bridge.errors import BridgeError, DatabaseUnavailableError
from bridge.pull.page_import import PageImport, Tally
from bridge.pull.reconcile import Reconciler
from bridge.schedule import Backoff, jittered, now
from bridge.sources.missed_push import count_missed_pushes
from bridge.sources.state import SourceState
from bridge.storage import source as source_table
from bridge.storage import watermark
from bridge.storage.database import Database
from bridge.storage.observation import Stored
from bridge.storage.watermark import Watermark
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire
from bridge.tmf656.client import FilterRefusedError, ListPage
from bridge.tmf656.paging import FilterStyle

log = structlog.get_logger(__name__)

_STYLES = (FilterStyle.DOT_GTE, FilterStyle.OPERATOR, FilterStyle.JSONPATH)
_FIRST_TRIES = 3
_GAPS = 3
_BETWEEN_CALLS_SECONDS = 1.0
"""A flood of calls is one poll a second."""


@dataclass(slots=True)
class Poller:
    """Polls one source."""

    source: SourceState
    database: Database
    metrics: Metrics
    reconciler: Reconciler
    on_stored: Callable[[Stored], None] | None = None
    on_page: Callable[[Tally, ListPage], None] | None = None
    _useless: set[FilterStyle] = field(default_factory=set, init=False)
    _first_tries: int = field(default=0, init=False)
    _gaps: int = field(default=0, init=False)

    async def run(self) -> None:
        """Poll at once, then every interval and at every call, backing off while the source or Postgres is away."""
        backoff = Backoff()
        while True:
            started = monotonic()
            try:
                tally = await self.run_once()
            except BridgeError as error:
                delay_seconds = backoff.after(error)
                if not isinstance(error, DatabaseUnavailableError):
                    self.source.last_error = str(error)
                self.metrics.polls.labels(self.source.name, "poll", "failed").inc()
                log.warning(
                    "poll failed", source=self.source.name, error=str(error), retry_in_seconds=round(delay_seconds, 1)
                )
                await anyio.sleep(delay_seconds)
                continue
            backoff.reset()
            self.source.last_error = None
            self.source.first_pass.set()
            if tally.changed:
                log.info(
                    "polled", source=self.source.name, problems=tally.problems, changed=tally.changed, pages=tally.pages
                )
            called = await self.source.poll_wake.wait(jittered(self.source.settings.poll_interval_seconds))
            if called is not None:
                await anyio.sleep(max(0.0, started + _BETWEEN_CALLS_SECONDS - monotonic()))

    async def run_once(self) -> Tally:
        """Read what changed. TransientError when the source or Postgres is away; what was read till then is stored."""
        async with self.source.passing:
            started = monotonic()
            async with self.database.connection() as connection:
                mark = await watermark.find(connection, self.source.source_id, "poll")
            tally = await self._first() if mark is None else await self._since(mark)
        self.metrics.polls.labels(self.source.name, "poll", "ok").inc()
        self.metrics.last_poll_success.labels(self.source.name, "poll").set(now().timestamp())
        async with self.database.connection() as connection:
            tally.missed = await count_missed_pushes(connection, self.source, self.metrics)
        self.source.arrivals.asked(started)
        return tally

    async def _first(self) -> Tally:
        """Read everything; after some tries take also a pass that could not be shown to be complete."""
        started_at = now()
        tally = await self.reconciler.pass_once()
        self._first_tries += 1
        if not self.reconciler.complete and self._first_tries >= _FIRST_TRIES:
            await self._advance(tally, None, None, started_at=started_at)
        return tally

    async def _since(self, mark: Watermark) -> Tally:
        if mark.changed_at is None or mark.filter_style == FilterStyle.NONE.value:
            return await self._pass(mark, FilterStyle.NONE, None)
        since = mark.changed_at - timedelta(seconds=self.source.settings.poll_overlap_seconds)
        proven = None if mark.filter_style is None else FilterStyle(mark.filter_style)
        for style in _STYLES if proven is None else (proven, *_STYLES):
            if style in self._useless:
                continue
            try:
                tally = await self._pass(mark, style, since)
            except FilterRefusedError as error:
                log.info("filter refused", source=self.source.name, filter=style.value, error=str(error))
                self._useless.add(style)
                continue
            if tally.problems or style is proven:
                return tally
            self._useless.add(style)
        log.info("no filter works, every poll reads everything", source=self.source.name)
        self._useless.clear()
        return await self._pass(mark, FilterStyle.NONE, None)

    async def _pass(self, mark: Watermark, style: FilterStyle, since: datetime | None) -> Tally:
        started_at = now()
        page_import = PageImport(
            self.source,
            self.database,
            self.metrics,
            Via.POLL,
            touch=style is not FilterStyle.NONE,
            again=style is FilterStyle.NONE,
            on_stored=self.on_stored,
            on_page=self.on_page,
        )
        tally = Tally()
        pages = self.source.client.pages(
            changed_since=since, filter_style=style, version=self.source.version, stamp=wire.stamp
        )
        await page_import.run(pages, tally)
        proven: FilterStyle | None = style
        if mark.changed_at is None:
            proven = None  # nothing could be asked for yet, so nothing was learned about filters
        if style is not FilterStyle.NONE and pages.filter_honoured is False:
            log.info("filter ignored by the server", source=self.source.name, filter=style.value)
            self._useless.add(style)
            proven = None
        if tally.problems or mark.filter_style == style.value:
            await self._advance(tally, mark, proven, started_at=started_at, whole=self._whole(complete=pages.complete))
        return tally

    def _whole(self, *, complete: bool) -> bool:
        """May the mark move? Rows may have been missed in a pass that could not be shown to be complete; where none
        ever can, the mark still has to move now and then.
        """
        self._gaps = 0 if complete or self._gaps + 1 >= _GAPS else self._gaps + 1
        return self._gaps == 0

    async def _advance(
        self,
        tally: Tally,
        mark: Watermark | None,
        style: FilterStyle | None,
        *,
        started_at: datetime,
        whole: bool = True,
    ) -> None:
        newest = tally.newest_stamp if whole else None
        changed_at = max((at for at in (newest, mark.changed_at if mark else None) if at is not None), default=None)
        if changed_at is not None and tally.server_at is not None:
            changed_at = min(changed_at, tally.server_at)
        next_mark = Watermark(changed_at, style.value if style else None, started_at, now(), tally.problems)
        async with self.database.transaction() as connection:
            await self.source.fence.hold(connection)
            await watermark.advance(connection, self.source.source_id, "poll", next_mark)
            await source_table.write_version(connection, self.source.source_id, self.source.version)
