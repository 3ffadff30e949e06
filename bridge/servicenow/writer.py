"""Creating, changing and annotating tickets of one table.

ServiceNow ignores columns that it does not have, so their names are checked first, against a record of the table. A
write that a business rule, a data policy or an access rule stops is refused (403) with the words of the instance. It
cannot compare before it writes: `version` of a change is not used, and a jump of `sys_mod_count` shows a race
afterwards. A repeated note would stand twice, so the notes are read before one is added.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from bridge.domain.ticket_system import (
    JOURNALS,
    Capabilities,
    OutcomeUnknownError,
    RemoteNote,
    Ticket,
    WriteRefusedError,
)
from bridge.errors import BridgeError, PermanentError, TransientError
from bridge.http.address import below
from bridge.http.request import HttpRequest
from bridge.http.response import HttpResponse
from bridge.http.write import send_write, unreadable_answer
from bridge.servicenow.client import TableClient

_OURS: Final = "tmf656-bridge"
"""`correlation_display` of a ticket that we create."""
_SYSTEM: Final = ("sys_id", "sys_mod_count", "sys_created_on", "sys_created_by", "sys_updated_on", "sys_updated_by")
"""Columns that nobody writes."""


class InstanceWriter:
    """What the ways of writing to an instance have in common: reading, and what is refused before anything is sent."""

    def __init__(self, client: TableClient) -> None:
        """Write by the session of a client."""
        self._client = client
        self._http = client.http
        self._settings = client.settings

    @property
    def capabilities(self) -> Capabilities:
        """What an instance can do."""
        return self._client.capabilities

    async def fetch(self, ticket_id: str) -> Ticket:
        """Read one ticket."""
        return await self._client.fetch(ticket_id)

    async def find(self, key: str, *, since: datetime | None = None) -> list[Ticket]:
        """Find the tickets that carry a key, oldest first."""
        return await self._client.find(key, since=since)

    async def notes(self, ticket_id: str) -> list[RemoteNote]:
        """Read the notes of a ticket, oldest first."""
        return await self._client.notes(ticket_id)

    async def as_it_is(self, ticket_id: str) -> Ticket:
        """Read a ticket whose write is done."""
        try:
            return await self.fetch(ticket_id)
        except BridgeError as error:
            raise OutcomeUnknownError(
                f"source {self._http.name}: ticket {ticket_id} was written, and could not be read afterwards: {error}"
            ) from error

    def require_write(self, what: str) -> None:
        """WriteRefusedError unless the settings allow writing."""
        if not self._settings.write:
            raise self.refusal(what, f"set sources.{self._http.name}.write = true to have tickets written there")

    def refusal(self, what: str, why: str) -> WriteRefusedError:
        """Return the error for what is not sent at all."""
        return WriteRefusedError(f"source {self._http.name}: {what} was not sent: {why}")


class TableWriter(InstanceWriter):
    """Writes to one table by the Table API; a `bridge.domain.ticket_system.TicketWriter`. Many tasks may use it."""

    def __init__(self, client: TableClient) -> None:
        """Write by the session of a client."""
        super().__init__(client)
        self._columns: frozenset[str] = frozenset()

    async def create(self, fields: Mapping[str, Any], key: str) -> Ticket:
        """Make a ticket, by POST or through the import set."""
        await self._check("create", fields)
        keyed = {**fields, self._client.key_column: key}
        if self._settings.import_set:
            return await self._import(keyed)
        if self._client.key_column == "correlation_id":
            keyed.setdefault("correlation_display", _OURS)
        return await self._written(self._client.request("create", "POST", None, _body(keyed)))

    async def change(self, ticket_id: str, changes: Mapping[str, Any], *, version: str | None = None) -> Ticket:  # noqa: ARG002 -- nothing compares
        """Change columns. The state of a problem goes, with all that goes along, to `state_path`."""
        await self._check(f"change {ticket_id}", changes)
        if self._settings.table == "problem" and "state" in changes:
            return await self._move(ticket_id, changes)
        return await self._written(self._client.request("change", "PATCH", ticket_id, _body(changes)))

    async def add_note(self, ticket_id: str, text: str, *, code: str, journal: str = "") -> None:
        """Add a note, alone, unless one with this code in its first line is there."""
        self.require_write(f"a note to {ticket_id}")
        if any(code in note.text.partition("\n")[0] for note in await self.notes(ticket_id)):
            return
        body = _body({journal or self._settings.notes_field: text})
        await send_write(self._http, self._client.request("note", "PATCH", ticket_id, body))

    async def _written(self, request: HttpRequest) -> Ticket:
        """Send a write that is answered with the record."""
        response = await send_write(self._http, request)
        try:
            return self._client.ticket(self._client.record_in(request, response), response)
        except (TransientError, PermanentError) as error:
            raise unreadable_answer(self._http, request, response, "no record") from error

    async def _move(self, ticket_id: str, changes: Mapping[str, Any]) -> Ticket:
        path = self._settings.state_path
        if not path:
            raise self.refusal(
                f"change {ticket_id}", "the Table API does not move the state of a problem: set state_path"
            )
        ticket = await self.fetch(ticket_id)
        values = {"{number}": ticket.record.get("number", ""), "{sys_id}": ticket_id, "{state}": str(changes["state"])}
        url = below(self._http.base, *(values.get(part, part) for part in path.split("/") if part))
        rest = {name: value for name, value in changes.items() if name != "state"}
        await send_write(self._http, HttpRequest("change", "PATCH", url, _body(rest)))
        return await self.as_it_is(ticket_id)

    async def _import(self, fields: Mapping[str, Any]) -> Ticket:
        """Insert a row into the staging table; the instance transforms it before it answers."""
        url = below(self._http.base, "api", "now", "import", self._settings.import_set)
        request = HttpRequest("create", "POST", url, _body(fields))
        response = await send_write(self._http, request)
        sys_id = self._imported(request, response)
        return await self.as_it_is(sys_id)

    def _imported(self, request: HttpRequest, response: HttpResponse) -> str:
        """Return the ticket that a row became; WriteRefusedError in the words of the transform map."""
        document = response.small_document()
        results = document.get("result") if isinstance(document, dict) else None
        rows = [row for row in results if isinstance(row, dict)] if isinstance(results, list) else []
        ours = next((row for row in rows if row.get("table") == self._settings.table), rows[0] if rows else {})
        sys_id = ours.get("sys_id")
        if ours.get("status") == "error" or (ours.get("status") in ("ignored", "skipped") and not sys_id):
            words = ours.get("error_message") or ours.get("status_message") or ours["status"]
            raise WriteRefusedError(
                f"source {self._http.name}: the import set {self._settings.import_set} did not take it: {words}", 201
            )
        if not isinstance(sys_id, str) or not sys_id:
            raise unreadable_answer(self._http, request, response, "no ticket")
        return sys_id

    async def _check(self, what: str, fields: Mapping[str, Any]) -> None:
        """WriteRefusedError for what must not be written, and for what the instance would ignore."""
        self.require_write(what)
        for name in fields:
            if name in JOURNALS:
                raise self.refusal(what, f"{name} is a journal: a note is added, not written with other columns")
            if name in _SYSTEM:
                raise self.refusal(what, f"{name} is written by the instance alone")
        if not self._columns.issuperset(fields):
            self._columns |= await self._client.columns()
        unknown = [] if not self._columns else sorted(set(fields) - self._columns)
        if unknown:
            raise self.refusal(what, f"{self._settings.table} has no column {', '.join(unknown)} that we may read")


def _body(fields: Mapping[str, Any]) -> bytes:
    """Columns as the Table API takes them: None clears."""
    return orjson.dumps({name: "" if value is None else value for name, value in fields.items()})
