"""The pages of one pass by Web Services v1: the active tickets, the history, and who has left the list.

Pages are counted, so a ticket can slip from one page to the other while somebody closes another one. What was active
at the end of the last pass and is on no page now is asked for by id: it was closed, deleted, or has slipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog

from bridge.dataminer.web_wire import TicketNumber, number_in
from bridge.domain.ticket_system import Ticket
from bridge.errors import PermanentError
from bridge.http.errors import NotFoundError
from bridge.schedule import now

log = structlog.get_logger(__name__)

BY_ID = 50
"""Tickets asked for by id that make one page."""


@dataclass(frozen=True, slots=True)
class ServicePage:
    """One page, its tickets as problems (`items`) and as they came. `more`: there is a page behind it."""

    items: list[Any]
    asked_at: datetime
    server_at: datetime | None
    tickets: list[Any]
    more: bool = False


class WebClient(Protocol):
    """What the pages are asked of."""

    active: frozenset[TicketNumber] | None

    async def page(
        self, method: str, number: int, times: Mapping[str, int], filters: Sequence[Mapping[str, Any]] = ()
    ) -> ServicePage: ...

    async def fetch(self, ticket_id: str) -> Ticket: ...

    def history_times(self, since: datetime | None) -> dict[str, int]: ...


class WebPages:
    """One pass. Without `everything` the history is read only where nothing is known of an earlier pass."""

    def __init__(self, client: WebClient, *, everything: bool) -> None:
        """Begin with the first page of the active tickets."""
        self._client = client
        self._before = client.active or frozenset()
        self._history = everything or client.active is None
        self._times = client.history_times(None)
        self._lists = ["GetActiveTicketsV2", *(["GetHistoryTicketsV2"] if self._history else [])]
        self._number = 0
        self._seen: set[TicketNumber] = set()
        self._active: set[TicketNumber] = set()
        self._missing: list[TicketNumber] | None = None

    async def next_page(self) -> ServicePage | None:
        """Return the next page, None after the last one; only then the active tickets are remembered."""
        if self._lists:
            return await self._listed()
        if self._missing is None:
            self._missing = sorted(self._before - self._seen, key=str)
        if self._missing:
            return await self._asked_by_id(self._missing)
        self._client.active = frozenset(self._active)
        return None

    async def _listed(self) -> ServicePage:
        method = self._lists[0]
        times = self._times if method == "GetHistoryTicketsV2" else {}
        page = await self._client.page(method, self._number, times)
        self._number += 1
        for each in page.tickets:
            number = number_in(each) if isinstance(each, dict) else None
            if number is not None:
                self._note(number, closed=each.get("IsClosed"))
        if not page.more:
            self._lists.pop(0)
            self._number = 0
        return page

    async def _asked_by_id(self, missing: list[TicketNumber]) -> ServicePage:
        found: list[Ticket] = []
        for number in missing[:BY_ID]:
            try:
                ticket = await self._client.fetch(str(number))
            except NotFoundError:
                continue  # two complete passes decide that it was deleted
            except PermanentError as error:
                self._active.add(number)  # asked for again with the next pass
                log.warning("a ticket that left the list cannot be read", ticket_id=str(number), error=str(error))
                continue
            found.append(ticket)
            self._note(number, closed=ticket.record.get("IsClosed"))
        del missing[:BY_ID]
        if not found:
            return ServicePage([], now(), None, [])
        return ServicePage([each.item for each in found], found[0].asked_at, found[0].server_at, [])

    def _note(self, number: TicketNumber, *, closed: object) -> None:
        self._seen.add(number)
        if not closed:
            self._active.add(number)
