"""Decides a batch of tickets and links of one rule in the caller's transaction.

Tickets that begin to be linked are matched before a counterpart is made for them. Whatever came before this batch, and
in whatever order, the same tables follow: a pair that was found twice is joined once, and a link that another writer
changed meanwhile is decided again with the whole batch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.domain.observation import Via
from bridge.links.batch_result import BatchResult
from bridge.links.batch_state import SINGLE, BatchState
from bridge.links.copy_notes import want_copies
from bridge.links.create import creating
from bridge.links.decide_link import LinkOutcome
from bridge.links.duplicates import keep_duplicates
from bridge.links.outcome import decide_contained, is_same, store_outcomes
from bridge.links.pairing import Pairing
from bridge.links.renew import add_links
from bridge.links.rule_run import RuleRun
from bridge.links.take_over import take_over
from bridge.storage import conflict
from bridge.storage import link as link_table
from bridge.storage.conflict import NewConflict
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow


@dataclass(slots=True)
class RuleBatch:
    """One batch. `may_create`: sides on which counterparts may be made now, `allowed` of them at most."""

    run: RuleRun
    connection: Connection
    at: datetime
    may_create: InitVar[frozenset[Side]] = frozenset()
    allowed: InitVar[int] = 0
    _state: BatchState = field(init=False)
    _pairing: Pairing = field(init=False)
    _noted: list[LinkRow] = field(default_factory=list)
    _changed: set[tuple[Side, str]] = field(default_factory=set)
    _decided_before: set[tuple[Side, str]] = field(default_factory=set)
    _named: set[int] = field(default_factory=set)
    _open_fields: frozenset[tuple[int, str]] = frozenset()

    def __post_init__(self, may_create: frozenset[Side], allowed: int) -> None:
        """Nothing is known yet."""
        self._state = BatchState(self.run, self.at)
        self._pairing = Pairing(self._state, may_create, allowed)

    async def decide(
        self,
        changed: Iterable[tuple[Side, str]],
        link_ids: Iterable[int] = (),
        walked: Iterable[tuple[Side, str]] = (),
    ) -> BatchResult:
        """Decide these tickets, with the links they are in, and these links.

        `walked`: tickets that nothing is known to have happened to. Of the right, only those without a counterpart are
        decided: the walk over the left has decided all pairs.
        """
        changed, link_ids, walked = set(changed), set(link_ids), set(walked)
        self._changed = changed
        self._decided_before = {key for key in walked if key[0] is Side.RIGHT} - changed
        self._named = link_ids
        self._state.tickets = await self.run.tickets(self.connection, changed | walked, self._state.unreadable)
        for side, ticket_id in changed:
            self._state.each(side, ticket_id, partial(self._put, side, ticket_id))
        changed -= await self._leave_out_decided(changed - walked)
        await self._load(changed | walked, link_ids)
        if self.run.left_behind:
            await self._load((), await take_over(self.connection, self.run, self._state.alone()))
        carried = {
            key for place, one in self._state.tickets.items() if place not in self._state.of_ticket for key in one.keys
        }
        if carried:
            await self._load((), await link_table.by_key(self.connection, carried))
        matches = self._pairing.matches()
        await self._load({(side.other, one) for (side, _), match in matches.items() for one in match.tickets}, ())
        for key, match in matches.items():
            self._state.each(*key, partial(self._pairing.begin, *key, match))
        for row in map(self._state.links.get, link_ids):
            if row is not None and row.state in SINGLE and self._is_gone(row):
                self._state.forget(row)
        await self._add()
        await self._decide_pairs()
        await self._store()
        self._state.result.undecided += len(self._state.unreadable)
        return self._state.result

    def _put(self, side: Side, ticket_id: str) -> None:
        if (ticket := self._state.tickets.get((side, ticket_id))) is not None:
            self.run.index.put(side, ticket)
        else:
            self.run.index.remove(side, ticket_id)

    async def _leave_out_decided(self, changed: Iterable[tuple[Side, str]]) -> set[tuple[Side, str]]:
        """Forget changed tickets whose links were decided on what they say now, as on the answers to our own writes:
        their links are not even locked, so that no sender waits. A later change of the other ticket is a change of its
        own.
        """
        revisions = {place: one.revision for place in changed if (one := self._state.tickets.get(place)) is not None}
        if not revisions:
            return set()
        decided = await link_table.decided_on(self.connection, self.run.rule_id, revisions)
        self._state.result.echoes += sum(self._state.tickets.pop(place).via == Via.WRITE for place in decided)
        return decided

    async def _load(self, tickets: Iterable[tuple[Side, str]], link_ids: Iterable[int]) -> None:
        """Lock the links of tickets, and read what both their sides say."""
        wanted = set(tickets)
        ids = {side: [one for each, one in wanted if each is side] for side in Side}
        found = await link_table.of_tickets(self.connection, self.run.rule_id, ids[Side.LEFT], ids[Side.RIGHT])
        lock = link_table.lock_more if self._state.links else link_table.lock
        locked = await lock(self.connection, {*found, *link_ids} - self._state.links.keys())
        new = {number: one for number, one in locked.items() if one.rule_id == self.run.rule_id}
        self._state.links |= new
        for one in new.values():
            for side in Side:
                if (ticket_id := one.ticket(side)) is None:
                    continue
                if one.state is LinkState.UNLINKED:
                    self._state.separated.add((side, ticket_id))
                else:
                    self._state.of_ticket[side, ticket_id] = one
        linked = {place for row in new.values() if not self._is_decided(row) for place in row.tickets}
        missing = (wanted | linked) - self._state.tickets.keys()
        self._state.tickets |= await self.run.tickets(self.connection, missing, self._state.unreadable)

    def _is_gone(self, row: LinkRow) -> bool:
        """Were its tickets deleted, and has retention forgotten them? One that cannot be read is there."""
        return not any(place in self._state.tickets or place in self._state.unreadable for place in row.tickets)

    def _is_decided(self, row: LinkRow) -> bool:
        """Has the walk over the left decided this pair?"""
        if row.left_id is None or row.id in self._named:
            return False
        return (Side.RIGHT, row.right_id) in self._decided_before and (
            Side.LEFT,
            row.left_id,
        ) not in self._state.tickets

    async def _add(self) -> None:
        """Add new links; what belongs to them follows their numbers."""
        made = await add_links(self.connection, self.run, self._state.added)
        rows = await link_table.lock(self.connection, made.values())
        for row in rows.values():
            self._state.links[row.id] = row
            side = Side.LEFT if row.left_id is not None else Side.RIGHT
            ticket = self._state.tickets[side, row.ticket(side) or ""]
            if row.state is LinkState.CREATING:
                self._state.saved[row.id] = self._created(side, ticket, row)
            elif row.state is LinkState.BLOCKED:
                kept = NewConflict(row.id, "", ConflictKind.AMBIGUOUS, row.left_id, row.right_id)
                self._state.saved[row.id] = LinkOutcome(row, conflicts=[kept])

    def _created(self, side: Side, ticket: SideTicket, row: LinkRow) -> LinkOutcome:
        try:
            return creating(self.run, side, ticket, row, self.at)
        except Exception as error:  # noqa: BLE001 -- the bulkhead: a person looks at this one
            reason = self._state.unreadable[side, ticket.id] = self.run.not_read(side, ticket.id, error)
            return LinkOutcome(replace(row, state=LinkState.BLOCKED, state_reason=reason))

    async def _decide_pairs(self) -> None:
        """Decide all links of two tickets."""
        both = {
            number: one
            for number, one in self._state.links.items()
            if one.left_id and one.right_id and not self._is_decided(one)
        }
        missing = {
            (side, one.ticket(side) or "") for one in both.values() for side in Side
        } - self._state.tickets.keys()
        self._state.tickets |= await self.run.tickets(self.connection, missing, self._state.unreadable)
        opened = await conflict.opened(self.connection, both)
        self._open_fields, chosen = opened.fields, opened.choices
        for number, row in both.items():
            pair = None if self._is_unreadable(row) else self.run.pair(row, self._state.tickets)
            if pair is None:
                if row.checked_at is None:
                    self._state.saved.setdefault(number, LinkOutcome(replace(row, checked_at=self.at)))
                continue
            choices = chosen.get(number, {})
            outcome, error = await decide_contained(self.run, self.connection, row, pair, choices, self.at)
            self._state.result.undecided += error is not None
            if outcome is not None and not outcome.wanted:
                self._state.result.echoes += sum(
                    ticket.via == Via.WRITE and (side, ticket.id) in self._changed for side, ticket in pair.items()
                )
            linked = outcome is not None and outcome.merged is not None and outcome.link.state is LinkState.LINKED
            if linked and _is_news(row, pair):
                self._noted.append(row)
            if outcome is None or (number not in chosen and number not in self._state.saved and is_same(row, outcome)):
                continue
            if number in self._state.saved:
                outcome.dropped += self._state.saved[number].dropped
            if outcome.renewed is not None or (outcome.wanted and row.behind_since is None):
                self._state.result.changes += 1
                self._state.result.bereft += any(ticket.deleted for ticket in pair.values())
            self._state.saved[number] = outcome

    def _is_unreadable(self, row: LinkRow) -> bool:
        """Does one of its tickets keep a link from being decided? Which one is said at the link; it is not deleted."""
        keys = [(side, row.ticket(side) or "") for side in Side]
        reason = "; ".join(self._state.unreadable[key] for key in keys if key in self._state.unreadable)
        if reason and row.id not in self._state.saved and row.state_reason != reason:
            self._state.saved[row.id] = LinkOutcome(replace(row, state_reason=reason, checked_at=self.at))
        return bool(reason)

    async def _store(self) -> None:
        outcomes = [one for number, one in self._state.saved.items() if number not in self._state.removed]
        if self._state.removed:
            await self._remove()
        await store_outcomes(self.connection, self.run, outcomes, self.at, self._open_fields)
        self._state.result.duplicates += await keep_duplicates(
            self.connection, self.run, self._state.links, self._state.duplicates, self._state.tickets
        )
        notes = await want_copies(self.connection, self.run, self._noted, self._state.tickets)
        self._state.result.wrote |= notes.wanted > 0
        self._state.result.edited_notes += notes.edited
        for outcome in outcomes:
            self._state.result.count(outcome)

    async def _remove(self) -> None:
        """Forget single tickets; a create of theirs that waits goes with them."""
        rows = [self._state.links[number] for number in sorted(self._state.removed)]
        await link_table.save(self.connection, [replace(row, state=LinkState.WANTED) for row in rows])
        await link_table.remove(self.connection, [row.id for row in rows])


def _is_news(row: LinkRow, pair: Mapping[Side, SideTicket]) -> bool:
    """Did one of the tickets change since the link was last decided?"""
    return (row.left_revision, row.right_revision) != (pair[Side.LEFT].revision, pair[Side.RIGHT].revision)
