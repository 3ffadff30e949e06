"""Compares linked tickets with what their sources say now, and finds what differs without a known reason.

Both tickets of each link are read again by id, no more than a few a second, and decided on as a rule decides
(`bridge.domain.link.merge`): what would be written, although nothing waits, no conflict is open and no change is so
new that it cannot have been read, is drift. Nothing is written to a source. A ticket whose change the tables do not
know is put on the list of tickets to be read again, so that the leader carries it over.

How far an audit has come is stored link by link: one that was interrupted goes on.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import anyio
from msgspec import Struct
from msgspec.structs import replace

from bridge.domain.link.life import RULE_ON
from bridge.domain.link.merge import merge
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Ticket, TicketReader
from bridge.errors import BridgeError, PermanentError, TransientError
from bridge.http.errors import NotFoundError
from bridge.links.rule_run import RuleRun, Tickets
from bridge.schedule import Backoff, now
from bridge.storage import conflict, link_audit, link_rule, outbox, refetch
from bridge.storage import link as link_table
from bridge.storage.conflict import ConflictRow
from bridge.storage.database import Connection, Database
from bridge.storage.link import LinkRow
from bridge.storage.link_audit import AuditPosition, DriftRow
from bridge.storage.outbox import OutboxRow, WriteKind

_PAGE: Final = 200
_TRIES: Final = 3
"""How often a source that does not answer is asked, and a link that changes meanwhile is compared."""
_GRACE: Final = timedelta(seconds=30)
"""A change may be unknown for two poll intervals and so long."""
_MOVING: Final = "it changes while it is compared"


class AuditDifference(Struct, frozen=True):
    """A field that differs. `reason`: why that is known; empty: it is drift, and `why` says what is known of it.

    An empty `field`: a ticket could not be read, or is gone.
    """

    link: int
    left_id: str
    right_id: str
    field: str
    left: str | None
    right: str | None
    reason: str = ""
    why: str = ""


@dataclass(slots=True)
class AuditResult:
    """What an audit found. `links`: compared, those before an interruption too; `total`: that there are."""

    rule: str
    links: int = 0
    total: int = 0
    differences: list[AuditDifference] = field(default_factory=list)

    @property
    def drift(self) -> list[AuditDifference]:
        """What differs without a known reason."""
        return [one for one in self.differences if not one.reason]

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        shown = [{name: getattr(one, name) for name in one.__struct_fields__} for one in self.differences]
        return {"rule": self.rule, "links": self.links, "drift": len(self.drift), "differences": shown}


class AuditInterruptedError(TransientError):
    """A source did not answer: the audit can go on from where it is."""


@dataclass(frozen=True, slots=True)
class _LinkFacts:
    """What the tables know of a link. `state`: of its rule."""

    state: str
    link: LinkRow
    tickets: Tickets
    writes: list[OutboxRow]
    conflicts: list[ConflictRow]


@dataclass(slots=True)
class Auditor:
    """Audits one rule. `poll_seconds`: how often the source of a side is read; `per_second`: links to compare at most;
    `on_compared` is called after each.
    """

    run: RuleRun
    database: Database
    readers: Mapping[Side, TicketReader]
    poll_seconds: Mapping[Side, float]
    per_second: float
    on_compared: Callable[[AuditResult], None] = lambda _: None
    pause: Callable[[float], Awaitable[None]] = anyio.sleep

    async def run_once(self, *, resume: bool = False) -> AuditResult:
        """Compare all links; `resume`: those that the last audit, which was interrupted, did not come to.

        AuditInterruptedError where a source does not answer.
        """
        async with self.database.transaction() as connection:
            position = await link_audit.unfinished(connection, self.run.rule_id) if resume else None
            position = position or await link_audit.begin(connection, self.run.rule_id)
            left = await link_audit.count(connection, self.run.rule_id, after=position.last_link_id)
        result = AuditResult(self.run.rule.name, position.links, position.links + left)
        while links := await self._next(position):
            for link_id, left_id, right_id in links:
                started = anyio.current_time()
                found = await self._compare(link_id, {Side.LEFT: left_id, Side.RIGHT: right_id})
                drift = [DriftRow(link_id, one.field, one.left, one.right) for one in found if not one.reason]
                async with self.database.transaction() as connection:
                    await link_audit.proceed(connection, position.id, [link_id], drift)
                position = replace(position, links=position.links + 1, last_link_id=link_id)
                result.links = position.links
                result.differences += found
                self.on_compared(result)
                await self.pause(max(started + 1 / self.per_second - anyio.current_time(), 0.0))
        async with self.database.transaction() as connection:
            await link_audit.finish(connection, position.id)
        return result

    async def _next(self, position: AuditPosition) -> list[tuple[int, str, str]]:
        async with self.database.connection() as connection:
            return await link_audit.next_links(connection, self.run.rule_id, after=position.last_link_id, limit=_PAGE)

    async def _compare(self, link_id: int, ids: Mapping[Side, str]) -> list[AuditDifference]:
        """Return what differs between the tickets of a link, read now."""
        for _ in range(_TRIES):
            try:
                fresh = await self._read(ids)
            except PermanentError as error:
                return [_difference(link_id, ids, "", {}, reason=f"cannot be read: {error}")]
            async with self.database.connection() as connection:
                known = await self._known(connection, link_id)
            if known is None or (known.link.left_id, known.link.right_id) != (ids[Side.LEFT], ids[Side.RIGHT]):
                return []  # separated meanwhile
            if not any(_is_newer(ticket, fresh[side]) for (side, _), ticket in known.tickets.items()):
                found = self._differences(known, ids, fresh)
                await self._have_read(found, known, ids, fresh)
                return found
        return [_difference(link_id, ids, "", {}, reason=_MOVING)]

    async def _read(self, ids: Mapping[Side, str]) -> dict[Side, Ticket | None]:
        """Read both tickets, at the same time; None: it is gone."""
        fresh: dict[Side, Ticket | None] = {}
        failures: list[BridgeError] = []

        async def read(side: Side) -> None:
            try:
                fresh[side] = await self._fetch(side, ids[side])
            except BridgeError as error:
                failures.append(error)

        async with anyio.create_task_group() as group:
            for side in Side:
                group.start_soon(read, side)
        if failures:
            raise failures[0]
        return fresh

    async def _fetch(self, side: Side, ticket_id: str) -> Ticket | None:
        backoff = Backoff()
        while True:
            try:
                return await self.readers[side].fetch(ticket_id)
            except NotFoundError:
                return None
            except TransientError as error:
                if backoff.failures >= _TRIES:
                    raise AuditInterruptedError(str(error)) from error
                delay_seconds = backoff.after(error)
            await anyio.sleep(delay_seconds)

    async def _known(self, connection: Connection, link_id: int) -> _LinkFacts | None:
        """Read what the tables know, as of one moment: None where the link is gone."""
        before = (await link_table.read(connection, [link_id])).get(link_id)
        if before is None:
            return None
        [rule] = await link_rule.find(connection, self.run.rule.name)
        tickets = await self.run.tickets_of(connection, [before])
        writes = (await outbox.open_of(connection, [link_id])).get(link_id, [])
        conflicts = (await conflict.of_links(connection, [link_id])).get(link_id, [])
        after = (await link_table.read(connection, [link_id])).get(link_id)
        if after is None or after.revision != before.revision:
            return await self._known(connection, link_id)
        return _LinkFacts(rule.state, before, tickets, writes, [one for one in conflicts if one.settled_at is None])

    def _differences(
        self, known: _LinkFacts, ids: Mapping[Side, str], fresh: Mapping[Side, Ticket | None]
    ) -> list[AuditDifference]:
        gone = [side for side, ticket in fresh.items() if ticket is None]
        if gone:
            told = all((row := known.tickets.get((side, ids[side]))) is None or row.deleted for side in gone)
            where = " and ".join(self.run.rule.sources[side] for side in gone)
            says = {side: ids[side] for side in Side if side not in gone}
            reason = f"deleted at {where}, which is known" if told else ""
            why = f"not there any more at {where}, and the tables do not know it"
            return [_difference(known.link.id, ids, "", says, reason=reason, why="" if told else why)]
        before = self.run.pair(known.link, known.tickets)
        if before is None:
            return [_difference(known.link.id, ids, "", {}, reason="one ticket has not been read yet")]
        pair = {
            side: replace(before[side], record=ticket.record) for side, ticket in fresh.items() if ticket is not None
        }
        found = merge(self.run.rule, pair, known.link.base)
        names = {name for writes in found.writes.values() for name in writes} | found.conflicts.keys()
        differences = []
        for name in sorted(names):
            unseen = self._unseen(name, before, pair)
            reason = self._reason(known, name, unseen, fresh)
            seen = " and ".join(self.run.rule.sources[side] for side in unseen)
            why = (
                f"the bridge has not seen this change at {seen}" if unseen else "known to the bridge, and nothing waits"
            )
            values = found.before[name]
            differences.append(_difference(known.link.id, ids, name, values, reason=reason, why="" if reason else why))
        return differences

    def _unseen(self, name: str, before: Mapping[Side, SideTicket], pair: Mapping[Side, SideTicket]) -> list[Side]:
        """Sides that say something else of a field than the tables know."""
        [mapped] = [each for each in self.run.rule.fields if each.name == name]
        return [side for side in Side if mapped.says(side, before[side]) != mapped.says(side, pair[side])]

    def _reason(self, known: _LinkFacts, name: str, unseen: list[Side], fresh: Mapping[Side, Ticket | None]) -> str:
        """Why a field may differ; empty where nothing explains it."""
        if known.link.intent is not None:
            return "a write is under way"
        for row in known.writes:
            if row.kind is WriteKind.UPDATE:
                return f"a write is blocked: {row.error}" if row.state == "blocked" else "a write waits"
        for one in known.conflicts:
            if one.field == name:
                return f"a conflict waits: {one.kind}"
        if known.state != RULE_ON:
            return f"the rule is {known.state}"
        for side in unseen:
            ticket = fresh[side]
            if ticket is not None and self._is_new(side, ticket):
                return f"changed a moment ago at {self.run.rule.sources[side]}"
        return ""

    def _is_new(self, side: Side, ticket: Ticket) -> bool:
        """May this change be unknown yet? One without a time may."""
        if ticket.updated_at is None:
            return True
        at = ticket.server_at or ticket.asked_at
        return at - ticket.updated_at < timedelta(seconds=2 * self.poll_seconds[side]) + _GRACE

    async def _have_read(
        self,
        found: list[AuditDifference],
        known: _LinkFacts,
        ids: Mapping[Side, str],
        fresh: Mapping[Side, Ticket | None],
    ) -> None:
        """Have the leader read again what the tables do not know."""
        if all(one.reason for one in found):
            return
        behind = [
            side
            for side in Side
            if (row := known.tickets.get((side, ids[side]))) is not None
            and not row.deleted
            and (
                (ticket := fresh[side]) is None or self.run.rule.found_in(side, ticket.record) != self._says(side, row)
            )
        ]
        if behind:
            rows = [(self.run.source_ids[side], ids[side], "found different by an audit", now()) for side in behind]
            async with self.database.transaction() as connection:
                await refetch.request(connection, sorted(rows))

    def _says(self, side: Side, ticket: SideTicket) -> dict[str, str]:
        return self.run.rule.found_in(side, ticket.record)


def _is_newer(ticket: SideTicket, fresh: Ticket | None) -> bool:
    """Do the tables know something newer than what was just read?"""
    observed_at: datetime | None = ticket.observed_at
    return fresh is not None and observed_at is not None and observed_at > fresh.asked_at


def _difference(
    link_id: int, ids: Mapping[Side, str], name: str, says: Mapping[Side, str], *, reason: str = "", why: str = ""
) -> AuditDifference:
    left, right = says.get(Side.LEFT), says.get(Side.RIGHT)
    return AuditDifference(link_id, ids[Side.LEFT], ids[Side.RIGHT], name, left, right, reason, why)
