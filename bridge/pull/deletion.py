"""Deletion: a problem is recorded as deleted only when GET by id answers 404 or 410 for it, or an operator says so.

Problems that two complete passes in a row did not return (`bridge.storage.missing_problem`) are asked for by id, at the
source's pace, each decided by its own answer. What is waiting survives a crash. One that is still given is brought up
to date and asked for at long intervals.

404 is believed only from a server that gives some other problem by id: one that the list shows is asked for too. When
none is left to ask for and more than 20 problems are known, the list is empty, as it may be after a token expired. That
is held back until an operator says `sync SOURCE --accept-deletions`. A pass that loses more than `max_loss_share` of
what is known (and more than 20 problems) is said to be held back until GET by id has decided about each.

A source that is read from another address deletes nothing until passes have shown that it is the same server
(`bridge.storage.source_move`), or an operator says so.

Tombstones are fenced: a process that lost the lease cannot write one.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bridge.errors import TransientError
from bridge.pull.by_id import ByIdAnswer, ask_by_id, ask_one
from bridge.pull.change_count import count_changes
from bridge.schedule import now
from bridge.sources.state import SourceState
from bridge.storage import last_pass, missing_problem, source_move
from bridge.storage.database import Database
from bridge.storage.missing_problem import LastAnswer, Missed, MissingProblem
from bridge.storage.observation import Stored
from bridge.storage.observation_store import store_items
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

FEW_PROBLEMS = 20
"""So many may be missing at once, whatever share that is."""

_BATCH = 50
_CONTROLS = 3
_AGAIN = {
    LastAnswer.GIVEN: timedelta(hours=6),
    LastAnswer.REFUSED: timedelta(hours=1),
    LastAnswer.FAILED: timedelta(minutes=1),
}
"""When a problem is asked for again, the first time; four times as long after each further try."""
_AGAIN_LATEST = timedelta(days=1)


@dataclass(slots=True)
class DeletionResult:
    """What became of missing problems."""

    deleted: int = 0
    given: int = 0
    """Still there: only the list hides them."""
    kept: int = 0
    """Those of them that the filter of the source keeps."""
    held_back: int = 0
    reason: str | None = None
    """Why problems are held back."""
    errors: Counter[str] = field(default_factory=Counter)
    """Answers that decide nothing."""
    away: TransientError | None = None
    """The source did not answer: the rest waits."""


@dataclass(slots=True)
class DeletionCheck:
    """Decides what became of one source's missing problems."""

    source: SourceState
    database: Database
    metrics: Metrics
    on_stored: Callable[[Stored], None] | None = None
    on_asked: Callable[[int], None] | None = None
    """Called with the number of problems asked for so far."""
    _mass_loss: str | None = field(default=None, init=False)
    """What the last pass lost, when that was more than is allowed."""
    _lost_once: int = field(default=0, init=False)
    """How many of these no earlier pass had missed."""

    async def note_missed(self, missed: Missed) -> None:
        """Take over what the pass that just ended did not return; a mass loss is logged at once."""
        async with self.database.connection() as connection:
            hidden = await missing_problem.hidden(connection, self.source.source_id)
            lost = max(0, len(missed) - hidden)
            known = 0
            if lost > FEW_PROBLEMS:
                known = await missing_problem.count_living(connection, self.source.source_id)
        share = self.source.settings.max_loss_share
        before, self._mass_loss, self._lost_once = self._mass_loss, None, 0
        if lost <= FEW_PROBLEMS or lost <= share * known:
            return
        self._mass_loss, self._lost_once = f"the list lost {lost:,} of {known:,} problems at once", len(missed.once)
        if before != self._mass_loss:
            log.warning(
                "mass loss, deletions are held back",
                source=self.source.name,
                missing=lost,
                known=known,
                max_loss_share=share,
                hint=f"each is asked for by id; if they were deleted: {self._remedy}",
            )

    @property
    def _remedy(self) -> str:
        return f"tmf656-bridge sync {self.source.name} --accept-deletions"

    async def next_due_at(self) -> datetime | None:
        """Return when the next missing problem is to be asked for; None while deletions wait."""
        async with self.database.connection() as connection:
            if await source_move.find(connection, self.source.source_id) is not None:
                return None
            return await missing_problem.next_due_at(connection, self.source.source_id)

    async def run_once(self) -> DeletionResult:
        """Ask for all that are due. While the source is away, the rest waits; after a move, all do."""
        result = DeletionResult()
        async with self.database.connection() as connection:
            move = await source_move.find(connection, self.source.source_id)
        if move is not None:
            result.reason = move.reason(self.source.name)
            await self._conclude(result)
            return result
        asked = 0
        while True:
            async with self.database.connection() as connection:
                due = await missing_problem.due(connection, self.source.source_id, now(), _BATCH)
            if not due:
                break
            answers = await ask_by_id(self.source, [each.problem_id for each in due])
            believed = await self._believes([answer for answer in answers if answer.gone], result)
            await self._settle(due, answers, result, believed=believed)
            asked += len(answers)
            if self.on_asked is not None:
                self.on_asked(asked)
            if result.away is not None:
                break
        await self._conclude(result)
        return result

    async def accept(self) -> DeletionResult:
        """Record as deleted what the last complete pass did not return, on the word of an operator, except what GET by
        id still gives. TransientError when the source is away.
        """
        result = DeletionResult()
        async with self.database.connection() as connection:
            problem_ids = await missing_problem.all_missed(connection, self.source.source_id)
        for start in range(0, len(problem_ids), _BATCH):
            batch = problem_ids[start : start + _BATCH]
            answers = await ask_by_id(self.source, batch)
            for answer in answers:
                if isinstance(answer.error, TransientError):
                    raise answer.error
                answer.gone = answer.observation is None
            await self._settle([MissingProblem(each, 0, None) for each in batch], answers, result, believed=True)
            if self.on_asked is not None:
                self.on_asked(start + len(batch))
        self._mass_loss, self._lost_once = None, 0
        async with self.database.transaction() as connection:
            await source_move.release(connection, self.source.source_id)
        await self._conclude(result)
        return result

    async def _believes(self, gone: Sequence[ByIdAnswer], result: DeletionResult) -> bool:
        """Are these 404 to be believed? They are from a server that gives by id what its list shows."""
        if not gone:
            return True
        async with self.database.connection() as connection:
            listed = await missing_problem.some_listed(connection, self.source.source_id, _CONTROLS)
        for problem_id in listed:
            control = await ask_one(self.source, problem_id)
            if control.observation is not None:
                return True
        if listed:
            result.reason = "GET by id does not even give problems that the list shows"
        elif await self._many_known():
            result.reason = (
                "the list shows no problem that GET by id could be tried with (has a token expired?); if they were "
                f"deleted: {self._remedy}"
            )
        return result.reason is None

    async def _many_known(self) -> bool:
        if self.source.settings.max_loss_share >= 1:
            return False
        async with self.database.connection() as connection:
            return await missing_problem.count_living(connection, self.source.source_id) > FEW_PROBLEMS

    async def _settle(
        self, due: Sequence[MissingProblem], answers: Sequence[ByIdAnswer], result: DeletionResult, *, believed: bool
    ) -> None:
        """Store what the answers say, and when to ask again for those that are not decided."""
        attempts = {each.problem_id: each.attempts for each in due}
        given = [answer for answer in answers if answer.observation is not None]
        gone = [answer for answer in answers if answer.gone and believed]
        entries = [self.source.entry(answer.observation) for answer in given]
        entries += [self.source.entry(answer.tombstone()) for answer in gone]
        if entries:
            stored = await store_items(self.database, entries, within=self.source.fence.hold)
            count_changes(self.source, self.metrics, stored)
            if self.on_stored is not None:
                self.on_stored(stored)
            deleted = stored.outcomes.count("deleted")
            result.deleted += deleted
            self.metrics.drift.labels(self.source.name, "deleted").inc(deleted)
        result.given += len(given)
        result.kept += sum(self.source.keeps(answer.observation) is True for answer in given)
        undecided = []
        failed = [answer.error for answer in answers if isinstance(answer.error, TransientError)]
        if failed and len(failed) == len(answers):
            result.away = failed[0]
        for answer in answers:
            if answer.gone and believed:
                continue
            last = _last_answer(answer)
            if answer.error is not None:
                result.errors[str(answer.error)] += 1
            again = min(_AGAIN_LATEST, _AGAIN[last] * 4 ** min(attempts[answer.problem_id], 8))
            undecided.append((answer.problem_id, last, now() + again))
        async with self.database.transaction() as connection:
            await missing_problem.remove(connection, self.source.source_id, [answer.problem_id for answer in gone])
            await missing_problem.write_answers(connection, self.source.source_id, undecided, now())

    async def _conclude(self, result: DeletionResult) -> None:
        """Say what is held back, and why."""
        async with self.database.connection() as connection:
            undecided = await missing_problem.undecided(connection, self.source.source_id)
        result.held_back = undecided + self._lost_once
        if result.reason is None and result.errors:
            ((error, number),) = result.errors.most_common(1)
            result.reason = f"GET by id gave no usable answer for {number:,} of them: {error}"
        reasons = (self._mass_loss, result.reason)
        result.reason = "; ".join(filter(None, reasons)) or None if result.held_back else None
        if result.deleted or result.given or result.errors:
            say = log.warning if result.held_back else log.info
            say(
                "missing problems asked for",
                source=self.source.name,
                deleted=result.deleted,
                still_there=result.given,
                held_back=result.held_back,
                reason=result.reason,
            )
        self.metrics.deletions_held_back.labels(self.source.name).set(result.held_back)
        async with self.database.connection() as connection:
            await last_pass.write_held_back(connection, self.source.source_id, result.held_back, result.reason)


def _last_answer(answer: ByIdAnswer) -> LastAnswer:
    if answer.observation is not None:
        return LastAnswer.GIVEN
    refused = answer.error is not None and not isinstance(answer.error, TransientError)
    return LastAnswer.REFUSED if refused else LastAnswer.FAILED
