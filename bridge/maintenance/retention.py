"""Keeping the tables in bounds: partitions of the log made ahead and dropped, old facts and letters deleted a little at
a time.

What is kept for how long is configured (`[retention]`). The log goes a whole day at a time; the rest in batches of a
transaction each, with a pause in between, so that nothing that is being received ever waits for it. Digests of
notifications, by which repeats are told, stay as long as the log, and never less than seven days. What changed, for
those who follow along (`bridge.change`), is kept for a day. A crash leaves some of it for the next round.
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
        """One round; return how much of what went."""
        await self.make_ahead()
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
        ):
            pruned[what] = await self._batches(what, now() - timedelta(days=keep_days)) if keep_days else 0
        if any(pruned.values()):
            log.info("pruned", **pruned)
        return pruned

    async def make_ahead(self) -> None:
        """Make the partitions of yesterday, today and the days to come."""
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
