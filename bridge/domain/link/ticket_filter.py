"""Which tickets a rule is about: words by field, all of which must hold, or a JMESPath that is true. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.domain.link.path import RecordPath, read_path, text_of
from bridge.domain.link.side_ticket import SideTicket


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """`words`: path → the texts of which one must stand there. `where`: an expression that must be true."""

    words: tuple[tuple[RecordPath, frozenset[str]], ...] = ()
    where: RecordPath | None = None

    def met(self, ticket: SideTicket) -> bool:
        """Does the ticket meet all of it? A comparison that does not fit the values is not met."""
        if self.where is not None and not self.where.find(ticket):
            return False
        return all(text_of(path.find(ticket)) in words for path, words in self.words)


ANY = TicketFilter()
"""Every ticket."""


def read_filter(setting: str | Mapping[str, tuple[str, ...]]) -> TicketFilter:
    """Read a filter as configured; ConfigurationError for a path that cannot be read."""
    if isinstance(setting, str):
        return TicketFilter(where=read_path(setting)) if setting else ANY
    return TicketFilter(tuple((read_path(path), frozenset(words)) for path, words in setting.items()))
