"""Writing by ServiceNow's Trouble Ticket API (TMF621), for an account that may write by nothing else.

It takes four columns under other names, and notes. It has no place for a key, so the key is the first work note of a
ticket, which is found in `sys_journal_field` again. Tickets are read by the Table API.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from bridge.domain.ticket_system import Ticket
from bridge.http.address import below
from bridge.http.request import HttpRequest
from bridge.http.write import send_write, unreadable_answer
from bridge.servicenow.writer import InstanceWriter

_PATH: Final = ("api", "sn_ind_tsm_sdwan", "ticket", "troubleTicket")
_ATTRIBUTES: Final = {
    "short_description": "name",
    "description": "description",
    "priority": "severity",
    "state": "status",
}
"""The columns that it takes, and their names there."""
_TYPES: Final = {
    "incident": "Incident",
    "sn_customerservice_case": "Case",
    "sn_sprb_mgmt_case": "Service Problem Case",
}


class TroubleTicketWriter(InstanceWriter):
    """Writes to one table; a `bridge.domain.ticket_system.TicketWriter`. May be used by many tasks at once."""

    async def create(self, fields: Mapping[str, Any], key: str) -> Ticket:
        """Make a ticket whose first work note has the key."""
        body = self._body("create", fields)
        kind = _TYPES.get(self._settings.table)
        if kind is None:
            raise self.refusal("create", f"TMF621 makes no {self._settings.table}: set write_by to table")
        note = {"text": _note_with(key), "@type": "work_notes"}
        request = self._request("create", "POST", {**body, "ticketType": kind, "note": [note]})
        response = await send_write(self._http, request)
        document = response.small_document()
        ticket_id = document.get("id") if isinstance(document, dict) else None
        if not isinstance(ticket_id, str) or not ticket_id:
            raise unreadable_answer(self._http, request, response, "no ticket")
        return await self.as_it_is(ticket_id)

    async def change(self, ticket_id: str, changes: Mapping[str, Any], *, version: str | None = None) -> Ticket:  # noqa: ARG002 -- nothing compares
        """Change columns that TMF621 takes."""
        body = self._body(f"change {ticket_id}", changes)
        await send_write(self._http, self._request("change", "PATCH", body, ticket_id))
        return await self.as_it_is(ticket_id)

    async def add_note(self, ticket_id: str, text: str, *, code: str, journal: str = "") -> None:
        """Add a note, unless one with this code in its first line is there."""
        self.require_write(f"a note to {ticket_id}")
        if any(code in note.text.partition("\n")[0] for note in await self.notes(ticket_id)):
            return
        note = {"text": text, "@type": journal or self._settings.notes_field}
        await send_write(self._http, self._request("note", "PATCH", {"note": [note]}, ticket_id))

    async def find(self, key: str, *, since: datetime | None = None) -> list[Ticket]:  # noqa: ARG002 -- the journal is searched
        """Find the tickets whose first work note has the key, oldest first."""
        self._require_journals(f"a search for {key}")
        found = [await self.fetch(ticket_id) for ticket_id in await self._client.noted(_note_with(key))]
        return sorted(found, key=lambda ticket: (ticket.record.get("sys_created_on", ""), ticket.id))

    def _body(self, what: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Rename columns; WriteRefusedError for what TMF621 does not take, and where a key could not be found again."""
        self.require_write(what)
        self._require_journals(what)
        others = sorted(set(fields) - _ATTRIBUTES.keys())
        if others:
            raise self.refusal(what, f"TMF621 takes no {', '.join(others)}, only {', '.join(_ATTRIBUTES)}")
        return {_ATTRIBUTES[name]: "" if value is None else str(value) for name, value in fields.items()}

    def _require_journals(self, what: str) -> None:
        if self._settings.journals != "sys_journal_field":
            raise self.refusal(
                what, f'keys are kept as work notes: set sources.{self._http.name}.journals = "sys_journal_field"'
            )

    def _request(
        self, operation: str, method: str, body: Mapping[str, Any], ticket_id: str | None = None
    ) -> HttpRequest:
        parts = _PATH if ticket_id is None else (*_PATH, ticket_id)
        return HttpRequest(operation, method, below(self._http.base, *parts), orjson.dumps(body))


def _note_with(key: str) -> str:
    return f"[{key}] created by tmf656-bridge"
