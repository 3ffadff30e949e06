"""What a rule would do now: the decisions of `bridge.links.decide` on all tickets, in memory, with nothing written.

Also a comparison of two sources: a rule with `mode = "plan"` needs no right to write. Links that exist are taken as
they are; tickets without one are matched, or counted as to be created.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from bridge.domain.link.comparison import MapComparison
from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.domain.link.merge import LinkMerge, merge
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.counterpart_index import Match
from bridge.links.duplicates import ending_of_duplicate
from bridge.links.outcome import decide_pair
from bridge.links.rule_run import RuleRun, Tickets
from bridge.links.take_over import links_to_take_over
from bridge.storage import conflict, link_ticket
from bridge.storage import link as link_table
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow
from bridge.storage.link_ticket import TicketRow

_PAGE: Final = 1000
_LINKED: Final = (LinkState.LINKED, LinkState.ENDED, LinkState.ORPHANED)
_ALONE: Final = (LinkState.WANTED, LinkState.CREATING, LinkState.UNLINKED)


class PlanStep(Struct, frozen=True):
    """One thing that would be done. `action`: match, create, write, ambiguous or conflict.

    `side`: that is written to. `field`, `before`, `text`: of a write; `why`: for people.
    """

    action: str
    left: str | None
    right: str | None
    side: str | None = None
    field: str | None = None
    before: str | None = None
    text: str | None = None
    why: str = ""


@dataclass(slots=True)
class RulePlan:
    """What a rule would do. `lumped`: words between which moves are not carried over, by field and side.

    `unmapped`: (field, side, word) → how many tickets say it.
    """

    rule: str
    steps: list[PlanStep] = field(default_factory=list)
    linked: int = 0
    unlinked: int = 0
    unmapped: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    lumped: list[tuple[str, str, list[str]]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many steps of each kind."""
        return dict(Counter(step.action for step in self.steps))

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "rule": self.rule,
            "linked": self.linked,
            "unlinked": self.unlinked,
            "counts": self.counts(),
            "steps": [{name: getattr(step, name) for name in step.__struct_fields__} for step in self.steps],
            "unmapped": [
                {"field": name, "side": side, "word": word, "tickets": tickets}
                for (name, side, word), tickets in sorted(self.unmapped.items())
            ],
            "lumped": [{"field": name, "side": side, "words": words} for name, side, words in self.lumped],
        }


async def plan_rule(run: RuleRun, connection: Connection, at: datetime) -> RulePlan:
    """Plan a rule; `run.rule_id` 0: it has no links yet. Tickets are read a page at a time."""
    plan = _Planning(run, connection, at, RulePlan(run.rule.name, lumped=list(_lumped(run))))
    for side in Side:
        async for rows in plan.pages(side):
            if left := [row for row in rows if (side, row.id) not in plan.taken]:
                await plan.take(side, [run.ticket(side, row) for row in left])
    return plan.plan


