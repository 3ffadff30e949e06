"""The client of legacy DataMiner Ticketing (10.0.13 to 10.5) by Web Services v1.

The list has no filter by time and tickets have no time of their last change: a poll reads all active tickets, and asks
by id for those that it does not find there any more. A pass over everything reads the history too. A client belongs to
one source and may be used by many tasks at once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import anyio
from pydantic import SecretStr

from bridge.dataminer.field_values import STATE, TicketField, as_written, fields_in, written
from bridge.dataminer.session import ServiceRefusedError, WebSession
from bridge.dataminer.ticket_pass import TicketPass
from bridge.dataminer.web_pages import ServicePage, WebPages
from bridge.dataminer.web_wire import (
    FieldNames,
    TicketNumber,
    item_of,
    number_in,
    number_of,
    record_in,
    tickets_in,
)
from bridge.domain.list_choice import ListChoice
from bridge.domain.ticket_system import Capabilities, OutcomeUnknownError, RemoteNote, Ticket, WriteRefusedError
from bridge.errors import BridgeError, PermanentError
from bridge.http.client import HttpClient
from bridge.http.errors import NotFoundError
from bridge.http.list_page import Fetched
from bridge.http.offload import run_by_size
from bridge.http.request import OnRequest
from bridge.settings import DataminerSettings
from bridge.telemetry.redaction import hide

ACTIVE: Final = "active"
"""The filter of every poll: tickets that are active, and those that were when they were last listed."""
KEY_FIELD: Final = "Bridge Key"

_MISSING: Final = ("not found", "not be found", "not exist", "no ticket", "unknown ticket")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN: Final = timedelta(days=1)
"""How far the clock of the server may be from ours where a time of creation is searched for."""


class TicketType:
    """The ticket type of a source: its id and its fields."""

    def __init__(self, type_id: str, fields: Mapping[str, TicketField]) -> None:
        """Take what the server answered."""
        self.id = type_id
        self.fields = fields

    @property
    def state(self) -> TicketField | None:
        """The field that each ticket must have."""
        return next((field for field in self.fields.values() if field.type == STATE), None)


class WebServicesClient:
    """Reads and writes the tickets of one source; use it within `async with`.

    Raises TransientError (timeouts, unreachable, failures of the server; UnauthorisedError where the login is refused),
    NotFoundError for a ticket that is gone, and PermanentError where DataMiner refuses; writes as
    `bridge.domain.ticket_system` says. Legacy tickets have no notes.
    """

    filters = ()
    whole_rows = False
    hub = None

    def __init__(
        self,
        name: str,
        settings: DataminerSettings,
        *,
        on_request: OnRequest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; raises ConfigurationError when the address, a certificate or a key cannot be used."""
        hide(settings.password.get_secret_value())
        # user name and password are arguments of ConnectApp, and no HTTP basic
        plain = settings.model_copy(update={"username": "", "password": SecretStr("")})
        self.http = HttpClient(name, plain, on_request=on_request, clock=clock)
        self.session = WebSession(name, settings, self.http, clock)
        self._name = name
        self.settings = settings
        self._key_field = settings.key_field or KEY_FIELD
        self.names = FieldNames(
            name=settings.name_field,
            description=settings.description_field,
            priority=settings.priority_field,
            owner=settings.owner_field,
            key=self._key_field,
        )
        self._learning = anyio.Lock()
        self._type: TicketType | None = None
        self.active: frozenset[TicketNumber] | None = None
        """The tickets that were active at the end of the last pass; None before the first one."""
        self.capabilities = Capabilities(
            notes="none", settle_seconds=settings.settle_seconds, concurrency=settings.concurrency
        )

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.move_on_after(2, shield=True):
            await self.session.log_out()
        await self.http.__aexit__(kind, error, trace)

    @property
    def list_address(self) -> str:
        """Where the list is, for people."""
        return f"{self.session.address}/GetActiveTicketsV2"

    # Reading

    def pages(
        self,
        *,
        changed_since: datetime | None = None,  # noqa: ARG002 - legacy tickets have no time of their last change
        filter_style: str = "",
        version: str | None = None,  # noqa: ARG002 - of the TMF656 model, which Web Services do not have
    ) -> TicketPass:
        """Read all tickets, or with the filter `active` those that are active or were at the end of the last pass."""
        return TicketPass(WebPages(self, everything=filter_style != ACTIVE))

    def chosen_pages(self, choice: ListChoice) -> None:
        """Nothing is asked so: the filter is applied here."""

    async def page(
        self, method: str, number: int, times: Mapping[str, int], filters: Sequence[Mapping[str, Any]] = ()
    ) -> ServicePage:
        """Call a method that answers a page of tickets; `number` counts from 0."""
        kind = await self.ticket_type()
        wanted = {"TicketTypeID": kind.id, "Filters": list(filters), "Affecting": None, "SearchText": ""}
        arguments = {**times, "pageNumber": number, "count": self.settings.page_size, "filter": wanted}
        answer = await self.session.call("list", method, arguments)
        page = answer.value
        tickets = tickets_in(page) if isinstance(page, dict) else None
        if tickets is None:
            raise PermanentError(
                f"source {self._name}: {method} answered something that is no page of tickets: please report it with "
                "the answer, whose layout Skyline does not publish"
            )
        # where HasNextPage is missing, a full page has another one behind it
        more = bool(page.get("HasNextPage", len(tickets) >= self.settings.page_size))
        return ServicePage(
            await run_by_size(len(answer.response.body), partial(_items, tickets, self.names)),
            answer.response.asked_at,
            answer.response.server_at,
            tickets,
            more=more and bool(tickets),
        )

    async def get(self, problem_id: str) -> Fetched:
        """Fetch one ticket as a problem; NotFoundError where there is none."""
        ticket = await self.fetch(problem_id)
        return Fetched(ticket.item, ticket.asked_at, ticket.server_at)

    async def fetch(self, ticket_id: str) -> Ticket:
        """Read one ticket; NotFoundError where DataMiner answers that it has none with this id."""
        ticket, asked_at, server_at = await self._fetch(ticket_id)
        return self._ticket(ticket, asked_at, server_at)

    async def _fetch(self, ticket_id: str) -> tuple[dict[str, Any], datetime, datetime | None]:
        """Return a DMATicket as it came, with `asked_at` and `server_at`."""
        wanted = number_of(ticket_id)
        if wanted is None:
            raise NotFoundError(f"source {self._name}: {ticket_id[:50]!r} is no number of a ticket, DataMinerID/ID")
        arguments = {"ticketID": wanted.number, "includeHistory": False}
        try:
            answer = await self.session.call("get", "GetTicketV2", arguments)
        except ServiceRefusedError as error:
            if _says_missing(str(error)):
                raise NotFoundError(str(error)) from error
            raise
        if answer.value is None:
            raise NotFoundError(f"source {self._name}: GetTicketV2 answered nothing for {wanted}")
        ticket = answer.value
        if not isinstance(ticket, dict) or (found := number_in(ticket)) is None:
            raise PermanentError(f"source {self._name}: GetTicketV2 answered something that is no ticket")
        if found != wanted:
            raise NotFoundError(f"source {self._name}: ticket {wanted.number} belongs to DataMiner {found.agent} now")
        return ticket, answer.response.asked_at, answer.response.server_at

    async def find(self, key: str, *, since: datetime | None = None) -> list[Ticket]:
        """Find the tickets that carry our key, oldest first: among the active ones, and in the history `since`."""
        wanted = [{"Name": self._key_field, "Type": "Text", "Value": None, "DisplayValue": key}]
        found: dict[TicketNumber, Ticket] = {}
        for method, times in (("GetActiveTicketsV2", {}), ("GetHistoryTicketsV2", self.history_times(since))):
            number, more = 0, True
            while more:
                page = await self.page(method, number, times, wanted)
                number, more = number + 1, page.more
                for each in page.tickets:
                    place = number_in(each) if isinstance(each, dict) else None
                    if place is not None and record_in(each).get(self._key_field) == key:
                        found[place] = self._ticket(each, page.asked_at, page.server_at)
        return sorted(found.values(), key=lambda ticket: int(ticket.record.get("TimeCreatedUTC") or 0))

    async def notes(self, ticket_id: str) -> list[RemoteNote]:  # noqa: ARG002 - the protocol has it
        """Nothing: legacy tickets have no notes."""
        return []

    async def elsewhere(self) -> Mapping[str, str]:
        """Nothing can be found out."""
        return {}

    def history_times(self, since: datetime | None) -> dict[str, int]:
        """Return the arguments for the history of tickets created `since`, a day more at both ends."""
        begin = _EPOCH if since is None else max(_EPOCH, since - _MARGIN)
        return {"utcStartTime": _milliseconds(begin), "utcEndTime": _milliseconds(datetime.now(UTC) + _MARGIN)}

    async def ticket_type(self) -> TicketType:
        """Return the ticket type of this source, found out once; PermanentError where there is none of that name."""
        async with self._learning:
            if self._type is None:
                self._type = await self._learn_type()
            return self._type

    # Writing

    async def create(self, fields: Mapping[str, Any], key: str) -> Ticket:
        """Make a ticket that carries `key`. Without a state it has the first one of its type."""
        self._refuse_unless_writable()
        kind = await self.ticket_type()
        state = self._state_of(kind)
        if self._key_field not in kind.fields:
            raise WriteRefusedError(
                f"source {self._name}: the ticket type has no field {self._key_field!r} for the key: add one of type "
                f"Text, or set sources.{self._name}.key_field"
            )
        values = {state.name: next(iter(state.choices), None), **fields, self._key_field: key}
        ticket = {"Fields": await self._written(values), "LinkFields": [], "TicketTypeID": kind.id}
        made = (await self.session.call_to_write("create", "CreateTicket", {"ticket": ticket})).value
        place = number_of("/".join(map(str, made[:2]))) if isinstance(made, list) and len(made) > 1 else None
        if place is None:
            raise OutcomeUnknownError(f"source {self._name}: CreateTicket answered no number of a ticket")
        return await self._as_it_is(str(place))

    async def change(
        self,
        ticket_id: str,
        changes: Mapping[str, Any],
        *,
        version: str | None = None,  # noqa: ARG002 -- of the protocol
    ) -> Ticket:
        """Change fields and return the ticket as it is now. Versions do not exist here.

        It is not documented whether UpdateTicket keeps fields that it is not given. So all fields are sent, as they
        were read just before; with `update_sends = "changed"` only the changed ones and the state.
        """
        self._refuse_unless_writable()
        kind = await self.ticket_type()
        state = self._state_of(kind)
        before, _, _ = await self._fetch(ticket_id)
        whole = self.settings.update_sends == "whole"
        kept = [each for each in as_written(before) if each["Name"] not in changes]
        ticket = {
            "DataMinerID": before["DataMinerID"],
            "ID": before["ID"],
            "TicketTypeID": kind.id,
            "LinkFields": before.get("LinkFields") or [],
            "Fields": [each for each in kept if whole or each["Name"] == state.name] + await self._written(changes),
        }
        await self.session.call_to_write("change", "UpdateTicket", {"ticket": ticket})
        return await self._as_it_is(ticket_id)

    async def add_note(self, ticket_id: str, text: str, *, code: str, journal: str = "") -> None:  # noqa: ARG002 - the protocol has them and journals
        """Refuse: legacy tickets have no notes."""
        raise WriteRefusedError(f"source {self._name}: tickets of Web Services v1 have no notes, set notes to none")

    # Inside

    def _refuse_unless_writable(self) -> None:
        """Nothing is sent that changes anything, unless the settings say so."""
        if not self.settings.write:
            raise WriteRefusedError(
                f"source {self._name}: nothing is written there: set sources.{self._name}.write = true to allow it"
            )

    async def _learn_type(self) -> TicketType:
        listed = (await self.session.call("types", "GetTicketTypes", {})).value
        types = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        wanted = self.settings.ticket_type
        found = [each for each in types if wanted in ("", each.get("Name"), each.get("ID"))]
        if len(found) != 1 or not isinstance(found[0].get("ID"), str):
            known = ", ".join(sorted(str(each.get("Name")) for each in types)) or "none"
            raise PermanentError(
                f"source {self._name}: {'several ticket types' if found else f'no ticket type {wanted!r}'} (there are: "
                f"{known}): set sources.{self._name}.ticket_type"
            )
        type_id = found[0]["ID"]
        described = (await self.session.call("types", "GetTicketFields", {"ticketTypeID": type_id})).value
        return TicketType(type_id, fields_in(described))

    def _state_of(self, kind: TicketType) -> TicketField:
        if kind.state is None:
            raise WriteRefusedError(f"source {self._name}: the ticket type has no field of type {STATE}")
        return kind.state

    async def _written(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Write values as Web Services have them; for one that is not known the ticket type is read once more."""
        try:
            return written(values, (await self.ticket_type()).fields)
        except WriteRefusedError:
            self._type = None
        try:
            return written(values, (await self.ticket_type()).fields)
        except WriteRefusedError as error:
            raise WriteRefusedError(f"source {self._name}: {error}") from error

    async def _as_it_is(self, ticket_id: str) -> Ticket:
        """Read a ticket that was just written. OutcomeUnknownError where it cannot be read."""
        try:
            return await self.fetch(ticket_id)
        except BridgeError as error:
            raise OutcomeUnknownError(f"written, but not read afterwards: {error}") from error

    def _ticket(self, ticket: dict[str, Any], asked_at: datetime, server_at: datetime | None) -> Ticket:
        number = number_in(ticket)
        return Ticket(
            id=str(number),
            record=record_in(ticket),
            item=item_of(ticket, self.names),
            asked_at=asked_at,
            server_at=server_at,
        )


def _items(tickets: list[Any], names: FieldNames) -> list[Any]:
    return [item_of(each, names) if isinstance(each, dict) else each for each in tickets]


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _says_missing(text: str) -> bool:
    """Whether a refusal says that there is no such ticket, for which Web Services v1 has no status and no code. A
    ticket type or an Agent that is not found says nothing about the ticket.
    """
    folded = text.casefold()
    missing = "ticket" in folded and any(words in folded for words in _MISSING)
    return missing and not any(word in folded for word in ("agent", "ticket type"))
