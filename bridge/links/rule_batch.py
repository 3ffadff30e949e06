"""Decides a batch of tickets and links of one rule in the caller's transaction.

Tickets that begin to be linked are matched before a counterpart is made for them. Whatever came before this batch, and
in whatever order, the same tables follow: a pair that was found twice is joined once, and a link that another writer
changed meanwhile is decided again with the whole batch.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.domain.observation import Via
from bridge.links.batch_result import BatchResult
from bridge.links.copy_notes import want_copies
from bridge.links.counterpart_index import Match
from bridge.links.create import creating
from bridge.links.decide_link import LinkOutcome
from bridge.links.duplicates import keep_duplicates
from bridge.links.outcome import decide_contained, is_same, store_outcomes
from bridge.links.renew import add_links
from bridge.links.rule_run import RuleRun, Tickets, Unreadable
from bridge.links.take_over import take_over
from bridge.storage import conflict
from bridge.storage import link as link_table
from bridge.storage.conflict import NewConflict
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow, NewLink
from bridge.storage.outbox import WriteKind

SINGLE = (LinkState.WANTED, LinkState.CREATING, LinkState.BLOCKED)
"""States in which a link may have one ticket, and nothing is being sent for it."""


@dataclass(slots=True)
class RuleBatch:
    """One batch. `may_create`: sides on which counterparts may be made now, `allowed` of them at most."""

    run: RuleRun
    connection: Connection
    at: datetime
    may_create: frozenset[Side] = frozenset()
    allowed: int = 0
    result: BatchResult = field(default_factory=BatchResult)
    _tickets: Tickets = field(default_factory=dict)
    _links: dict[int, LinkRow] = field(default_factory=dict)
    _of_ticket: dict[tuple[Side, str], LinkRow] = field(default_factory=dict)
    _separated: set[tuple[Side, str]] = field(default_factory=set)
    _added: list[NewLink] = field(default_factory=list)
    _removed: set[int] = field(default_factory=set)
    _saved: dict[int, LinkOutcome] = field(default_factory=dict)
    _noted: list[LinkRow] = field(default_factory=list)
    _changed: set[tuple[Side, str]] = field(default_factory=set)
    _decided_before: set[tuple[Side, str]] = field(default_factory=set)
    _named: set[int] = field(default_factory=set)
    _open_fields: frozenset[tuple[int, str]] = frozenset()
    _unreadable: Unreadable = field(default_factory=dict)
    _duplicates: dict[int, list[tuple[Side, str]]] = field(default_factory=dict)

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
        self._tickets = await self.run.tickets(self.connection, changed | walked, self._unreadable)
        for side, ticket_id in changed:
            self._each(side, ticket_id, partial(self._put, side, ticket_id))
        changed -= await self._leave_out_decided(changed - walked)
        await self._load(changed | walked, link_ids)
        if self.run.left_behind:
            alone = [(side, ticket) for (side, _), ticket in self._tickets.items() if self._is_alone(side, ticket)]
            await self._load((), await take_over(self.connection, self.run, alone))
        carried = {key for place, one in self._tickets.items() if place not in self._of_ticket for key in one.keys}
        if carried:
            await self._load((), await link_table.by_key(self.connection, carried))
        matches = self._matches()
        await self._load({(side.other, one) for (side, _), match in matches.items() for one in match.tickets}, ())
        for key, match in matches.items():
            self._each(*key, partial(self._begin, *key, match))
        for row in map(self._links.get, link_ids):
            if row is not None and row.state in SINGLE and self._is_gone(row):
                self._forget(row)
        await self._add()
        await self._decide_pairs()
        await self._store()
        self.result.undecided += len(self._unreadable)
        return self.result

    def _each(self, side: Side, ticket_id: str, do: Callable[[], None]) -> None:
        """Do something for one ticket; an error that nobody expected costs no other ticket anything."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 -- the bulkhead
            self._unreadable[side, ticket_id] = self.run.not_read(side, ticket_id, error)

    def _put(self, side: Side, ticket_id: str) -> None:
        if (ticket := self._tickets.get((side, ticket_id))) is not None:
            self.run.index.put(side, ticket)
        else:
            self.run.index.remove(side, ticket_id)

    async def _leave_out_decided(self, changed: Iterable[tuple[Side, str]]) -> set[tuple[Side, str]]:
        """Forget changed tickets whose links were decided on what they say now, as on the answers to our own writes:
        their links are not even locked, so that no sender waits. A later change of the other ticket is a change of its
        own.
        """
        revisions = {place: one.revision for place in changed if (one := self._tickets.get(place)) is not None}
        if not revisions:
            return set()
        decided = await link_table.decided_on(self.connection, self.run.rule_id, revisions)
        self.result.echoes += sum(self._tickets.pop(place).via == Via.WRITE for place in decided)
        return decided

    async def _load(self, tickets: Iterable[tuple[Side, str]], link_ids: Iterable[int]) -> None:
        """Lock the links of tickets, and read what both their sides say."""
        wanted = set(tickets)
        ids = {side: [one for each, one in wanted if each is side] for side in Side}
        found = await link_table.of_tickets(self.connection, self.run.rule_id, ids[Side.LEFT], ids[Side.RIGHT])
        lock = link_table.lock_more if self._links else link_table.lock
        locked = await lock(self.connection, {*found, *link_ids} - self._links.keys())
        new = {number: one for number, one in locked.items() if one.rule_id == self.run.rule_id}
        self._links |= new
        for one in new.values():
            for side in Side:
                if (ticket_id := one.ticket(side)) is None:
                    continue
                if one.state is LinkState.UNLINKED:
                    self._separated.add((side, ticket_id))
                else:
                    self._of_ticket[side, ticket_id] = one
        linked = {place for row in new.values() if not self._is_decided(row) for place in row.tickets}
        missing = (wanted | linked) - self._tickets.keys()
        self._tickets |= await self.run.tickets(self.connection, missing, self._unreadable)

    def _is_alone(self, side: Side, ticket: SideTicket) -> bool:
        place = (side, ticket.id)
        return place not in self._of_ticket and place not in self._separated

    def _is_gone(self, row: LinkRow) -> bool:
        """Were its tickets deleted, and has retention forgotten them? One that cannot be read is there."""
        return not any(place in self._tickets or place in self._unreadable for place in row.tickets)

    def _is_decided(self, row: LinkRow) -> bool:
        """Has the walk over the left decided this pair?"""
        if row.left_id is None or row.id in self._named:
            return False
        return (Side.RIGHT, row.right_id) in self._decided_before and (Side.LEFT, row.left_id) not in self._tickets

    def _matches(self) -> dict[tuple[Side, str], Match]:
        """What is found for tickets without a counterpart; those of the left first, so that a batch has one order."""
        found: dict[tuple[Side, str], Match] = {}

        def find(side: Side, ticket: SideTicket, key: str) -> None:
            found[side, ticket.id] = self.run.index.find(side, ticket, key)

        for side, ticket_id in sorted(self._tickets, key=lambda key: (key[0] is Side.RIGHT, key[1])):
            link, ticket = self._of_ticket.get((side, ticket_id)), self._tickets[side, ticket_id]
            if link is not None and (link.state not in SINGLE or link.ticket(side.other) is not None):
                continue
            if link is None and (side, ticket_id) in self._separated:
                continue
            key = link.key if link is not None else self.run.key_of(side, ticket_id)
            self._each(side, ticket_id, partial(find, side, ticket, key))
        return found

    def _begin(self, side: Side, ticket_id: str, match: Match) -> None:
        """Join a ticket with what was found, or have its counterpart made, or forget it."""
        link, ticket = self._of_ticket.get((side, ticket_id)), self._tickets[side, ticket_id]
        if link is not None and link.ticket(side.other) is not None:
            return  # joined a moment ago, from the other side
        if ticket.deleted or not (link is not None or self.run.rule.filter(side).met(ticket)):
            if link is not None and ticket.deleted:
                self._forget(link)
            return
        if link is None and (owner := self._owner(side, ticket)) is not None:
            self._belongs(side, ticket, owner)
            return
        other = match.unique
        if other is not None and self._join(side, ticket, other):
            return
        if other is None and match.tickets:
            self._block(side, ticket, link, match)
        elif link is not None and link.state is not LinkState.BLOCKED and not self.run.rule.filter(side).met(ticket):
            self._forget(link)
        elif link is None or link.state is LinkState.WANTED:
            self._want(side, ticket, link)

    def _join(self, side: Side, ticket: SideTicket, other: str) -> bool:
        """Join two tickets; False: the other one is not known, not to be linked, or linked otherwise."""
        there = self._tickets.get((side.other, other))
        theirs, mine = self._of_ticket.get((side.other, other)), self._of_ticket.get((side, ticket.id))
        if there is None or there.deleted or (side.other, other) in self._separated:
            return False
        if mine is None and theirs is None and not self.run.rule.filter(side.other).met(there):
            return False
        if theirs is not None and (theirs.state not in SINGLE or theirs.ticket(side) is not None):
            return False
        ids = {side: ticket.id, side.other: other}
        self.result.linked += 1
        if mine is None and theirs is None:
            self._added.append(
                NewLink(
                    self.run.rule_id,
                    self._joined_key(ids, ticket, there),
                    "match",
                    LinkState.LINKED,
                    ids[Side.LEFT],
                    ids[Side.RIGHT],
                    linked_at=self.at,
                )
            )
            return True
        kept = theirs if theirs is not None else mine
        assert kept is not None  # noqa: S101 -- one of them is there
        if mine is not None and mine is not kept:
            self._forget(mine)
        joined = replace(
            kept,
            left_id=ids[Side.LEFT],
            right_id=ids[Side.RIGHT],
            state=LinkState.LINKED,
            state_reason=None,
            linked_at=self.at,
        )
        self._links[kept.id] = joined
        for each in Side:
            self._of_ticket[each, ids[each]] = joined
        self._saved[kept.id] = LinkOutcome(joined, dropped=[(each, WriteKind.CREATE) for each in Side])
        return True

    def _owner(self, side: Side, ticket: SideTicket) -> LinkRow | None:
        """The link that a ticket without one was made for, by the key it carries; or it is a copy of one that was."""
        for row in self._links.values() if ticket.keys else ():
            origin = row.ticket(side.other)
            if row.key in ticket.keys and origin and row.key == self.run.key_of(side.other, origin, row.generation):
                return row
        return None

    def _belongs(self, side: Side, ticket: SideTicket, owner: LinkRow) -> None:
        """Join a ticket with the link it was made for. Where its create is not settled, the answer joins it; beside
        another ticket it is a duplicate, and gets no counterpart.
        """
        origin = owner.ticket(side.other)
        if owner.ticket(side) is None and owner.state in SINGLE and origin is not None:
            self._join(side, ticket, origin)
        elif owner.ticket(side) not in (None, ticket.id) and owner.state is not LinkState.UNLINKED:
            self._duplicates.setdefault(owner.id, []).append((side, ticket.id))

    def _joined_key(self, ids: Mapping[Side, str], ticket: SideTicket, there: SideTicket) -> str:
        """The key of a matched pair: the one that one of them carries, else that of the counterpart of the left one."""
        for side in Side:
            key = self.run.key_of(side, ids[side])
            if key in ticket.keys | there.keys:
                return key
        return self.run.key_of(Side.LEFT, ids[Side.LEFT])

    def _block(self, side: Side, ticket: SideTicket, link: LinkRow | None, match: Match) -> None:
        """Several tickets match: a person has to join the right ones."""
        here, there = [ticket.id, *match.rivals], list(match.tickets)
        reason = f"{match.by} matches {', '.join(there)} and {', '.join(here)}"[:500]
        if link is None:
            self._add_single(side, ticket, LinkState.BLOCKED, reason)
        elif link.state is not LinkState.BLOCKED or link.state_reason != reason:
            blocked = replace(link, state=LinkState.BLOCKED, state_reason=reason, behind_since=None)
            texts = {side: ", ".join(here), side.other: ", ".join(there)}
            kept = NewConflict(link.id, "", ConflictKind.AMBIGUOUS, texts[Side.LEFT], texts[Side.RIGHT])
            self._saved[link.id] = LinkOutcome(blocked, dropped=[(side.other, WriteKind.CREATE)], conflicts=[kept])

    def _want(self, side: Side, ticket: SideTicket, link: LinkRow | None) -> None:
        """Have the counterpart made, where it may be. A ticket that has ended needs none."""
        if side.other not in self.run.rule.creates or ticket.ended:
            if link is not None:
                self._forget(link)
            return
        may = side.other in self.may_create and self.result.creates < self.allowed
        if side.other in self.may_create and not may:
            self.result.over = True
        if link is None:
            self._add_single(side, ticket, LinkState.CREATING if may else LinkState.WANTED, None)
        elif may:
            self._saved[link.id] = creating(self.run, side, ticket, link, self.at)
        if may:
            self.result.creates += 1

    def _add_single(self, side: Side, ticket: SideTicket, state: LinkState, reason: str | None) -> None:
        ids: dict[Side, str | None] = {side: ticket.id, side.other: None}
        self._added.append(
            NewLink(
                self.run.rule_id,
                self.run.key_of(side, ticket.id),
                side.value,
                state,
                ids[Side.LEFT],
                ids[Side.RIGHT],
                state_reason=reason,
            )
        )

    def _forget(self, link: LinkRow) -> None:
        """A ticket alone is no longer to be linked."""
        if link.state in SINGLE and not (link.left_id and link.right_id):
            self._removed.add(link.id)

    async def _add(self) -> None:
        """Add new links; what belongs to them follows their numbers."""
        made = await add_links(self.connection, self.run, self._added)
        rows = await link_table.lock(self.connection, made.values())
        for row in rows.values():
            self._links[row.id] = row
            side = Side.LEFT if row.left_id is not None else Side.RIGHT
            ticket = self._tickets[side, row.ticket(side) or ""]
            if row.state is LinkState.CREATING:
                self._saved[row.id] = self._created(side, ticket, row)
            elif row.state is LinkState.BLOCKED:
                kept = NewConflict(row.id, "", ConflictKind.AMBIGUOUS, row.left_id, row.right_id)
                self._saved[row.id] = LinkOutcome(row, conflicts=[kept])

    def _created(self, side: Side, ticket: SideTicket, row: LinkRow) -> LinkOutcome:
        try:
            return creating(self.run, side, ticket, row, self.at)
        except Exception as error:  # noqa: BLE001 -- the bulkhead: a person looks at this one
            reason = self._unreadable[side, ticket.id] = self.run.not_read(side, ticket.id, error)
            return LinkOutcome(replace(row, state=LinkState.BLOCKED, state_reason=reason))

    async def _decide_pairs(self) -> None:
        """Decide all links of two tickets."""
        both = {
            number: one
            for number, one in self._links.items()
            if one.left_id and one.right_id and not self._is_decided(one)
        }
        missing = {(side, one.ticket(side) or "") for one in both.values() for side in Side} - self._tickets.keys()
        self._tickets |= await self.run.tickets(self.connection, missing, self._unreadable)
        opened = await conflict.opened(self.connection, both)
        self._open_fields, chosen = opened.fields, opened.choices
        for number, row in both.items():
            pair = None if self._is_unreadable(row) else self.run.pair(row, self._tickets)
            if pair is None:
                if row.checked_at is None:
                    self._saved.setdefault(number, LinkOutcome(replace(row, checked_at=self.at)))
                continue
            choices = chosen.get(number, {})
            outcome, error = await decide_contained(self.run, self.connection, row, pair, choices, self.at)
            self.result.undecided += error is not None
            if outcome is not None and not outcome.wanted:
                self.result.echoes += sum(
                    ticket.via == Via.WRITE and (side, ticket.id) in self._changed for side, ticket in pair.items()
                )
            linked = outcome is not None and outcome.merged is not None and outcome.link.state is LinkState.LINKED
            if linked and _is_news(row, pair):
                self._noted.append(row)
            if outcome is None or (number not in chosen and number not in self._saved and is_same(row, outcome)):
                continue
            if number in self._saved:
                outcome.dropped += self._saved[number].dropped
            if outcome.renewed is not None or (outcome.wanted and row.behind_since is None):
                self.result.changes += 1
                self.result.bereft += any(ticket.deleted for ticket in pair.values())
            self._saved[number] = outcome

    def _is_unreadable(self, row: LinkRow) -> bool:
        """Does one of its tickets keep a link from being decided? Which one is said at the link; it is not deleted."""
        keys = [(side, row.ticket(side) or "") for side in Side]
        reason = "; ".join(self._unreadable[key] for key in keys if key in self._unreadable)
        if reason and row.id not in self._saved and row.state_reason != reason:
            self._saved[row.id] = LinkOutcome(replace(row, state_reason=reason, checked_at=self.at))
        return bool(reason)

    async def _store(self) -> None:
        outcomes = [one for number, one in self._saved.items() if number not in self._removed]
        if self._removed:
            await self._remove()
        await store_outcomes(self.connection, self.run, outcomes, self.at, self._open_fields)
        self.result.duplicates += await keep_duplicates(
            self.connection, self.run, self._links, self._duplicates, self._tickets
        )
        notes = await want_copies(self.connection, self.run, self._noted, self._tickets)
        self.result.wrote |= notes.wanted > 0
        self.result.edited_notes += notes.edited
        for outcome in outcomes:
            self.result.count(outcome)

    async def _remove(self) -> None:
        """Forget single tickets; a create of theirs that waits goes with them."""
        rows = [self._links[number] for number in sorted(self._removed)]
        await link_table.save(self.connection, [replace(row, state=LinkState.WANTED) for row in rows])
        await link_table.remove(self.connection, [row.id for row in rows])


def _is_news(row: LinkRow, pair: Mapping[Side, SideTicket]) -> bool:
    """Did one of the tickets change since the link was last decided?"""
    return (row.left_revision, row.right_revision) != (pair[Side.LEFT].revision, pair[Side.RIGHT].revision)
