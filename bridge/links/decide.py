"""Follows what changed and decides by one rule: which tickets belong together, and what is to be written.

Runs in the process that leads, for rules that are on. Each step is one fenced transaction: links, outbox, conflicts and
the position in `bridge.change` move together, so a crash repeats a step or nothing. A walk over all tickets comes
first, after changed settings, when changes are missing (the database was restored, or nobody led for a day), and every
few hours, for what no change tells: a pair that has been quiet for long enough.

Counterparts are made only when both sources have been read completely since the rule exists, so that what is already
there is matched first. A rule that would make or change too much at once is held until a person has looked.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Final

import structlog

from bridge.domain.link.life import RULE_ON, LinkState
from bridge.domain.link.word_map import Side
from bridge.links.batch_result import BatchResult
from bridge.links.counterpart_index import CounterpartIndex
from bridge.links.decision_pace import DecisionPace
from bridge.links.rule_batch import RuleBatch
from bridge.links.rule_run import RuleRun
from bridge.links.rule_series import count_edited
from bridge.schedule import Job, Wake, now, run_job
from bridge.storage import change, conflict, link_rule, link_ticket, outbox
from bridge.storage import link as link_table
from bridge.storage.database import Connection, Database
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.lease import LeaderFence
from bridge.storage.link_rule import RulePosition
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_CHANGES: Final = 100
"""Change rows that a step takes at most."""
_TICKETS: Final = 200
"""Tickets that a step decides, and the rest of the last change."""
_PAGE: Final = 1000
_BEGIN_SECONDS: Final = 10.0
"""For so long it is not looked again whether the position can be followed: changes are kept for hours."""
_WALK_AGAIN: Final = timedelta(hours=6)
_HOUR: Final = timedelta(hours=1)
FEWEST_CHANGES: Final = 50
"""A walk that changes no more links than this never holds a rule."""


@dataclass(slots=True)
class Decider:
    """Decides by one rule. `on_wanted` is called when something new is to be written."""

    run_of_rule: RuleRun
    database: Database
    metrics: Metrics
    fence: LeaderFence = field(default_factory=LeaderFence)
    on_wanted: Callable[[], None] = lambda: None
    wake: Wake = field(default_factory=Wake)
    _pace: DecisionPace = field(default_factory=DecisionPace)
    _indexed: bool = False
    _begun_at: float = -math.inf
    _changed_by_walk: int = 0
    _bereft: list[tuple[datetime, int]] = field(default_factory=list)
    _last_wanted: int = 0
    _last_changed_at: datetime | None = None

    async def run(self) -> None:
        """Decide what changed, then wait for a call (something was committed) or a second."""
        job = Job(f"links {self.run_of_rule.rule.name}", self.metrics)
        await run_job(job, partial(self.run_once, at_pace=True), partial(self._pace.wait, self.wake))

    async def run_once(self, *, at_pace: bool = False) -> bool:
        """Decide until nothing is left; return whether the rule is on. `at_pace`: or until others should go first."""
        if not (at_pace and self._indexed and monotonic() < self._begun_at + _BEGIN_SECONDS):
            if not await self._begin():
                return False
            self._begun_at = monotonic()
        if not self._indexed:
            await self._index()
        while True:
            try:
                done = await self._step()
            except ConcurrentUpdateError:
                continue  # a sender, or a command, was faster
            if done is None:
                self._begun_at = -math.inf
                return False
            if done or (at_pace and self._pace.gives_way):
                return True

    async def _begin(self) -> bool:
        """Start a walk where the position cannot be followed; False: the rule is not on."""
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            position = await link_rule.lock(connection, self.run_of_rule.rule_id)
            if position is None or position.state != RULE_ON:
                self._indexed = False
                return False
            followed = not position.from_other_server and await change.complete(connection, position.position)
            if not followed or (position.walked_at is None and position.walked == (0, "")):
                await link_rule.begin_walk(connection, self.run_of_rule.rule_id)
                self._indexed = False  # it does not know what changed between both positions
                self._changed_by_walk = 0
            elif position.walked_at is not None and position.walked_at + _WALK_AGAIN <= now():
                await link_rule.walk_again(connection, self.run_of_rule.rule_id)
                self._changed_by_walk = 0
        return True

    async def _index(self) -> None:
        """Read all tickets once, for matching; what changes meanwhile is followed."""
        run, count = self.run_of_rule, 0
        run.index = CounterpartIndex(run.rule)
        for side in Side:
            after = ""
            while True:
                async with self.database.connection() as connection:
                    rows = await link_ticket.page(connection, run.source_ids[side], after, limit=_PAGE)
                for row in rows:
                    try:
                        run.index.put(side, run.ticket(side, row))
                    except Exception as error:  # noqa: BLE001 -- the bulkhead: it is shown once it is to be decided
                        run.not_read(side, row.id, error)
                count += len(rows)
                if len(rows) < _PAGE:
                    break
                after = rows[-1].id
        self._indexed = True
        log.info("rule ready", rule=run.rule.name, tickets=count)

    async def _step(self) -> bool | None:
        """Decide the next changes, a part of a walk, and what people chose; return whether nothing is left, None: the
        rule is not on any more, or its position is none of this server.
        """
        run, at = self.run_of_rule, now()
        self._pace.begin()
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            position = await link_rule.lock(connection, run.rule_id)
            if position is None or position.state != RULE_ON or position.from_other_server:
                return None
            changed, followed = await self._changes(connection, position)
            walked, walk_done = await self._walk(connection, position, at)
            links = set(await conflict.undone(connection, run.rule_id, limit=_TICKETS))
            links |= set(await link_table.undecided(connection, run.rule_id, limit=_TICKETS))
            waiting = await link_table.in_state(
                connection, run.rule_id, LinkState.WANTED, after=self._last_wanted, limit=_TICKETS
            )
            if walk_done and position.walked_at is None:
                links |= set(await self._pruned(connection))
            self._last_wanted = waiting[-1] if len(waiting) == _TICKETS else 0
            batch = RuleBatch(run, connection, at, *await self._may_create(connection, at))
            result = await batch.decide(changed, links | set(waiting), walked)
            if walked or not walk_done:
                self._changed_by_walk += result.changes
            await self._hold_where_too_much(connection, result)
        self._count(result)
        if result.wrote:
            self.on_wanted()
        useful = result.useful or bool(links) or not walk_done
        self._pace.end(len(changed), useful=useful, left=not followed, changed_at=self._last_changed_at)
        return followed and walk_done and not result.renewed

    async def _pruned(self, connection: Connection) -> list[int]:
        """Links that a walk does not come to, since a ticket of theirs is not known any more."""
        ids, most = self.run_of_rule.source_ids, _PAGE
        return await link_table.pruned(
            connection, self.run_of_rule.rule_id, ids[Side.LEFT], ids[Side.RIGHT], limit=most
        )

    async def _changes(self, connection: Connection, position: RulePosition) -> tuple[set[tuple[Side, str]], bool]:
        """The tickets that the next changes name; the position moves behind them. True: no further change is there."""
        run = self.run_of_rule
        rows = await change.after(connection, position.position, limit=_CHANGES)
        found: set[tuple[Side, str]] = set()
        taken = 0
        while taken < len(rows) and len(found) < _TICKETS:
            side = run.side_of(rows[taken].source_id)
            if side is not None:
                found |= {(side, ticket_id) for ticket_id in rows[taken].problem_ids}
            taken += 1
        self._last_changed_at = rows[taken - 1].changed_at if taken else None
        if taken:
            await link_rule.write_position(connection, run.rule_id, rows[taken - 1].position)
        return found, taken == len(rows) < _CHANGES

    async def _walk(
        self, connection: Connection, position: RulePosition, at: datetime
    ) -> tuple[set[tuple[Side, str]], bool]:
        """The next tickets of a walk, those of the left first. True: no walk is under way, or it has ended."""
        if position.walked_at is not None:
            return set(), True
        run = self.run_of_rule
        source_id, after = position.walked
        side = run.side_of(source_id) or Side.LEFT
        ids = await link_rule.tickets(connection, run.source_ids[side], after, limit=_TICKETS)
        if len(ids) == _TICKETS:
            await link_rule.write_walk(connection, run.rule_id, (run.source_ids[side], ids[-1]))
        elif side is Side.LEFT:
            await link_rule.write_walk(connection, run.rule_id, (run.source_ids[Side.RIGHT], ""))
        else:
            await link_rule.end_walk(connection, run.rule_id, at)
            log.info("all tickets compared", rule=run.rule.name, changed=self._changed_by_walk)
        return {(side, ticket_id) for ticket_id in ids}, side is Side.RIGHT and len(ids) < _TICKETS

    async def _may_create(self, connection: Connection, at: datetime) -> tuple[frozenset[Side], int]:
        """Sides on which counterparts may be made, and how many within this hour."""
        run = self.run_of_rule
        if not run.rule.creates:
            return frozenset(), 0
        [row] = await link_rule.find(connection, run.rule.name)
        for source_id in run.source_ids.values():
            if not await link_rule.complete_since(connection, source_id, row.created_at):
                return frozenset(), 0
        begun = await outbox.begun_since(connection, run.rule_id, max(at - _HOUR, row.state_since))
        return run.rule.creates, max(run.rule.limits.creates_per_hour - begun, 0)

    async def _hold_where_too_much(self, connection: Connection, result: BatchResult) -> None:
        """The circuit breaker: nothing more is decided or sent until a person releases the rule."""
        run, limits = self.run_of_rule, self.run_of_rule.rule.limits
        reason = None
        if result.over:
            reason = f"more than {limits.creates_per_hour} counterparts would be made within an hour"
        elif self._changed_by_walk > FEWEST_CHANGES:
            links = await link_table.count_linked(connection, run.rule_id)
            if self._changed_by_walk > limits.changes_at_once * links:
                reason = f"{self._changed_by_walk} of {links} links would change at once"
        if reason is None and result.bereft:
            reason = await self._too_many_bereft(connection, result.bereft)
        if reason is not None:
            await link_rule.write_state(connection, run.rule_id, "held", reason, only_from=[RULE_ON])
            log.error(
                "rule held",
                rule=run.rule.name,
                reason=reason,
                remedy=f"look at `tmf656-bridge links plan {run.rule.name}`, then `links release {run.rule.name}`",
            )
            self._changed_by_walk = 0

    async def _too_many_bereft(self, connection: Connection, number: int) -> str | None:
        """A system that lost its tickets must not have those of the other one ended, or all of its own made again."""
        at, run = now(), self.run_of_rule
        self._bereft = [*(one for one in self._bereft if one[0] > at - _HOUR), (at, number)]
        gone = sum(one[1] for one in self._bereft)
        if gone <= FEWEST_CHANGES:
            return None
        links = await link_table.count_linked(connection, run.rule_id)
        if gone <= run.rule.limits.changes_at_once * (links + gone):
            return None
        self._bereft.clear()
        return f"{gone} tickets were deleted within an hour, and on_delete is {run.rule.on_delete.value}"

    def _count(self, result: BatchResult) -> None:
        name = self.run_of_rule.rule.name
        self.metrics.duplicates.labels(name).inc(result.duplicates)
        self.metrics.job_failures.labels("", f"links {name}").inc(result.undecided)
        for kind, times in result.conflicts.items():
            self.metrics.conflicts.labels(name, kind.value).inc(times)
        self.metrics.links.echoes.labels(name).inc(result.echoes)
        count_edited(self.metrics, name, result.edited_notes)
        for unmapped in result.unmapped:
            self.metrics.links.unmapped.labels(name, unmapped).inc()
