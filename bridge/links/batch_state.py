"""What is known of a batch of tickets and links while it is decided, and what is to be stored at its end.

`bridge.links.rule_batch` fills it from the tables and stores it; `bridge.links.pairing` decides in it, without I/O.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bridge.domain.link.life import LinkState
from bridge.domain.link.side_ticket import SideTicket
from bridge.domain.link.word_map import Side
from bridge.links.batch_result import BatchResult
from bridge.links.decide_link import LinkOutcome
from bridge.links.rule_run import RuleRun, Tickets, Unreadable
from bridge.storage.link import LinkRow, NewLink

SINGLE = (LinkState.WANTED, LinkState.CREATING, LinkState.BLOCKED)
"""States in which a link may have one ticket, and nothing is being sent for it."""


@dataclass(slots=True)
class BatchState:
    """The tickets and links of one batch. `separated`: tickets of links that a person took apart.

    `added`, `removed`, `saved`: links to make, to forget and to store, the latter two by number. `unreadable`: tickets
    that cannot be decided, and why. `duplicates`: by the number of a link, the tickets that were made for it as well.
    """

    run: RuleRun
    at: datetime
    tickets: Tickets = field(default_factory=dict)
    links: dict[int, LinkRow] = field(default_factory=dict)
    of_ticket: dict[tuple[Side, str], LinkRow] = field(default_factory=dict)
    separated: set[tuple[Side, str]] = field(default_factory=set)
    added: list[NewLink] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)
    saved: dict[int, LinkOutcome] = field(default_factory=dict)
    unreadable: Unreadable = field(default_factory=dict)
    duplicates: dict[int, list[tuple[Side, str]]] = field(default_factory=dict)
    result: BatchResult = field(default_factory=BatchResult)

    def each(self, side: Side, ticket_id: str, do: Callable[[], None]) -> None:
        """Do something for one ticket; an error that nobody expected costs no other ticket anything."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 -- the bulkhead
            self.unreadable[side, ticket_id] = self.run.not_read(side, ticket_id, error)

    def alone(self) -> list[tuple[Side, SideTicket]]:
        """The tickets that are in no link, not even in one that a person took apart."""
        linked = self.of_ticket.keys() | self.separated
        return [(place[0], ticket) for place, ticket in self.tickets.items() if place not in linked]

    def forget(self, link: LinkRow) -> None:
        """A ticket alone is no longer to be linked."""
        if link.state in SINGLE and not (link.left_id and link.right_id):
            self.removed.add(link.id)
