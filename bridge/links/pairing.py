"""Decides what becomes of tickets without a counterpart: they are joined with what was found, shown to a person where
several fit, or have their counterpart made. No I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.batch_state import SINGLE, BatchState
from bridge.links.counterpart_index import Match
from bridge.links.create import creating
from bridge.links.decide_link import LinkOutcome
from bridge.storage.conflict import NewConflict
from bridge.storage.link import LinkRow, NewLink
from bridge.storage.outbox import WriteKind


@dataclass(slots=True)
class Pairing:
    """Pairs within one batch. `may_create`: sides on which counterparts may be made, `allowed` of them at most."""

    state: BatchState
    may_create: frozenset[Side] = frozenset()
    allowed: int = 0

    def matches(self) -> dict[tuple[Side, str], Match]:
        """What is found for tickets without a counterpart; those of the left first, so that a batch has one order."""
        found: dict[tuple[Side, str], Match] = {}

        def find(side: Side, ticket: SideTicket, key: str) -> None:
            found[side, ticket.id] = self.state.run.index.find(side, ticket, key)

        for side, ticket_id in sorted(self.state.tickets, key=lambda key: (key[0] is Side.RIGHT, key[1])):
            link, ticket = self.state.of_ticket.get((side, ticket_id)), self.state.tickets[side, ticket_id]
            if link is not None and (link.state not in SINGLE or link.ticket(side.other) is not None):
                continue
            if link is None and (side, ticket_id) in self.state.separated:
                continue
            key = link.key if link is not None else self.state.run.key_of(side, ticket_id)
            self.state.each(side, ticket_id, partial(find, side, ticket, key))
        return found

    def begin(self, side: Side, ticket_id: str, match: Match) -> None:
        """Join a ticket with what was found, or have its counterpart made, or forget it."""
        link, ticket = self.state.of_ticket.get((side, ticket_id)), self.state.tickets[side, ticket_id]
        if link is not None and link.ticket(side.other) is not None:
            return  # joined a moment ago, from the other side
        if ticket.deleted or not (link is not None or self.state.run.rule.filter(side).met(ticket)):
            if link is not None and ticket.deleted:
                self.state.forget(link)
            return
        if link is None and (owner := self._owner(side, ticket)) is not None:
            self._belongs(side, ticket, owner)
            return
        other = match.unique
        if other is not None and self._join(side, ticket, other):
            return
        if other is None and match.tickets:
            self._block(side, ticket, link, match)
        elif (
            link is not None
            and link.state is not LinkState.BLOCKED
            and not self.state.run.rule.filter(side).met(ticket)
        ):
            self.state.forget(link)
        elif link is None or link.state is LinkState.WANTED:
            self._want(side, ticket, link)

    def _join(self, side: Side, ticket: SideTicket, other: str) -> bool:
        """Join two tickets; False: the other one is not known, not to be linked, or linked otherwise."""
        there = self.state.tickets.get((side.other, other))
        theirs, mine = self.state.of_ticket.get((side.other, other)), self.state.of_ticket.get((side, ticket.id))
        if there is None or there.deleted or (side.other, other) in self.state.separated:
            return False
        if mine is None and theirs is None and not self.state.run.rule.filter(side.other).met(there):
            return False
        if theirs is not None and (theirs.state not in SINGLE or theirs.ticket(side) is not None):
            return False
        ids = {side: ticket.id, side.other: other}
        self.state.result.linked += 1
        if mine is None and theirs is None:
            self.state.added.append(
                NewLink(
                    self.state.run.rule_id,
                    self._joined_key(ids, ticket, there),
                    "match",
                    LinkState.LINKED,
                    ids[Side.LEFT],
                    ids[Side.RIGHT],
                    linked_at=self.state.at,
                )
            )
            return True
        kept = theirs if theirs is not None else mine
        assert kept is not None  # noqa: S101 -- one of them is there
        if mine is not None and mine is not kept:
            self.state.forget(mine)
        joined = replace(
            kept,
            left_id=ids[Side.LEFT],
            right_id=ids[Side.RIGHT],
            state=LinkState.LINKED,
            state_reason=None,
            linked_at=self.state.at,
        )
        self.state.links[kept.id] = joined
        for each in Side:
            self.state.of_ticket[each, ids[each]] = joined
        self.state.saved[kept.id] = LinkOutcome(joined, dropped=[(each, WriteKind.CREATE) for each in Side])
        return True

    def _owner(self, side: Side, ticket: SideTicket) -> LinkRow | None:
        """The link that a ticket without one was made for, by the key it carries; or it is a copy of one that was."""
        for row in self.state.links.values() if ticket.keys else ():
            origin = row.ticket(side.other)
            if (
                row.key in ticket.keys
                and origin
                and row.key == self.state.run.key_of(side.other, origin, row.generation)
            ):
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
            self.state.duplicates.setdefault(owner.id, []).append((side, ticket.id))

    def _joined_key(self, ids: Mapping[Side, str], ticket: SideTicket, there: SideTicket) -> str:
        """The key of a matched pair: the one that one of them carries, else that of the counterpart of the left one."""
        for side in Side:
            key = self.state.run.key_of(side, ids[side])
            if key in ticket.keys | there.keys:
                return key
        return self.state.run.key_of(Side.LEFT, ids[Side.LEFT])

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
            self.state.saved[link.id] = LinkOutcome(blocked, dropped=[(side.other, WriteKind.CREATE)], conflicts=[kept])

    def _want(self, side: Side, ticket: SideTicket, link: LinkRow | None) -> None:
        """Have the counterpart made, where it may be. A ticket that has ended needs none."""
        if side.other not in self.state.run.rule.creates or ticket.ended:
            if link is not None:
                self.state.forget(link)
            return
        may = side.other in self.may_create and self.state.result.creates < self.allowed
        if side.other in self.may_create and not may:
            self.state.result.over = True
        if link is None:
            self._add_single(side, ticket, LinkState.CREATING if may else LinkState.WANTED, None)
        elif may:
            self.state.saved[link.id] = creating(self.state.run, side, ticket, link, self.state.at)
        if may:
            self.state.result.creates += 1

    def _add_single(self, side: Side, ticket: SideTicket, state: LinkState, reason: str | None) -> None:
        ids: dict[Side, str | None] = {side: ticket.id, side.other: None}
        self.state.added.append(
            NewLink(
                self.state.run.rule_id,
                self.state.run.key_of(side, ticket.id),
                side.value,
                state,
                ids[Side.LEFT],
                ids[Side.RIGHT],
                state_reason=reason,
            )
        )
