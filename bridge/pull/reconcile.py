"""Reconciling: read everything the source has, at long intervals, to find what push and poll missed and what is gone.

A pass keeps a hash of each id it saw, which also proves it complete (`bridge.tmf656.seen_pages`). At its end Postgres
returns the ids of what is known, a portion at a time, and those without a hash are missing.

Only a complete pass says that a problem is missing. A problem that two complete passes in a row miss is asked for by id
(`bridge.pull.deletion`); no list alone deletes anything. A row that cannot be read counts as seen by its id.

A crash leaves what the pass stored, and no watermark moved. Marks and deletions are fenced: a process that was paused
in the middle of a pass and lost the lease cannot record that anything is missing or deleted. Of two passes at once
(`sync --full` beside `run`) the one that ends last finds nothing missing twice: they are not two in a row.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from bridge.domain.list_choice import ListChoice
from bridge.domain.observation import Via
from bridge.http.list_page import NO_FILTER, FilterRefusedError, ListPage
from bridge.pull.deletion import DeletionCheck
from bridge.pull.list_chooser import ListChooser
from bridge.pull.page_import import PageImport, Tally
from bridge.pull.pass_record import note_update_times, record_pass
from bridge.schedule import jittered, now, run_job
from bridge.sources.client import ProblemPages
from bridge.sources.missed_push import count_missed_pushes
from bridge.sources.request_pace import RequestPace
from bridge.sources.state import SourceState
from bridge.storage import missing_problem, source_move, watermark
from bridge.storage import source as source_table
from bridge.storage.database import Connection, Database
from bridge.storage.missing_problem import Missed
from bridge.storage.observation import Stored
from bridge.storage.watermark import Watermark
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_LATER_SHARE = 0.025
"""A pass starts up to this share of the interval early or late."""


@dataclass(slots=True)
class Reconciler:
    """Reconciles one source."""

    source: SourceState
    database: Database
    metrics: Metrics
    on_stored: Callable[[Stored], None] | None = None
    on_page: Callable[[Tally, ListPage], None] | None = None
    deletion: DeletionCheck = field(init=False)
    chooser: ListChooser = field(init=False)
    _incomplete_at: datetime | None = field(default=None, init=False)
    """When the last pass ended, if it was incomplete."""
    _called: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Have missing problems decided about, and a filter tried out."""
        self.deletion = DeletionCheck(self.source, self.database, self.metrics, self.on_stored)
        self.chooser = ListChooser(self.source, self.database)

    async def run(self) -> None:
        """Reconcile when the interval since the last complete pass has passed; in between, ask for missing problems
        when they are due.
        """
        await self.source.first_pass.wait()
        job = self.source.job("reconcile", self.metrics)
        await run_job(job, self._reconcile, self._wait, wait_first=True, on_failure=self._failed)

    async def _reconcile(self) -> None:
        if self.chooser.due:
            await self.chooser.try_out()
        if self._called or await self._due_in_seconds() <= 0:
            tally = await self.run_once(everything=self._called)
            log.info(
                "reconciled",
                source=self.source.name,
                problems=tally.problems,
                changed=tally.changed,
                repaired=dict(tally.repaired),
                completeness=str(tally.completeness),
            )
            away = tally.deletion.away
        else:
            away = (await self.deletion.run_once()).away
        if away is not None:
            raise away

    async def _wait(self) -> None:
        if self.chooser.due:
            self._called = False
            return
        seconds = await self._due_in_seconds()
        if seconds:  # bridges that were started together do not stay in step
            seconds += jittered(self.source.settings.reconcile_interval_seconds * _LATER_SHARE, 1.0)
        check_at = await self.deletion.next_due_at()
        if check_at is not None:
            seconds = min(seconds, max(0.0, (check_at - now()).total_seconds()))
        self._called = await self.source.reconcile_wake.wait(seconds) is not None

    def _failed(self, _: Exception) -> None:
        self.metrics.polls.labels(self.source.name, "reconcile", "failed").inc()

    async def run_once(self, *, everything: bool = True, accept_deletions: bool = False) -> Tally:
        """One pass over everything, and what follows from it. TransientError when the source or Postgres is away.
        Unless `everything` is to be read, the pass is over what the filter keeps where the server can be asked for
        that. `accept_deletions`: on the word of an operator, what a complete pass did not return is deleted unless GET
        by id gives it.
        """
        async with self.source.passing:
            tally = None if everything else await self._chosen_pass()
            chosen = tally is not None
            tally = tally or await self.pass_once()
        accepted = accept_deletions and tally.missing is not None
        tally.deletion = await (self.deletion.accept() if accepted else self.deletion.run_once())
        if chosen and tally.deletion.kept:
            self.chooser.give_up(f"GET by id gives {tally.deletion.kept:,} problems that its list leaves out")
        async with self.database.connection() as connection:
            tally.missed = await count_missed_pushes(connection, self.source, self.metrics, now())
        return tally

    async def _chosen_pass(self) -> Tally | None:
        """One pass over what the filter keeps, where the server can be asked for that; None: everything is to be read.

        A source that has moved, or whose polls cannot ask for changes, is read in full.
        """
        source_id = self.source.source_id
        async with self.database.connection() as connection:
            polled = await watermark.find(connection, source_id, "poll")
            moved = await source_move.find(connection, source_id) is not None
        by_time = polled is not None and polled.filter_style not in {None, NO_FILTER}
        if moved or not by_time or self.source.update_times_move is False:
            return None
        choice = await self.chooser.usable(now())
        if choice is None:
            return None
        try:
            tally = await self.pass_once(choice)
        except FilterRefusedError as error:
            self.chooser.give_up(f"refused: {error}")
            return None
        if not tally.completeness.complete:
            self.chooser.give_up(f"its list is {tally.completeness}")
            return None
        return tally

    async def pass_once(self, choice: ListChoice | None = None) -> Tally:
        """One pass; the caller holds `source.passing`. `choice`: all that the server is asked for."""
        started_at = now()
        async with self.database.transaction() as connection:
            await self.source.fence.hold(connection)
            polled = await watermark.find(connection, self.source.source_id, "poll")
            before = await watermark.find(connection, self.source.source_id, "reconcile")
        page_import = PageImport(
            self.source,
            self.database,
            self.metrics,
            Via.RECONCILE,
            touch=False,
            read_before=polled is not None,
            known_until=polled.changed_at if polled else None,
            rows_pace=None if polled else RequestPace(self.source.settings.backfill_rate_per_second),
            on_stored=self.on_stored,
            on_page=self.on_page,
        )
        tally = Tally()
        version = self.source.version
        pages = self.source.client.pages(version=version) if choice is None else self.chooser.pages(choice)
        await page_import.run(pages, tally)
        tally.completeness = pages.completeness
        note_update_times(self.source, tally)
        if tally.completeness.complete:
            tally.missing = await self._end(tally, polled, before, started_at, pages, choice)
            if choice is None:
                self.chooser.full_at = None if tally.missing.once else started_at  # the next one decides about these
        self._incomplete_at = None if tally.completeness.complete else now()
        for kind, number in tally.repaired.items():
            self.metrics.drift.labels(self.source.name, kind).inc(number)
        async with self.database.connection() as connection:
            tally.filtered = self.chooser.described
            await record_pass(connection, self.source, self.metrics, "reconcile", tally, started_at, now())
        if tally.missing is not None:
            await self.deletion.note_missed(tally.missing)
        return tally

    async def _end(
        self,
        tally: Tally,
        polled: Watermark | None,
        before: Watermark | None,
        started_at: datetime,
        pages: ProblemPages,
        choice: ListChoice | None,
    ) -> Missed:
        """End a complete pass: say what it missed, and move the watermarks. `before`: the last complete pass when this
        one began.
        """
        source_id = self.source.source_id
        async with self.database.transaction() as connection:
            await self.source.fence.hold(connection)
            missed = await missing_problem.mark(
                connection, source_id, started_at=started_at, unseen=pages.unseen, choice=choice
            )
            await missing_problem.remove_seen(connection, source_id, pages.unseen)
            await self._note_since_move(connection, missed)
            if await watermark.find(connection, source_id, "reconcile") == before:
                await missing_problem.add(connection, source_id, missed.twice, started_at)
            else:
                log.info("another pass ended meanwhile, this one finds nothing missing twice", source=self.source.name)
            mark = Watermark(None, None, started_at, now(), pages.distinct)
            await watermark.advance(connection, source_id, "reconcile", mark)
            await source_table.write_version(connection, source_id, self.source.version)
            read_in_full = polled is not None and polled.filter_style == NO_FILTER
            if polled is None or (read_in_full and self.source.update_times_move):
                fresh = Watermark(
                    tally.bounded(tally.newest_stamp, started_at), None, started_at, now(), pages.distinct
                )
                await watermark.advance(connection, source_id, "poll", fresh)
        return missed

    async def _note_since_move(self, connection: Connection, missed: Missed) -> None:
        """Count the pass where deletions wait because the source has moved."""
        source_id = self.source.source_id
        if await source_move.find(connection, source_id) is None:
            return
        missing = max(0, len(missed) - await missing_problem.hidden(connection, source_id))
        known = await missing_problem.count_living(connection, source_id)
        if await source_move.note_pass(connection, source_id, missing=missing, known=known):
            log.info("the source shows what is known, deletions wait no longer", source=self.source.name)

    async def _due_in_seconds(self) -> float:
        """Return how long until the next pass is due."""
        async with self.database.connection() as connection:
            mark = await watermark.find(connection, self.source.source_id, "reconcile")
        times = [at for at in (mark.started_at if mark else None, self._incomplete_at) if at is not None]
        if not times:
            return 0.0
        age_seconds = max(0.0, (now() - max(times)).total_seconds())  # our clock may have been set back
        return max(0.0, self.source.settings.reconcile_interval_seconds - age_seconds)
