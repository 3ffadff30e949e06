"""Keeping the summaries of lives up with the facts, so that reports over everything are quick.

Follows what changed, a small step a transaction, and pauses after each so long that the work is a tenth of the time at
most, spread evenly; what arrives comes first, and reports are right without this (they compute from the facts what is
not summarised yet). Five seconds of it at a stretch doubled the time of an answer for as long. A walk over all problems
makes the first summaries of a database, begins again when the summaries cannot be relied on (the dump of another
server, a release that did not note changes), and every few hours looks for what nothing told of.

How many problems a step takes follows from how long the last one took. A hundred take Postgres 5 ms when it has nothing
else to do; beside 4,000 notifications a second on two cores they took 10 to 60, one of the cores was away for as long,
and the slowest hundredth of the answers waited for it: 18 ms, where it is 9 without any summaries, and 9 to 10 with ten
problems at a time (two series of eight rounds of four slices in turns).

Only the leader does this, and each step is fenced. A crash between two lines repeats a step: rows, sums and position
are one transaction.
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
"""Following may never be done while more changes than a tenth of the time is enough for; reports rely on summaries only
while somebody says that they are tended, which follows each pass.
"""
_SHARE = 9
"""Times as long as a step took, the pause after it; not while reports have to do without."""
_STEP_SECONDS = 0.005
"""As long as a step of following is to take Postgres."""
_FEWEST, _MOST = 10, 100
"""Problems in such a step."""
_AGAIN = timedelta(hours=6)
_TELL_SECONDS = 10.0


@dataclass(slots=True)
class Summariser:
    """Summarises one database."""

    database: Database
    fence: LeaderFence = field(default_factory=LeaderFence)
    every_seconds: float = _EVERY_SECONDS
    pass_seconds: float = _PASS_SECONDS
    _problems: int = _FEWEST
    _seen: int = 0
    _told_at: float = 0.0

    async def run(self) -> None:
        """See that there is something to rely on, then follow."""
        backoff = Backoff()
        begun = False
        while True:
            try:
                await self.begin(again=not begun)
                begun = True
                complete = await self.run_once()
            except BridgeError as error:
                log.warning("summarise failed", error=str(error))
                await anyio.sleep(backoff.next_seconds())
                continue
            backoff.reset()
            if complete:
                await anyio.sleep(self.every_seconds)

    async def begin(self, *, again: bool = True) -> None:
        """Have every problem looked at when the summaries cannot be relied on; with `again` also when a walk broke
        off, because nobody knows what happened meanwhile.
        """
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            state = await summary.hold(connection)
            if state.strange:
                await summary.forget(connection)
            elif await summary.reliable(connection) if state.complete else not again:
                return
            log.info("summarising every problem", meanwhile="reports over everything take longer")
            self._seen = 0
            await summary.begin_walk(connection)
            await summary.mark_maintained(connection, now())

    async def run_once(self) -> bool:
        """Take in what changed, and some of a walk that is under way or due; return whether the summaries are
        complete.
        """
        ends_at = monotonic() + self.pass_seconds
        while not (await self._step(self._follow)).done and monotonic() < ends_at:
            pass
        step = await self._step(self._walk)
        self._seen += step.seen
        if not step.done and monotonic() - self._told_at > _TELL_SECONDS:
            log.info("summarising", problems=self._seen)
            self._told_at = monotonic()
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            await summary.mark_maintained(connection, now())
            return (await summary.hold(connection)).complete

    async def _step(
        self, how: Callable[[Connection, summary.SummaryState], Awaitable[summary.SummaryStep]]
    ) -> summary.SummaryStep:
        started = monotonic()
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            state = await summary.hold(connection)
            step = await how(connection, state)
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
        elif took_seconds < _STEP_SECONDS / 2 and step.seen >= self._problems:
            self._problems = min(_MOST, self._problems * 2)
        return step

    async def _walk(self, connection: Connection, state: summary.SummaryState) -> summary.SummaryStep:
        if state.walked_at is not None:
            if state.walked_at + _AGAIN > now():
                return summary.SummaryStep(0, 0, done=True)
            self._seen = 0
            await summary.begin_walk(connection)
            state = await summary.hold(connection)
        step = await summary.walk(connection, state, at=now())
        if step.done:
            log.info("summarised", problems=self._seen)
        return step
