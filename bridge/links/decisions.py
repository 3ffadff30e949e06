"""What a sender asks of the rules (`bridge.links.decided_write.WriteDecisions`), answered from the tables."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from msgspec.structs import replace

from bridge.domain.link.field import FieldRule, FieldWrite
from bridge.domain.link.life import LinkState
from bridge.domain.link.rule import LinkLimits
from bridge.domain.link.sent_write import SentField, SentWrite
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import Record
from bridge.errors import BridgeError
from bridge.links.copy_notes import decide_copy, want_copies
from bridge.links.decide_link import LinkOutcome
from bridge.links.decided_write import Decided, DecidedLinks, DecidedWrite, UndecidableNowError
from bridge.links.duplicates import decide_end, has_ended
from bridge.links.outcome import decide_pair, store_outcomes
from bridge.links.rule_run import RuleRun, Tickets
from bridge.links.tickets import version_of
from bridge.schedule import now
from bridge.storage import conflict
from bridge.storage import link as link_table
from bridge.storage.conflict import OpenConflicts
from bridge.storage.database import Connection
from bridge.storage.errors import sqlstate_of
from bridge.storage.link import LinkRow
from bridge.storage.outbox import OutboxRow, WriteKind

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _OfRule:
    """What is to be decided of one rule: rows to be sent with their links, and links whose writes have ended."""

    rows: list[tuple[OutboxRow, LinkRow]] = field(default_factory=list)
    answered: list[LinkRow] = field(default_factory=list)


@dataclass(slots=True)
class RuleDecisions:
    """The rules that run, by their keys. `on_edited`: called with the notes that were edited after they were copied."""

    runs: dict[int, RuleRun] = field(default_factory=dict)
    on_edited: Callable[[str, Mapping[Side, int]], None] = lambda _rule, _edited: None

    async def decide(
        self,
        connection: Connection,
        links: Mapping[int, LinkRow],
        rows: Sequence[OutboxRow],
        answered: Collection[int],
        opened: OpenConflicts,
    ) -> DecidedLinks:
        """See `WriteDecisions.decide`."""
        found = DecidedLinks()
        of_rule: dict[int, _OfRule] = {}
        for row in rows:
            link = links.get(row.link_id)
            if link is None or row.rule_id not in self.runs:
                found.writes[row.id] = None
            elif link.intent is not None:
                found.writes[row.id] = UndecidableNowError("what came of another write of its link is not known yet")
            else:
                of_rule.setdefault(row.rule_id, _OfRule()).rows.append((row, link))
        for number in answered:
            if (link := links.get(number)) is not None and link.rule_id in self.runs:
                of_rule.setdefault(link.rule_id, _OfRule()).answered.append(link)
        for rule_id, ours in of_rule.items():
            await self._of_rule(self.runs[rule_id], connection, ours, opened, found)
        return found

    async def decide_answered(
        self, connection: Connection, links: Mapping[int, LinkRow], answered: Collection[int], opened: OpenConflicts
    ) -> DecidedLinks:
        """See `WriteDecisions.decide_answered`."""
        try:
            async with connection.transaction():  # what was decided by half is taken back
                return await self.decide(connection, links, (), answered, opened)
        except BridgeError:
            raise
        except Exception as error:  # the bulkhead: what came of the writes is stored, and the decider looks again
            if sqlstate_of(error):
                raise  # Postgres: another writer was faster, or is away; the caller's transaction means as much
            log.exception("links cannot be decided", links=sorted(answered))
            return DecidedLinks()

    async def again(self, connection: Connection, link_ids: Collection[int]) -> None:
        """See `WriteDecisions.again`."""
        links = await link_table.lock(connection, link_ids)
        opened = await conflict.opened(connection, links)
        decided = await self.decide_answered(connection, links, links, opened)
        await link_table.save(connection, list(decided.links.values()))

    def rule_ids(self) -> Collection[int]:
        """See `WriteDecisions.rule_ids`."""
        return self.runs.keys()

    def knows(self, rule_id: int) -> bool:
        """See `WriteDecisions.knows`."""
        return rule_id in self.runs

    def name(self, rule_id: int) -> str:
        """See `WriteDecisions.name`."""
        run = self.runs.get(rule_id)
        return "" if run is None else run.rule.name

    def fields(self, rule_id: int) -> Mapping[str, FieldRule]:
        """See `WriteDecisions.fields`."""
        run = self.runs.get(rule_id)
        return {} if run is None else {mapped.name: mapped.rule for mapped in run.rule.fields}

    def says(self, rule_id: int, side: Side, record: Record) -> dict[str, str]:
        """See `WriteDecisions.says`."""
        run = self.runs.get(rule_id)
        return {} if run is None else run.rule.found_in(side, record)

    def placeless(self, rule_id: int, side: Side, absent: Collection[str]) -> Collection[str]:
        """See `WriteDecisions.placeless`."""
        run = self.runs.get(rule_id) if absent else None
        return () if run is None else run.rule.placeless(side, absent)

    def has_ended(self, row: OutboxRow, record: Record) -> bool:
        """See `WriteDecisions.has_ended`."""
        run = self.runs.get(row.rule_id)
        return run is not None and has_ended(run, row.side, record)

    def limits(self, rule_id: int) -> LinkLimits:
        """See `WriteDecisions.limits`."""
        run = self.runs.get(rule_id)
        return LinkLimits() if run is None else run.rule.limits

    async def _of_rule(
        self, run: RuleRun, connection: Connection, ours: _OfRule, opened: OpenConflicts, found: DecidedLinks
    ) -> None:
        updates = [(row, link) for row, link in ours.rows if row.kind is WriteKind.UPDATE]
        if updates or ours.answered:
            both = [*(link for _, link in updates), *ours.answered]
            tickets, outcomes, links = await self._decided(run, connection, both, opened)
            found.links |= links
            for row, link in updates:
                found.writes[row.id] = _update(run, link, row.side, outcomes.get(link.id), tickets)
            as_decided = [
                replace(one, state=outcomes[one.id].link.state) if one.id in outcomes else one for one in ours.answered
            ]
            notes = await want_copies(connection, run, as_decided, tickets)
            self.on_edited(run.rule.name, notes.edited)
        for row, link in ours.rows:
            if row.kind is WriteKind.CREATE:
                found.writes[row.id] = await _create(run, connection, link, row.side)
            elif row.kind is WriteKind.NOTE:
                found.writes[row.id] = await decide_copy(connection, run, link, row)
            elif row.kind is not WriteKind.UPDATE:
                found.writes[row.id] = await decide_end(connection, run, link, row)

    async def _decided(
        self, run: RuleRun, connection: Connection, links: Sequence[LinkRow], opened: OpenConflicts
    ) -> tuple[Tickets, dict[int, LinkOutcome], dict[int, LinkRow]]:
        """Decide links of a rule and keep what follows; return their tickets, what was decided by link, and the links
        that are to be saved.
        """
        tickets = await run.tickets_of(connection, links)
        at, outcomes = now(), {}
        for link in links:
            if (pair := run.pair(link, tickets)) is None:
                continue
            outcome = await decide_pair(run, connection, link, pair, opened.choices.get(link.id, {}), at)
            if outcome is not None:
                outcomes[link.id] = outcome
        unsaved = await store_outcomes(connection, run, outcomes.values(), at, opened.fields, saves=False)
        return tickets, outcomes, unsaved


def _writes_of(outcome: LinkOutcome | None, side: Side) -> Mapping[str, FieldWrite]:
    return {} if outcome is None or outcome.stale or outcome.merged is None else outcome.merged.writes[side]


def _update(run: RuleRun, link: LinkRow, side: Side, outcome: LinkOutcome | None, tickets: Tickets) -> Decided:
    """What is to be written to a side of a link that was decided a moment ago."""
    if outcome is not None and outcome.stale:
        behind = ", ".join(outcome.stale.values())
        return UndecidableNowError(f"what is known of {behind} is older than the answer to our last write")
    writes = _writes_of(outcome, side)
    if outcome is None or outcome.merged is None or not writes:
        return None
    pair = run.pair(link, tickets)
    assert pair is not None  # noqa: S101 -- it was decided on a moment ago, in this transaction
    before = {name: outcome.merged.before[name][side] for name in writes}
    sent = SentWrite(WriteKind.UPDATE.value, side, _sent(writes, before), version_of(pair[side], run.kinds[side]))
    several = writes if len(writes) > 1 else {}
    parts = {name: run.rule.changes(side, {name: write}, pair) for name, write in several.items()}
    return DecidedWrite(outcome.link, sent, run.rule.changes(side, writes, pair), parts)


async def _create(run: RuleRun, connection: Connection, link: LinkRow, side: Side) -> DecidedWrite | None:
    """The counterpart that is to be made; None: it is there already, or its origin is gone."""
    origin_id = link.ticket(side.other)
    if link.state is not LinkState.CREATING or link.ticket(side) is not None or origin_id is None:
        return None
    origin = (await run.tickets(connection, [(side.other, origin_id)])).get((side.other, origin_id))
    if origin is None or origin.deleted:
        return None
    values, writes = run.rule.draft(side, replace(origin, key=link.key))
    return DecidedWrite(link, SentWrite(WriteKind.CREATE.value, side, _sent(writes, {})), values)


def _sent(writes: Mapping[str, FieldWrite], before: Mapping[str, str]) -> dict[str, SentField]:
    return {name: SentField(write.text, write.derived_from, before.get(name)) for name, write in writes.items()}