@dataclass(slots=True)
class _Planning:
    """A plan being made. `taken`: tickets that are in a link, or would be after what was planned so far."""

    run: RuleRun
    connection: Connection
    at: datetime
    plan: RulePlan
    taken: set[tuple[Side, str]] = field(default_factory=set)
    _indexed: bool = False

    async def pages(self, side: Side) -> AsyncIterator[list[TicketRow]]:
        """Yield all tickets of a side."""
        after = ""
        while rows := await link_ticket.page(self.connection, self.run.source_ids[side], after, limit=_PAGE):
            yield rows
            after = rows[-1].id

    async def _index(self) -> None:
        """Read what matches are found by, once, and only where a ticket is to be matched."""
        if self._indexed:
            return
        for side in Side:
            async for rows in self.pages(side):
                for row in rows:
                    self.run.index.put(side, self.run.ticket(side, row))
        self._indexed = True

    async def take(self, side: Side, tickets: list[SideTicket]) -> None:
        """Plan a page of tickets of one side."""
        ids = {each: [ticket.id for ticket in tickets] if each is side else [] for each in Side}
        found = await link_table.of_tickets(self.connection, self.run.rule_id, ids[Side.LEFT], ids[Side.RIGHT])
        links = await link_table.read(self.connection, found)
        if self.run.left_behind:
            known = {row.ticket(side) for row in links.values()}
            unlinked = [(side, ticket) for ticket in tickets if ticket.id not in known]
            links |= await links_to_take_over(self.connection, self.run, unlinked)
        separated = {row.ticket(side) for row in links.values() if row.state is LinkState.UNLINKED}
        linked = {row.ticket(side): row for row in reversed(links.values()) if row.state not in _ALONE}
        alone = [
            ticket
            for ticket in tickets
            if not (ticket.id in linked or ticket.id in separated or ticket.deleted)
            and self.run.rule.filter(side).met(ticket)
        ]
        if alone:
            await self._index()
        matches = {one.id: self.run.index.find(side, one, self.run.key_of(side, one.id)) for one in alone}
        wanted = {one for row in links.values() if (one := row.ticket(side.other)) is not None}
        wanted |= {one for match in matches.values() if (one := match.unique) is not None}
        others = await self.run.tickets(self.connection, {(side.other, one) for one in wanted})
        chosen = (await conflict.opened(self.connection, links)).choices
        owners = await self._owners(side, alone)
        for ticket in tickets:
            row = linked.get(ticket.id)
            if row is not None:
                await self._linked(row, {(side, ticket.id): ticket} | others, chosen.get(row.id, {}))
            elif (match := matches.get(ticket.id)) is None:
                self.plan.unlinked += not ticket.deleted
            elif (owner := next((owners[key] for key in ticket.keys if key in owners), None)) is not None:
                await self._duplicate(side, ticket, owner)
            elif (side, ticket.id) not in self.taken:
                await self._new(side, ticket, match, others)

    async def _linked(self, row: LinkRow, tickets: Tickets, choices: Mapping[str, Side]) -> None:
        pair = self.run.pair(row, tickets)
        if row.state not in _LINKED or pair is None or (Side.LEFT, pair[Side.LEFT].id) in self.taken:
            return
        self.taken |= {(side, ticket.id) for side, ticket in pair.items()}
        self.plan.linked += 1
        outcome = await decide_pair(self.run, self.connection, replace(row, intent=None), pair, choices, self.at)
        if outcome is not None and outcome.merged is not None:
            _add_merge(self.plan, self.run, pair, outcome.merged)
        if outcome is not None and (side := outcome.renewed) is not None:
            _add_create(self.plan, self.run, side, pair[side], outcome.link.state_reason or "")

    async def _owners(self, side: Side, tickets: list[SideTicket]) -> dict[str, LinkRow]:
        """The links whose keys these tickets carry, where another ticket stands in that place."""
        ids = await link_table.by_key(self.connection, {key for ticket in tickets for key in ticket.keys})
        rows = (await link_table.read(self.connection, ids)).values()
        return {
            row.key: row
            for row in rows
            if row.rule_id == self.run.rule_id and row.ticket(side) is not None and row.state is not LinkState.UNLINKED
            if row.key == self.run.key_of(side.other, row.ticket(side.other) or "", row.generation)
        }

    async def _duplicate(self, side: Side, ticket: SideTicket, owner: LinkRow) -> None:
        """A ticket beside the one that is linked is shown, or ended; once."""
        known = (await conflict.of_links(self.connection, [owner.id])).get(owner.id, ())
        ids, names = {side: ticket.id, side.other: owner.ticket(side.other)}, f"{owner.ticket(side)}, {ticket.id}"
        if any(row.kind is ConflictKind.DUPLICATE and names in (row.left_value, row.right_value) for row in known):
            self.plan.unlinked += 1
            return
        step = PlanStep("conflict", ids[Side.LEFT], ids[Side.RIGHT], why=f"duplicate: {owner.ticket(side)} has its key")
        if (ending := ending_of_duplicate(self.run, side, ticket)) is not None:
            before = self.run.rule.mapped_field(ending.field).says(side, ticket)
            step = replace(step, action="write", side=side.value, field=ending.field, before=before, text=ending.word)
        self.plan.steps.append(step)

    async def _new(self, side: Side, ticket: SideTicket, match: Match, others: Tickets) -> None:
        """Match a ticket without a link, or have its counterpart made."""
        there = others.get((side.other, match.unique or ""))
        free = there is not None and (side.other, there.id) not in self.taken
        if there is not None and free and self.run.rule.filter(side.other).met(there):
            self.taken |= {(side, ticket.id), (side.other, there.id)}
            pair = {side: ticket, side.other: there}
            self.plan.steps.append(PlanStep("match", pair[Side.LEFT].id, pair[Side.RIGHT].id, why=f"by {match.by}"))
            asked: list[str] = []
            found = merge(self.run.rule, pair, {}, since=lambda mapped, _side: asked.append(mapped.name))
            if asked:
                found = merge(self.run.rule, pair, {}, since=await self.run.times(self.connection, pair))
            _add_merge(self.plan, self.run, pair, found)
        elif match.unique is None and match.tickets:
            _add_ambiguous(self.plan, side, ticket, match)
        elif side.other in self.run.rule.creates and not ticket.ended:
            _add_create(self.plan, self.run, side, ticket)
        else:
            self.plan.unlinked += 1


