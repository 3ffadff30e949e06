"""Reconciling: everything the source has, on a slow clock. It finds what push and poll missed, and what is gone.

What a pass saw is remembered by a hash of each id, which is kept in any case to prove that the pass is complete
(`bridge.tmf656.paging`). At its end Postgres tells the ids of what it has, a portion at a time, and those without a
hash are missing. Writing down each sighting in a table took two thirds of what a pass over unchanged problems cost
Postgres, 9 µs each.

Only a *complete* pass says anything about what is missing, and only a problem missed by two complete passes in a row,
and still not to be had by id, is gone. So a server that answers half of its list deletes nothing. When more than a
handful is missing at once a random sample is asked for by id; one that is still there spoils the verdict for all of
them. A row that cannot be read does not spoil the pass: it counts as seen by its id, and where it has none, only the
answers by id can say that a problem is gone.

A crash leaves nothing of a pass but what it stored, and no mark moved. Marks and deletions are fenced: a process that
was paused in the middle of a pass and lost the lease meanwhile cannot say that anything is missing, or gone. What it
read of living problems is stored; that is an observation like any other, as old as the question. Of two passes at once
(`sync --full` beside `run`) the one that ends last finds nothing gone: they are not two in a row.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import anyio
import structlog

from bridge.domain.observation import TOMBSTONE_HASH, Kind, Observation, Via
from bridge.errors import BridgeError, PermanentError, TransientError, UnreadableError
from bridge.pull.page_import import PageImport, Tally, count_changes
from bridge.schedule import Backoff, jittered, now
from bridge.sources.missed_push import count_missed_pushes
from bridge.sources.state import SourceState
from bridge.storage import source as source_table
from bridge.storage import watermark
from bridge.storage.database import Database
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import store_items
from bridge.storage.watermark import Watermark
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire
from bridge.tmf656.client import Fetched, ListPage, ListPass, NotFoundError
from bridge.tmf656.paging import FilterStyle

log = structlog.get_logger(__name__)

_SAMPLE = 50


@dataclass(slots=True)
class Reconciler:
    """Reconciles one source. `complete` tells of the last pass."""

    source: SourceState
    database: Database
    metrics: Metrics
    on_stored: Callable[[Stored], None] | None = None
    on_page: Callable[[Tally, ListPage], None] | None = None
    complete: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Reconcile when the interval since the last complete pass has passed, backing off while the source or
        Postgres is away.
        """
        backoff = Backoff()
        await self.source.first_pass.wait()
        while True:
            try:
                await self.source.reconcile_wake.wait(await self._due_in_seconds())
                tally = await self.run_once()
            except BridgeError as error:
                delay_seconds = backoff.after(error)
                self.metrics.polls.labels(self.source.name, "reconcile", "failed").inc()
                log.warning(
                    "reconcile failed",
                    source=self.source.name,
                    error=str(error),
                    retry_in_seconds=round(delay_seconds, 1),
                )
                await anyio.sleep(delay_seconds)
                continue
            backoff.reset()
            log.info(
                "reconciled",
                source=self.source.name,
                problems=tally.problems,
                changed=tally.changed,
                repaired=dict(tally.repaired),
                complete=self.complete,
            )
            if not self.complete:
                await self.source.reconcile_wake.wait(jittered(self.source.settings.reconcile_interval_seconds))

    async def run_once(self) -> Tally:
        """One pass over everything. TransientError when the source or Postgres is away."""
        async with self.source.passing:
            tally = await self.pass_once()
        async with self.database.connection() as connection:
            tally.missed = await count_missed_pushes(connection, self.source, self.metrics)
        return tally

    async def pass_once(self) -> Tally:
        """One pass; the caller holds `feed.passing`."""
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
            on_stored=self.on_stored,
            on_page=self.on_page,
        )
        tally = Tally()
        pages = self.source.client.pages(
            changed_since=None, filter_style=FilterStyle.NONE, version=self.source.version, stamp=wire.stamp
        )
        await page_import.run(pages, tally)
        tally.completeness = pages.completeness
        self.complete = tally.completeness.complete
        if self.complete:
            await self._close(tally, polled, before, started_at, pages)
        self._count(tally)
        return tally

    async def _close(
        self, tally: Tally, polled: Watermark | None, before: Watermark | None, started_at: datetime, pages: ListPass
    ) -> None:
        """Draw the conclusions of a complete pass. `before`: the last complete one when it began."""
        problems = pages.distinct
        async with self.database.transaction() as connection:
            await self.source.fence.hold(connection)
            gone = await watermark.mark_missed(
                connection, self.source.source_id, started_at=started_at, unseen=pages.unseen
            )
            if await watermark.find(connection, self.source.source_id, "reconcile") != before:
                log.info("another pass ended meanwhile: nothing is gone for this one", source=self.source.name)
                gone = []
            mark = Watermark(None, None, started_at, now(), problems)
            await watermark.advance(connection, self.source.source_id, "reconcile", mark)
            await source_table.write_version(connection, self.source.source_id, self.source.version)
            if polled is None or polled.filter_style == FilterStyle.NONE.value:
                fresh = Watermark(tally.bounded(tally.newest_stamp), None, started_at, now(), problems)
                await watermark.advance(connection, self.source.source_id, "poll", fresh)
        if gone and await self._really_gone(gone, sure=tally.without_id == 0):
            await self._bury(gone, started_at, tally)

    async def _really_gone(self, problem_ids: Sequence[str], *, sure: bool) -> bool:
        """Ask for them (or for a sample) by id; any that is there, or any doubt, spares all of them until the next
        pass. Where the server does not answer by id the lists decide alone, if they are `sure`.
        """
        sample = problem_ids if len(problem_ids) <= _SAMPLE else random.sample(problem_ids, _SAMPLE)
        for problem_id in sample:
            try:
                fetched = await self.source.client.get(problem_id)
            except NotFoundError:
                continue
            except TransientError as error:
                log.warning(
                    "cannot verify deletions", source=self.source.name, missing=len(problem_ids), error=str(error)
                )
                return False
            except PermanentError as error:
                log.info("server does not answer by id", source=self.source.name, lists_decide=sure, error=str(error))
                return sure
            await self._still_there(fetched)
            log.warning(
                "missing from two complete lists but still there: nothing deleted",
                source=self.source.name,
                missing=len(problem_ids),
                problem_id=problem_id,
            )
            return False
        return True

    async def _still_there(self, fetched: Fetched) -> None:
        try:
            seen = wire.read_problem(fetched.item, asked_at=fetched.asked_at, via=Via.REFETCH)
        except UnreadableError as error:
            log.warning("unreadable answer", source=self.source.name, reason=error.reason, detail=str(error))
            return
        count_changes(self.source, self.metrics, await store_items(self.database, [Entry(self.source.source_id, seen)]))

    async def _bury(self, problem_ids: Sequence[str], started_at: datetime, tally: Tally) -> None:
        tombstones = [
            Entry(
                self.source.source_id,
                Observation(
                    problem_id=problem_id,
                    kind=Kind.TOMBSTONE,
                    via=Via.RECONCILE,
                    observed_at=started_at,
                    effective_at=started_at,
                    stamped=False,
                    body=b"{}",
                    content_hash=TOMBSTONE_HASH,
                ),
            )
            for problem_id in problem_ids
        ]
        for start in range(0, len(tombstones), 500):
            batch = tombstones[start : start + 500]
            stored = await store_items(self.database, batch, within=self.source.fence.hold)
            count_changes(self.source, self.metrics, stored)
            tally.repaired["deleted"] += sum(outcome == "deleted" for outcome in stored.outcomes)
        log.info("deleted at the source", source=self.source.name, problems=len(problem_ids))

    def _count(self, tally: Tally) -> None:
        for kind, number in tally.repaired.items():
            self.metrics.drift.labels(self.source.name, kind).inc(number)
        outcome = "ok" if self.complete else "incomplete"
        self.metrics.polls.labels(self.source.name, "reconcile", outcome).inc()
        self.metrics.last_poll_success.labels(self.source.name, "reconcile").set(now().timestamp())

    async def _due_in_seconds(self) -> float:
        async with self.database.connection() as connection:
            mark = await watermark.find(connection, self.source.source_id, "reconcile")
        if mark is None:
            return 0.0
        interval_seconds = jittered(self.source.settings.reconcile_interval_seconds, 0.05)
        age_seconds = max(0.0, (now() - mark.started_at).total_seconds())  # our clock may have been set back
        return max(0.0, interval_seconds - age_seconds)
