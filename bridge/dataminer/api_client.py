"""The client of DataMiner Ticketing 2: six routes of a user-defined API, deploy/dataminer/routes.openapi.yaml.

A client belongs to one source and may be used by many tasks at once. The routes are static and share one prefix, which
is what `sources.NAME.url` ends with. A 404 of DataMiner's own endpoint (error code 5), or of something in front of
it, says that a route is not defined, not that a ticket is gone.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeGuard
from urllib.parse import quote

import anyio
import orjson
from msgspec import Struct
from yarl import URL

from bridge.dataminer import routes_wire
from bridge.dataminer.route_pages import RoutePages, RoutesPage
from bridge.dataminer.ticket_pass import TicketPass
from bridge.domain.list_choice import ListChoice
from bridge.domain.ticket_system import Capabilities, RemoteNote, Ticket, VersionChangedError, WriteRefusedError
from bridge.errors import PermanentError
from bridge.http.address import below, with_query
from bridge.http.client import HttpClient
from bridge.http.errors import MalformedAnswerError, NotFoundError
from bridge.http.list_page import Fetched
from bridge.http.offload import run_by_size
from bridge.http.request import HttpRequest, OnRequest
from bridge.http.response import HttpResponse
from bridge.http.write import send_write, unreadable_answer
from bridge.schedule import now
from bridge.settings import DataminerApiSettings

CONTRACT: Final = "1"
"""The major version of the contract that is understood here."""
SINCE: Final = "since"
"""The filter of a poll: tickets changed at an instant or later."""

_LARGEST_PAGE: Final = 1000
_AUTHOR: Final = "tmf656-bridge"
_CODE_MARK: Final = "n:"
"""What codes begin with where they stand in a text; the routes take the rest."""
_CONFLICT: Final = 409
_DEFINITION_NOT_FOUND: Final = 5
"""DataMiner's code for a route that leads to no script."""


class About(Struct, frozen=True):
    """What the system says of itself. None: it lists no names, so none is refused here."""

    writable: frozenset[str] | None = None
    custom: frozenset[str] | None = None


