"""A rule while it runs: its key, its sources, and how their tickets are read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import structlog
from msgspec.structs import replace

from bridge.domain.link.ending import Ending, ending_of
from bridge.domain.link.key import link_key
from bridge.domain.link.merge import Since
from bridge.domain.link.rule import LinkRule
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.conclude import unexpected
from bridge.links.counterpart_index import CounterpartIndex
from bridge.links.tickets import ticket_of_row, value_since
from bridge.storage import link_ticket
from bridge.storage.database import Connection
from bridge.storage.link import LinkRow
from bridge.storage.link_move import LeftBehind
from bridge.storage.link_ticket import TicketRow

log = structlog.get_logger(__name__)

Tickets = dict[tuple[Side, str], SideTicket]
Unreadable = dict[tuple[Side, str], str]
"""Tickets that cannot be read or compared, and why."""


@dataclass(slots=True)
class RuleRun:
    """One rule on one database. `kinds`, `addresses`: of the systems on both sides. `endings`: how their tickets are
    ended. `left_behind`: rules that are gone and whose links this one takes over (`bridge.links.take_over`).
    """

    rule: LinkRule
    rule_id: int
    source_ids: Mapping[Side, int]
    kinds: Mapping[Side, str]
    addresses: Mapping[Side, str] = field(default_factory=dict)
    left_behind: LeftBehind = field(default_factory=dict)
    index: CounterpartIndex = field(init=False)
    endings: Mapping[Side, Ending] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an empty index."""
        self.index = CounterpartIndex(self.rule)
        found = {side: ending_of(self.rule.fields, side, self.kinds[side]) for side in Side}
        self.endings = {side: ending for side, ending in found.items() if ending is not None}

    def side_of(self, source_id: int) -> Side | None:
        """The side of a source; None: it is not one of this rule."""
        return next((side for side, own in self.source_ids.items() if own == source_id), None)

    def ticket(self, side: Side, row: TicketRow) -> SideTicket:
        """Return a row as a ticket of a side."""
        return ticket_of_row(row, self.rule.sources[side], self.kinds[side], self.addresses.get(side, ""))

    def key_of(self, side: Side, ticket_id: str, generation: int = 0) -> str:
        """Return the key of the counterpart of a ticket."""
        return link_key(self.rule.name, self.rule.sources[side], ticket_id, generation)

    async def tickets(
        self, connection: Connection, wanted: Iterable[tuple[Side, str]], unreadable: Unreadable | None = None
    ) -> Tickets:
        """Read tickets; those that are not known are left out, and put into `unreadable`, where it is given, when an
        error that nobody expected keeps one from being read.
        """
        sides = {(self.source_ids[side], ticket_id): side for side, ticket_id in wanted}
        tickets: Tickets = {}
        for key, row in (await link_ticket.read(connection, sides)).items():
            side = sides[key]
            try:
                tickets[side, key[1]] = self.ticket(side, row)
            except Exception as error:  # the bulkhead: it costs no other ticket anything
                if unreadable is None:
                    raise
                unreadable[side, key[1]] = self.not_read(side, key[1], error)
        return tickets

    def not_read(self, side: Side, ticket_id: str, error: Exception) -> str:
        """Log that a ticket cannot be read or compared; return what people are shown."""
        source = self.rule.sources[side]
        log.error("ticket cannot be read", rule=self.rule.name, source=source, ticket=ticket_id, exc_info=error)
        return f"ticket {ticket_id} of {source} cannot be read: {unexpected(error)}"

    async def tickets_of(self, connection: Connection, links: Iterable[LinkRow]) -> Tickets:
        """Read the tickets of links."""
        return await self.tickets(
            connection, {(side, one) for link in links for side in Side if (one := link.ticket(side)) is not None}
        )

    def pair(self, link: LinkRow, tickets: Tickets) -> dict[Side, SideTicket] | None:
        """Return both tickets of a link with its key; None: one is not known. One that was known once and is no more
        was deleted: retention forgets no other.
        """
        found = {side: tickets.get((side, link.ticket(side) or "")) or self._pruned(link, side) for side in Side}
        if any(ticket is None for ticket in found.values()):
            return None
        return {side: replace(ticket, key=link.key) for side, ticket in found.items() if ticket is not None}

    def _pruned(self, link: LinkRow, side: Side) -> SideTicket | None:
        ticket_id, revision = link.ticket(side), link.revision_of(side)
        if ticket_id is None or revision is None:
            return None
        return SideTicket(id=ticket_id, source=self.rule.sources[side], record={}, revision=revision, deleted=True)

    async def times(self, connection: Connection, pair: Mapping[Side, SideTicket]) -> Since:
        """Read since when both tickets say what they say."""
        versions = {
            side: await link_ticket.versions(connection, self.source_ids[side], ticket.id)
            for side, ticket in pair.items()
        }
        return lambda mapped, side: value_since(mapped, side, pair[side], versions[side], self.kinds[side]).since
