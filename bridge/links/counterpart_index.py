"""Which tickets may belong together: by our key, or by texts that are equal on both sides.

Kept in memory by the process that leads, in a table of its own (`bridge.links.place_table`): filled from all tickets at
the start, and corrected with every change. A pair is found only where the text stands in one ticket of each side, so
that the order of arrival decides nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from msgspec import Struct

from bridge.domain.link.key import link_key
from bridge.domain.link.path import text_of
from bridge.domain.link.rule import LinkRule, Matcher
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.place_table import PlaceTable

_CARRIED: Final = "carried"
_OWN: Final = "own"
"""Ways to match by key: a key that a ticket carries, and the key of its own counterpart."""


class Match(Struct, frozen=True):
    """What was found for a ticket. `tickets`: of the other side; more than one, or `rivals` of its own side: ambiguous.

    `by`: how, for people.
    """

    tickets: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    by: str = ""

    @property
    def unique(self) -> str | None:
        """The one ticket that belongs to it."""
        return self.tickets[0] if len(self.tickets) == 1 and not self.rivals else None


@dataclass(slots=True)
class CounterpartIndex:
    """The tickets of both sides of a rule by their texts."""

    rule: LinkRule
    _table: PlaceTable = field(default_factory=PlaceTable)

    def put(self, side: Side, ticket: SideTicket) -> None:
        """Take a ticket as it is now; a deleted one goes, and so does one by which nothing is found."""
        places = () if ticket.deleted else tuple(self._places_of(side, ticket))
        if places:
            self._table.put(_ticket(side, ticket.id), ticket.id, places, ticket.created_at)
        else:
            self.remove(side, ticket.id)

    def remove(self, side: Side, ticket_id: str) -> None:
        """Forget a ticket that is not known any more."""
        self._table.remove(_ticket(side, ticket_id))

    def find(self, side: Side, ticket: SideTicket, key: str) -> Match:
        """Find what belongs to a ticket; `key`: that of its counterpart.

        A counterpart that we made carries the key, and one that carries a key belongs to the ticket it was made for.
        Else the first way that finds anything decides.
        """
        if self.rule.match_key:
            carriers = set(self._table.find(_place(side.other, _CARRIED, key)))
            for carried in ticket.keys:
                carriers |= self._table.find(_place(side.other, _OWN, carried)).keys()
            if carriers:
                return Match(tuple(sorted(carriers)), by="key")
        for number, matcher in enumerate(self.rule.matchers):
            match = self._match(side, ticket, number, matcher)
            if match.tickets:
                return match
        return Match()

    def _match(self, side: Side, ticket: SideTicket, number: int, matcher: Matcher) -> Match:
        found: set[str] = set()
        rivals: set[str] = set()
        for text in _texts(matcher, side, ticket):
            others = self._table.find(_place(side.other, str(number), text))
            near = {other for other, created in others.items() if self._near(ticket, created)}
            found |= near
            if near:
                rivals |= self._table.find(_place(side, str(number), text)).keys() - {ticket.id}
        by = f"{matcher.left.text} = {matcher.right.text}"
        return Match(tuple(sorted(found)), tuple(sorted(rivals)), by)

    def _near(self, ticket: SideTicket, created: float) -> bool:
        """Were both created within the days that the rule allows? Also where a side does not say."""
        if self.rule.created_within == timedelta(0) or ticket.created_at is None or math.isnan(created):
            return True
        return abs(ticket.created_at.timestamp() - created) <= self.rule.created_within.total_seconds()

    def _places_of(self, side: Side, ticket: SideTicket) -> Iterator[str]:
        if self.rule.match_key:
            yield _place(side, _OWN, link_key(self.rule.name, self.rule.sources[side], ticket.id))
            yield from (_place(side, _CARRIED, key) for key in ticket.keys)
        for number, matcher in enumerate(self.rule.matchers):
            yield from (_place(side, str(number), text) for text in _texts(matcher, side, ticket))


def _place(side: Side, way: str, text: str) -> str:
    """A side, the way to match, and a text."""
    return f"{side.value} {way} {text}"


def _ticket(side: Side, ticket_id: str) -> str:
    return _place(side, "ticket", ticket_id)


def _texts(matcher: Matcher, side: Side, ticket: SideTicket) -> set[str]:
    value = matcher.path(side).find(ticket)
    values = value if isinstance(value, list) else [value]
    return {text for each in values if (text := text_of(each).strip())}