class TicketRoutesClient:
    """Reads and writes the tickets of one source; use it within `async with`.

    Raises TransientError (timeouts, unreachable, 429, 5xx, and UnauthorisedError for 401 and 403) with
    `retry_after_seconds` when the system asked for a pause, NotFoundError for a ticket that is gone, and PermanentError
    for other refusals; writes as `bridge.domain.ticket_system` says.
    """

    filters = (SINCE,)
    whole_rows = True
    hub = None

    def __init__(
        self,
        name: str,
        settings: DataminerApiSettings,
        *,
        on_request: OnRequest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; raises ConfigurationError when the address, a certificate or a key cannot be used."""
        self.http = HttpClient(name, settings, on_request=on_request, clock=clock)
        self._name = name
        self._settings = settings
        self._limit = min(settings.page_size, _LARGEST_PAGE)
        self._learning = anyio.Lock()
        self._about: About | None = None
        self.capabilities = Capabilities(
            compare_and_set=True,
            counts_versions=True,
            notes="append",
            keys_unique=True,
            settle_seconds=settings.settle_seconds,
            concurrency=settings.concurrency,
        )

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, error, trace)

    @property
    def list_address(self) -> str:
        """Where the list is, for people."""
        return str(below(self.http.base, "tickets"))

    # Reading

    def pages(
        self,
        *,
        changed_since: datetime | None = None,
        filter_style: str = "",
        version: str | None = None,  # noqa: ARG002 - of the TMF656 model, which these routes do not have
    ) -> TicketPass:
        """Read all tickets, or with the filter `since` those changed since then, in the order of their changes."""
        return TicketPass(RoutePages(self, changed_since if filter_style == SINCE else None))

    def chosen_pages(self, choice: ListChoice) -> None:
        """Nothing is asked so: the filter is applied here."""

    async def page(
        self, *, since: datetime | None = None, after: str | None = None, key: str | None = None
    ) -> RoutesPage:
        """Fetch one page of the list."""
        query = [("limit", str(self._limit))]
        query += [("since", since.isoformat().replace("+00:00", "Z"))] if since is not None else []
        query += [("after", after)] if after is not None else []
        query += [("key", key)] if key is not None else []
        request = self._request("list", "GET", "tickets", query)
        response = await self.http.send(request)
        page = await run_by_size(len(response.body), partial(self._page, request, response))
        self.http.count(request.operation, "ok")
        return page

    def _page(self, request: HttpRequest, response: HttpResponse) -> RoutesPage:
        document = self._read(request, response)
        tickets, following = document.get("tickets"), document.get("next")
        if not isinstance(tickets, list) or not isinstance(following, str | None):
            raise self.http.malformed(request, "something that is no page of tickets")
        items = [routes_wire.item_of(each) if isinstance(each, dict) else each for each in tickets]
        return RoutesPage(items, response.asked_at, response.server_at, tickets, following or None)

    async def get(self, problem_id: str) -> Fetched:
        """Fetch one ticket as a problem; NotFoundError only where the system answers that it has no such ticket."""
        ticket = await self.fetch(problem_id)
        return Fetched(ticket.item, ticket.asked_at, ticket.server_at)

    async def fetch(self, ticket_id: str) -> Ticket:
        """Read one ticket; NotFoundError only where the system answers that it has no such ticket."""
        request = self._request("get", "GET", "ticket", [("id", ticket_id)])
        response = await self.http.send(request)
        ticket = self._ticket(request, response, self._read(request, response))
        if ticket.id != ticket_id:
            raise self.http.malformed(request, "another ticket")
        self.http.count(request.operation, "ok")
        return ticket

    async def find(self, key: str, *, since: datetime | None = None) -> list[Ticket]:
        """Find the tickets that carry our key, oldest first. Where the system does not know the parameter `key`, it
        answers all tickets changed `since`, and those are searched.
        """
        found: list[Ticket] = []
        pages = RoutePages(self, since, key)
        while (page := await pages.next_page()) is not None:
            ours = (each for each in page.tickets if _is_ticket(each) and each.get("key") == key)
            found.extend(_ticket_of(each, page.asked_at, page.server_at) for each in ours)
        return sorted(found, key=lambda ticket: str(ticket.record.get("createdAt") or ""))

    async def notes(self, ticket_id: str) -> list[RemoteNote]:
        """Read the notes of a ticket, oldest first: with the ticket, or by the route for notes."""
        document: Any = None
        for operation, route in (("get", "ticket"), ("notes", "notes")):
            request = self._request(operation, "GET", route, [("id", ticket_id)])
            document = self._read(request, await self.http.send(request))
            self.http.count(request.operation, "ok")
            if isinstance(document.get("notes"), list):
                break
        return routes_wire.notes_in(document)

    async def elsewhere(self) -> Mapping[str, str]:
        """Nothing: the address of the routes cannot be guessed."""
        return {}

    async def about(self) -> About:
        """Read what can be written there, once; PermanentError where another contract is kept."""
        async with self._learning:
            if self._about is None:
                self._about = await self._learn()
            return self._about

    # Writing

    async def create(self, fields: Mapping[str, Any], key: str) -> Ticket:
        """Make a ticket that carries `key`; where the system has one, that is returned as it is."""
        self._refuse_unless_writable()
        body = {"key": key, "fields": await self._body(fields)}
        request = self._request("create", "POST", "tickets", (), body)
        response = await send_write(self.http, request, returned=(404,))
        self._require_route(request, response)
        return self._written(request, response)

    async def change(self, ticket_id: str, changes: Mapping[str, Any], *, version: str | None = None) -> Ticket:
        """Change fields and return the ticket as it is now. VersionChangedError, with the ticket, where it no longer
        has the version expected.
        """
        self._refuse_unless_writable()
        query = [("id", ticket_id)] + ([("ifVersion", version)] if version is not None else [])
        request = self._request("change", "PUT", "ticket", query, await self._body(changes))
        response = await send_write(self.http, request, returned=(_CONFLICT, 404))
        if response.status == _CONFLICT:
            raise VersionChangedError(str(self.http.refusal(request, response)), self._in_conflict(response))
        self._require_route(request, response)
        return self._written(request, response)

    async def add_note(self, ticket_id: str, text: str, *, code: str, journal: str = "") -> None:  # noqa: ARG002 -- the only list of notes
        """Add a note; one with this code that is there already counts as added."""
        self._refuse_unless_writable()
        body = {
            "code": code.removeprefix(_CODE_MARK),
            "author": _AUTHOR,
            "at": now().isoformat().replace("+00:00", "Z"),
            "text": text,
        }
        request = self._request("note", "POST", "notes", [("id", ticket_id)], body)
        self._require_route(request, await send_write(self.http, request, returned=(404,)))

    # Requests and answers

    def _refuse_unless_writable(self) -> None:
        """Nothing is sent that changes anything, unless the settings say so."""
        if not self._settings.write:
            raise WriteRefusedError(
                f"source {self._name}: nothing is written there: set sources.{self._name}.write = true to allow it"
            )

    async def _learn(self) -> About:
        request = self._request("about", "GET", "about", ())
        response = await self.http.send(request)
        if response.status == 404:
            self.http.count(request.operation, "client_error")
            return About()
        document = self._read(request, response)
        self.http.count(request.operation, "ok")
        contract = str(document.get("contract", CONTRACT))
        if contract.partition(".")[0] != CONTRACT:
            raise PermanentError(
                f"source {self._name}: the routes keep contract {contract[:20]}, this program knows {CONTRACT}.x: "
                "install the TicketRoutes.cs that came with it"
            )
        return About(_names(document.get("writable")), _names(document.get("fields")))

    async def _body(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is sent; for a name that is not known the system is asked once more."""
        about = await self.about()
        try:
            return routes_wire.body_of(fields, about.writable, about.custom)
        except WriteRefusedError:
            self._about = None
        about = await self.about()
        try:
            return routes_wire.body_of(fields, about.writable, about.custom)
        except WriteRefusedError as error:
            raise WriteRefusedError(f"source {self._name}: {error}") from error

    def _request(
        self,
        operation: str,
        method: str,
        route: str,
        query: Iterable[tuple[str, str]],
        body: dict[str, Any] | None = None,
    ) -> HttpRequest:
        parts = [f"{name}={quote(value, safe='')}" for name, value in query]
        url: URL = with_query(below(self.http.base, route), *parts)
        content = None if body is None else orjson.dumps(body)
        return HttpRequest(operation, method, url, content, query="&".join(parts), closes=operation == "list")

    def _read(self, request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
        """Return the object that was answered; raises the error of a refusal."""
        if response.status in {404, 410}:
            self._require_route(request, response)
        self.http.require_ok(request, response)
        try:
            document = response.document()
        except (ValueError, RecursionError) as error:
            raise self.http.malformed(request, "something that is no JSON") from error
        if not isinstance(document, dict):
            raise self.http.malformed(request, "JSON that is no object")
        return document

    def _require_route(self, request: HttpRequest, response: HttpResponse) -> None:
        """Raise for a 404: NotFoundError where the script wrote it, PermanentError where it was not asked."""
        if response.status not in {404, 410}:
            return
        refusal = self.http.refusal(request, response)
        if (code := _error_code(response)) is not None and code != _DEFINITION_NOT_FOUND:
            raise NotFoundError(str(refusal))
        raise PermanentError(
            f"{refusal}: is the route {request.url.path} defined in DataMiner, and sources.{self._name}.url what it "
            "begins with?"
        )

    def _ticket(self, request: HttpRequest, response: HttpResponse, document: Any) -> Ticket:
        if not _is_ticket(document):
            raise self.http.malformed(request, "something that is no ticket")
        return _ticket_of(document, response.asked_at, response.server_at)

    def _written(self, request: HttpRequest, response: HttpResponse) -> Ticket:
        try:
            return self._ticket(request, response, response.small_document())
        except MalformedAnswerError as error:
            raise unreadable_answer(self.http, request, response, "no ticket") from error

    def _in_conflict(self, response: HttpResponse) -> Ticket | None:
        document = response.small_document()
        ticket = document.get("ticket") if isinstance(document, dict) else None
        return _ticket_of(ticket, response.asked_at, response.server_at) if _is_ticket(ticket) else None


def _is_ticket(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and isinstance(value.get("id"), str) and value["id"] != ""


def _ticket_of(ticket: dict[str, Any], asked_at: datetime, server_at: datetime | None) -> Ticket:
    version = ticket.get("version")
    return Ticket(
        id=ticket["id"],
        record=routes_wire.record_in(ticket),
        item=routes_wire.item_of(ticket),
        asked_at=asked_at,
        version=str(version) if isinstance(version, str | int) else None,
        updated_at=routes_wire.instant(ticket.get("lastModified")),
        server_at=server_at,
    )


def _error_code(response: HttpResponse) -> int | None:
    """Return DataMiner's code of a refusal, 0 for one of the script; None where neither of them wrote the answer."""
    document = response.small_document()
    errors = document.get("errors") if isinstance(document, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return None
    code = first.get("errorCode")
    return code if isinstance(code, int) else 0


def _names(value: object) -> frozenset[str] | None:
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else None
