"""A source that is written to: its writer, and how its answers become observations."""

from dataclasses import dataclass

from msgspec.structs import replace

from bridge.domain.observation import Via
from bridge.domain.ticket_system import Ticket, TicketWriter
from bridge.schedule import now
from bridge.sources.state import SourceState
from bridge.storage.observation import Entry


@dataclass(frozen=True, slots=True)
class WriteTarget:
    """One source and the way to write to it."""

    source: SourceState
    writer: TicketWriter

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    @property
    def source_id(self) -> int:
        """The key of the source."""
        return self.source.source_id

    def read(self, ticket: Ticket, *, routine: bool = False) -> Entry:
        """Return a ticket that was read, as what is stored. `routine`: nothing spoke against what is known of it, so
        nothing is stored where it is known already.
        """
        entry = self._entry(ticket, Via.REFETCH)
        seen = entry.observation
        return replace(entry, observation=replace(seen, routine=True)) if routine and seen is not None else entry

    def written(self, ticket: Ticket) -> Entry:
        """Return the answer to a write, as what is stored: observed as it was answered, so that a page which was asked
        for before loses against it.
        """
        return self._entry(ticket, Via.WRITE)

    def _entry(self, ticket: Ticket, via: Via) -> Entry:
        at = now() if via is Via.WRITE else ticket.asked_at
        read = self.source.reader.read_problem
        return self.source.entry(read(ticket.item, asked_at=at, via=via, vocabulary=self.source.vocabulary))
