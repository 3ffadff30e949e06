"""Which tickets may belong together: by our key, or by texts that are equal on both sides.

Kept in memory by the process that leads: filled from all tickets at the start, and corrected with every change. A pair
is found only where the text stands in one ticket of each side, so that the order of arrival decides nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from msgspec import Struct

from bridge.domain.link.key import link_key
from bridge.domain.link.path import text_of
from bridge.domain.link.rule import LinkRule, Matcher
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side

Place = tuple[Side, int, str]
"""A side, the number of the way to match, and a text."""

_CARRIED, _OWN = -1, -2
"""Numbers in the place of a way to match: a key that a ticket carries, and the key of its own counterpart."""


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
    _tickets: dict[Place, set[str]] = field(default_factory=dict)
    _places: dict[tuple[Side, str], tuple[Place, ...]] = field(default_factory=dict)
    _created: dict[tuple[Side, str], float] = field(default_factory=dict)

    def put(self, side: Side, ticket: SideTicket) -> None:
        """Take a ticket as it is now; a deleted one goes."""
        self._forget(side, ticket.id)
        if ticket.deleted:
            return
        places = tuple(self._places_of(side, ticket))
        if not places:
            return
        self._places[side, ticket.id] = places
        for place in places:
            self._tickets.setdefault(place, set()).add(ticket.id)
        if ticket.created_at is not None:
            self._created[side, ticket.id] = ticket.created_at.timestamp()

    def remove(self, side: Side, ticket_id: str) -> None:
        """Forget a ticket that is not known any more."""
        self._forget(side, ticket_id)

    def find(self, side: Side, ticket: SideTicket, key: str) -> Match:
        """Find what belongs to a ticket; `key`: that of its counterpart.

        A counterpart that we made carries the key, and one that carries a key belongs to the ticket it was made for.
        Else the first way that finds anything decides.
        """
        if self.rule.match_key:
            carriers = set(self._tickets.get((side.other, _CARRIED, key), ()))
            for carried in ticket.keys:
                carriers |= self._tickets.get((side.other, _OWN, carried), set())
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
            others = self._tickets.get((side.other, number, text), ())
            near = {other for other in others if self._near(side, ticket, other)}
            found |= near
            if near:
                rivals |= self._tickets.get((side, number, text), set()) - {ticket.id}
        by = f"{matcher.left.text} = {matcher.right.text}"
        return Match(tuple(sorted(found)), tuple(sorted(rivals)), by)

    def _near(self, side: Side, ticket: SideTicket, other: str) -> bool:
        """Were both created within the days that the rule allows? Also where a side does not say."""
        created = self._created.get((side.other, other))
        if self.rule.created_within == timedelta(0) or ticket.created_at is None or created is None:
            return True
        return abs(ticket.created_at.timestamp() - created) <= self.rule.created_within.total_seconds()

    def _places_of(self, side: Side, ticket: SideTicket) -> Iterator[Place]:
        if self.rule.match_key:
            yield side, _OWN, link_key(self.rule.name, self.rule.sources[side], ticket.id)
            yield from ((side, _CARRIED, key) for key in ticket.keys)
        for number, matcher in enumerate(self.rule.matchers):
            yield from ((side, number, text) for text in _texts(matcher, side, ticket))

    def _forget(self, side: Side, ticket_id: str) -> None:
        for place in self._places.pop((side, ticket_id), ()):
            others = self._tickets[place]
            others.discard(ticket_id)
            if not others:
                del self._tickets[place]
        self._created.pop((side, ticket_id), None)


def _texts(matcher: Matcher, side: Side, ticket: SideTicket) -> set[str]:
    value = matcher.path(side).find(ticket)
    values = value if isinstance(value, list) else [value]
    return {text for each in values if (text := text_of(each).strip())}
