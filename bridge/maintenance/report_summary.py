"""Keeps the summaries that reports over all problems read (`bridge.storage.summary`) up with the facts.

Follows what changed in small steps, a transaction each, and pauses nine times as long after each: at most a tenth of
the time, spread evenly, so that senders do not wait (docs/performance.md). Reports are right without this: they compute
from the facts what is not summarised yet. A scan over all problems makes the first summaries of a database, starts
again when they cannot be used (a dump of another server was restored), and looks every few hours for what no
change row names.

Only the leader does this, and each step is fenced. Rows, sums and the position are one transaction, so a crash repeats
a step or nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

import anyio
import structlog

from bridge.errors import BridgeError
from bridge.schedule import Backoff, now
from bridge.storage import summary
from bridge.storage.database import Connection, Database
from bridge.storage.lease import LeaderFence

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 3.0
_PASS_SECONDS = 30.0
"""Following may never end while changes come faster than a tenth of the time is enough for. A pass ends all the same,
because reports use summaries only while each pass records that they are maintained.
"""
_SHARE = 9
"""The pause after a step, in multiples of its duration; none while reports cannot use the summaries."""
_STEP_SECONDS = 0.005
"""How long a step of following should take."""
_FEWEST, _MOST = 10, 100
"""Problems in a step of following."""
_SCAN_EVERY = timedelta(hours=6)
_LOG_SECONDS = 10.0


@dataclass(slots=True)
class Summariser:
    """Keeps the summaries of one database."""

    database: Database
    fence: LeaderFence = field(default_factory=LeaderFence)
    every_seconds: float = _EVERY_SECONDS
    pass_seconds: float = _PASS_SECONDS
    _problems: int = _FEWEST
    _compared: int = 0
    _logged_at: float = 0.0

    async def run(self) -> None:
        """Make the summaries usable, then follow."""
        backoff = Backoff()
        begun = False
        while True:
            try:
                await self.begin(again=not begun)
                begun = True
                complete = await self.run_once()
            except BridgeError as error:
                log.warning("summaries failed", error=str(error))
                await anyio.sleep(backoff.next_seconds())
                continue
            backoff.reset()
            if complete:
                await anyio.sleep(self.every_seconds)

    async def begin(self, *, again: bool = True) -> None:
        """Start a scan when the summaries cannot be used; with `again` also when a scan broke off, because changes
        may have gone unnoticed since.
        """
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            state = await summary.lock(connection)
            if state.from_other_server:
                await summary.reset(connection)
            elif await summary.usable(connection) if state.complete else not again:
                return
            log.info("summary scan started", meanwhile="reports over all problems take longer")
            self._compared = 0
            await summary.begin_scan(connection)
            await summary.mark_maintained(connection, now())

    async def run_once(self) -> bool:
        """Follow what changed, and go on with a scan that runs or is due; return whether the summaries are complete."""
        ends_at = monotonic() + self.pass_seconds
        while not (await self._step(self._follow)).done and monotonic() < ends_at:
            pass
        step = await self._step(self._scan)
        self._compared += step.compared
        if not step.done and monotonic() - self._logged_at > _LOG_SECONDS:
            log.info("summary scan goes on", problems=self._compared)
            self._logged_at = monotonic()
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            await summary.mark_maintained(connection, now())
            return (await summary.lock(connection)).complete

    async def _step(
        self, work: Callable[[Connection, summary.SummaryState], Awaitable[summary.SummaryStep]]
    ) -> summary.SummaryStep:
        started = monotonic()
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            state = await summary.lock(connection)
            if state.other_time_zone:
                await summary.take_time_zone(connection)
            step = await work(connection, state)
        if state.complete:
            await anyio.sleep(_SHARE * (monotonic() - started))
        return step

    async def _follow(self, connection: Connection, state: summary.SummaryState) -> summary.SummaryStep:
        if not state.complete:
            return await summary.follow(connection, state, problems=_MOST)
        started = monotonic()
        step = await summary.follow(connection, state, problems=self._problems)
        took_seconds = monotonic() - started
        if took_seconds > _STEP_SECONDS:
            self._problems = max(_FEWEST, self._problems // 2)
        elif took_seconds < _STEP_SECONDS / 2 and step.compared >= self._problems:
            self._problems = min(_MOST, self._problems * 2)
        return step

    async def _scan(self, connection: Connection, state: summary.SummaryState) -> summary.SummaryStep:
        if state.scanned_at is not None:
            if state.scanned_at + _SCAN_EVERY > now():
                return summary.SummaryStep(0, 0, done=True)
            self._compared = 0
            await summary.begin_scan(connection)
            state = await summary.lock(connection)
        step = await summary.scan(connection, state, at=now())
        if step.done:
            log.info("summary scan ended", problems=self._compared)
        return step
