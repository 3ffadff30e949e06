"""Keeps the words that the console searches (`bridge.storage.problem_search`) up with the problems.

Follows what changed in small steps, a transaction each, and pauses nine times as long after each: at most a tenth of
the time, so that senders do not wait. Searches are right without this: they look themselves at what changed since, and
at every problem while there are no words. The first words of a database are made by a scan, which goes on where it was
after a restart; it takes nearly all of the time while nobody else asks Postgres for anything.

Only the leader does this, and each step is fenced. Words and position are one transaction, so a crash repeats a step
or nothing. Where the console never asked for words, this reads one row every few seconds.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

import anyio
import structlog

from bridge.schedule import Job, now, run_job
from bridge.storage import problem_search
from bridge.storage.database import Connection, Database
from bridge.storage.lease import LeaderFence
from bridge.storage.problem_search import Kept, SearchState, SearchStep
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 3.0
_PASS_SECONDS = 30.0
_SHARE = 9
"""The pause after a step, in multiples of its duration."""
_IDLE_SHARE = 0.1
"""The same while a scan makes the first words, and no other session is at work."""
_STEP_SECONDS = 0.01
"""How long a step of following should take."""
_FEWEST, _MOST = 10, 100
"""Problems in a step of following."""
_SCANNED = 500
"""Problems in a step of a scan."""
_LOG_SECONDS = 30.0

Work = Callable[[Connection, SearchState], Awaitable[SearchStep]]


@dataclass(slots=True)
class SearchUpkeep:
    """Keeps the words of one database. `wanted` returns for which problems they are to be kept; None: as it is."""

    database: Database
    wanted: Callable[[], Kept | None]
    fence: LeaderFence = field(default_factory=LeaderFence)
    metrics: Metrics = field(default_factory=Metrics)
    every_seconds: float = _EVERY_SECONDS
    pass_seconds: float = _PASS_SECONDS
    _problems: int = _FEWEST
    _logged_at: float = 0.0
    _idle: bool = False

    async def run(self) -> None:
        """Keep them until cancelled."""
        await run_job(Job("search", self.metrics), self.run_once, self._pause)

    async def _pause(self) -> None:
        if self._idle:
            await anyio.sleep(self.every_seconds)

    async def run_once(self) -> None:
        """Work for a while: take what is wanted, follow what changed, go on with a scan. None of them waits for the
        others to end.
        """
        began = monotonic()
        async with self.database.connection() as connection:
            state = await problem_search.read(connection)
        if (state.lost and state.kept != "off") or self.wanted() not in (None, state.kept):
            state = await self._take()
        if state.kept == "off":
            self._idle = not state.any_words or await self._repeat(_clear, began + self.pass_seconds)
            return
        followed = await self._repeat(self._follow, began + self.pass_seconds / 2)
        scanned = not state.scans or await self._repeat(self._scan, began + self.pass_seconds)
        self._idle = followed and scanned

    async def _repeat(self, work: Work, ends_at: float) -> bool:
        """Take steps until nothing is left or the time is up, one at least; return whether nothing is left."""
        while not await self._step(work):
            if monotonic() >= ends_at:
                return False
        return True

    async def _take(self) -> SearchState:
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            state = await problem_search.lock(connection)
            wanted = self.wanted() or state.kept
            if not await problem_search.take(connection, state, wanted):
                return state
            log.info("problems with search words change", before=state.kept, wanted=wanted, lost_changes=state.lost)
            return await problem_search.lock(connection)

    async def _step(self, work: Work) -> bool:
        """Take a step and pause; return whether nothing is left."""
        started = monotonic()
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            state = await problem_search.lock(connection)
            step = await work(connection, state)
            others = not state.scans or state.complete or await problem_search.others_active(connection)
        await anyio.sleep((_SHARE if others else _IDLE_SHARE) * (monotonic() - started))
        return step.done

    async def _follow(self, connection: Connection, state: SearchState) -> SearchStep:
        started = monotonic()
        step = await problem_search.follow(connection, state, problems=self._problems)
        took_seconds = monotonic() - started
        if took_seconds > _STEP_SECONDS:
            self._problems = max(_FEWEST, self._problems // 2)
        elif took_seconds < _STEP_SECONDS / 2 and step.problems >= self._problems:
            self._problems = min(_MOST, self._problems * 2)
        return step

    async def _scan(self, connection: Connection, state: SearchState) -> SearchStep:
        step = await problem_search.scan(connection, state, at=now(), problems=_SCANNED)
        problems = state.scanned_problems + step.problems
        if step.done:
            log.info("search words are complete", problems=problems)
        elif monotonic() - self._logged_at > _LOG_SECONDS:
            self._logged_at = monotonic()
            log.info("search words are made", problems=problems)
        return step


async def _clear(connection: Connection, _: SearchState) -> SearchStep:
    return await problem_search.clear(connection)