def _add_ambiguous(plan: RulePlan, side: Side, ticket: SideTicket, match: Match) -> None:
    ids = {side: ticket.id, side.other: ", ".join(match.tickets)}
    rivals = f"; so does {', '.join(match.rivals)}" if match.rivals else ""
    why = f"{match.by} fits {len(match.tickets)} of the other side{rivals}"
    plan.steps.append(PlanStep("ambiguous", ids[Side.LEFT], ids[Side.RIGHT], why=why))


def _add_create(plan: RulePlan, run: RuleRun, side: Side, ticket: SideTicket, why: str = "no counterpart") -> None:
    ids: dict[Side, str | None] = {side: ticket.id, side.other: None}
    _, writes = run.rule.draft(side.other, ticket)
    for mapped in run.rule.fields:
        text = mapped.says(side, ticket)
        carried = isinstance(mapped.rule.comparison, MapComparison) and mapped.rule.direction.allows(side)
        if text and carried and mapped.name not in writes:
            plan.unmapped[mapped.name, side.value, text] += 1
    order = [mapped.name for mapped in run.rule.fields]
    texts = ", ".join(f"{name} {writes[name].text!r}" for name in sorted(writes, key=order.index))
    plan.steps.append(PlanStep("create", ids[Side.LEFT], ids[Side.RIGHT], side=side.other.value, text=texts, why=why))


def _add_merge(plan: RulePlan, run: RuleRun, pair: Mapping[Side, SideTicket], found: LinkMerge) -> None:
    """The writes and conflicts of a pair."""
    left, right = pair[Side.LEFT].id, pair[Side.RIGHT].id
    for side, writes in found.writes.items():
        for name, write in sorted(writes.items()):
            why = f"{side.other.value} says {write.derived_from!r}"
            if pair[side.other].deleted:
                why = f"{pair[side.other].id} was deleted"
            if name in found.conflicts:
                why += f", and wins over {found.before[name][side]!r}"
            before = found.before[name][side]
            plan.steps.append(PlanStep("write", left, right, side.value, name, before, write.text, why))
    for name, kept in sorted(found.conflicts.items()):
        if kept.kind is ConflictKind.OVERRULED:
            continue
        plan.steps.append(
            PlanStep("conflict", left, right, field=name, before=kept.left, text=kept.right, why=kept.kind.value)
        )
        if kept.kind is ConflictKind.UNMAPPED:
            _count_unmapped(plan, run, name, found.before[name])


def _count_unmapped(plan: RulePlan, run: RuleRun, name: str, says: Mapping[Side, str]) -> None:
    for mapped in run.rule.fields:
        for side in Side if mapped.name == name else ():
            if mapped.rule.direction.allows(side) and mapped.rule.comparison.put(side, says[side], None) is None:
                plan.unmapped[name, side.value, says[side]] += 1


def _lumped(run: RuleRun) -> Iterator[tuple[str, str, list[str]]]:
    for mapped in run.rule.fields:
        if isinstance(mapped.rule.comparison, MapComparison):
            for side, words in mapped.rule.comparison.word_map.lumped():
                yield mapped.name, side.value, words
