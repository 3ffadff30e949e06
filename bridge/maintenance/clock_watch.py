"""Detects that our clock was set back, and corrects the times in Postgres that are now in the future.

While the process runs, the wall clock is compared with the monotonic clock, which cannot be set. At the start it is
compared with the latest times in Postgres, which another process may have written. A difference of up to a second is
ignored: it passes by itself. Machines that share a database must agree within that second; if one runs ahead, its times
are corrected whenever the other one starts, which does no harm.

The correction is one transaction and idempotent. After a crash before its commit, the next start finds the times still
in the future. Until it is committed (a second, plus the time to read all current rows) an answer of the source may be
taken for older than what is stored; the poll that follows brings it again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

import structlog

from bridge.schedule import Job, every, now, run_job
from bridge.sources.state import SourceState
from bridge.storage import clock
from bridge.storage.database import Database
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 1.0
_SLACK = timedelta(seconds=1)


@dataclass(slots=True)
class ClockWatch:
    """Watches the clock of one process. `wall` and `steady` are the clocks, in UTC and in seconds."""

    sources: Mapping[str, SourceState]
    database: Database
    wall: Callable[[], datetime] = now
    steady: Callable[[], float] = monotonic
    metrics: Metrics = field(default_factory=Metrics)
    _seen: tuple[datetime, float] | None = field(default=None)
    """Both clocks at the last check; None: compare with the times in Postgres."""

    async def run(self) -> None:
        """Compare with the times in Postgres, then watch the clocks, until cancelled."""
        await run_job(Job("clock_watch", self.metrics), self.run_once, every(_EVERY_SECONDS))

    async def run_once(self) -> bool:
        """Correct the times in Postgres if the clock was set back since the last check; return whether it was."""
        at, steady = self.wall(), self.steady()
        expected = await self._expected(steady)
        back = expected - at if expected is not None else timedelta(0)
        if back > _SLACK:
            await self._correct(at, back)
        elif self._seen is not None and -back > _SLACK:
            log.warning("our clock was set ahead", seconds=round(-back.total_seconds(), 1))
        self._seen = (at, steady)
        return back > _SLACK

    async def _expected(self, steady: float) -> datetime | None:
        """Return the earliest time that the wall clock should show now."""
        if self._seen is not None:
            seen_at, seen_steady = self._seen
            return seen_at + timedelta(seconds=steady - seen_steady)
        async with self.database.connection() as connection:
            return await clock.latest(connection)

    async def _correct(self, at: datetime, back: timedelta) -> None:
        async with self.database.transaction() as connection:
            problems = await clock.correct_future_times(connection, at)
        log.warning(
            "our clock was set back (or that of another process ran ahead): what was observed is dated to now",
            seconds=round(back.total_seconds(), 1),
            problems=problems,
        )
        for source in list(self.sources.values()):
            source.set_back(at)
            source.poll_wake.call("clock set back")
            source.refetch_wake.call("clock set back")
