"""Watching our own clock: when it is set back, what was written down by the later clock is dated to now.

While the process runs the wall clock is compared with the monotonic one, which nobody sets. At the start the latest
times in Postgres tell, also those of another process. A second or less is left alone: it passes by itself. Where two
machines share a database their clocks are expected to agree within that; one that runs ahead has its times dated back
whenever the other one starts, which does no harm.

Mending is one transaction, and repeating it changes nothing. After a crash before its commit the next start finds the
times still ahead. Until it is committed (a second, and as long as it takes to read all current rows) answers of the
source may lose to what is older; the next poll is called, and brings them again.
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
    """Both clocks when they were last looked at; None: what is in Postgres has to be looked at."""

    async def run(self) -> None:
        """Look at what is in Postgres, then watch, until cancelled."""
        await run_job(Job("clock_watch", self.metrics), self.run_once, every(_EVERY_SECONDS))

    async def run_once(self) -> bool:
        """Mend if the clock was set back since the last time; return whether it was."""
        at, steady = self.wall(), self.steady()
        expected = await self._expected(steady)
        back = expected - at if expected is not None else timedelta(0)
        if back > _SLACK:
            await self._mend(at, back)
        elif self._seen is not None and -back > _SLACK:
            log.warning("our clock was set ahead", seconds=round(-back.total_seconds(), 1))
        self._seen = (at, steady)
        return back > _SLACK

    async def _expected(self, steady: float) -> datetime | None:
        """What time it should be by now, at least."""
        if self._seen is not None:
            seen_at, seen_steady = self._seen
            return seen_at + timedelta(seconds=steady - seen_steady)
        async with self.database.connection() as connection:
            return await clock.latest(connection)

    async def _mend(self, at: datetime, back: timedelta) -> None:
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
