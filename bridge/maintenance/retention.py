"""Prunes the tables: creates and drops partitions of the notification log, and deletes old rows in small batches.

`[retention]` sets how long each kind of row is kept. The log is dropped by whole days; other rows are deleted in
batches, a transaction each, with pauses, so that notifications never wait for it. The digests that identify repeated
notifications are kept as long as the log, and at least seven days. The change log for followers (`bridge.change`) is
kept for a day, the audit of the console for 400. What a crash leaves undone, the next round does.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
import structlog

from bridge.schedule import Job, every, now, run_job
from bridge.settings import RetentionSettings
from bridge.storage import partition, retention
from bridge.storage.database import Database
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_DAYS_AHEAD = 3
_EVERY_SECONDS = 3600.0
_BATCH = 2000
_PAUSE_SECONDS = 0.05
_DEDUPE_DAYS = 7
_CHANGES_DAYS = 1
_AUDIT_DAYS = 400


@dataclass(slots=True)
class RetentionJob:
    """Prunes one database."""

    database: Database
    keep: RetentionSettings = field(default_factory=RetentionSettings)
    metrics: Metrics = field(default_factory=Metrics)

    async def run(self) -> None:
        """Prune at once, then every hour."""
        await run_job(Job("retention", self.metrics), self.run_once, every(_EVERY_SECONDS))

    async def run_once(self) -> dict[str, int]:
        """Prune once; return how many rows of each kind were deleted."""
        await self.create_partitions()
        today = now().date()
        async with self.database.connection() as connection:
            days = await partition.drop_before(connection, today - timedelta(days=self.keep.notifications_days))
        pruned = {"notification_days": len(days)}
        window = max(_DEDUPE_DAYS, self.keep.notifications_days)
        for what, keep_days in (
            ("digests", window),
            ("versions", self.keep.versions_days),
            ("status_changes", self.keep.versions_days),
            ("tombstones", self.keep.deleted_days),
            ("dead_letters", self.keep.dead_letters_days),
            ("changes", _CHANGES_DAYS),
            ("audit", _AUDIT_DAYS),
            ("writes", self.keep.writes_days),
            ("conflicts", self.keep.conflicts_days),
            ("ended_links", self.keep.ended_links_days),
        ):
            pruned[what] = await self._batches(what, now() - timedelta(days=keep_days)) if keep_days else 0
        if any(pruned.values()):
            log.info("pruned", **pruned)
        return pruned

    async def create_partitions(self) -> None:
        """Create the partitions of yesterday, today and the coming days."""
        today = now().date()
        async with self.database.transaction() as connection:
            await partition.ensure(connection, [today + timedelta(days=day) for day in range(-1, _DAYS_AHEAD + 1)])

    async def _batches(self, what: str, before: datetime) -> int:
        total = 0
        while True:
            async with self.database.transaction() as connection:
                gone = await retention.delete(connection, what, before, _BATCH)
            total += gone
            if gone < _BATCH:
                return total
            await anyio.sleep(_PAUSE_SECONDS)
