"""The Trouble Ticket API (TMF621) of the simulated instance: bare objects, times without a zone, severity by label."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from aiohttp import web

from bridge.simulator.gate import Reply, ReplyError, Write
from bridge.simulator.servicenow.record_store import Columns, RecordStore
from bridge.simulator.servicenow.rules import RuleError
from bridge.simulator.servicenow.tables import FIRST_STATE, TABLES

PATH = "/api/sn_ind_tsm_sdwan/ticket/troubleTicket"
_TABLES = {"Incident": "incident", "Service Problem Case": "sn_sprb_mgmt_case"}
_SCALE = {"1": ("1", "1"), "2": ("1", "2"), "3": ("2", "2"), "4": ("2", "3"), "5": ("3", "3")}
"""Impact and urgency that make a priority."""
_COLUMNS = {"name": "short_description", "description": "description"}
_LIMIT, _MOST = 25, 100


def open_api_error(status: int, code: int, reason: str) -> Reply:
    """Return an error in the shape of ServiceNow's Open APIs."""
    return Reply(status, {"code": code, "reason": reason, "message": reason, "details": []})


class TroubleTickets:
    """Answers requests for trouble tickets; who comes in has been asked already."""

    def __init__(self, store: RecordStore, user: Callable[[], str], zone: timedelta) -> None:
        """`zone`: of notes, whose times are those of the session, unlike all others."""
        self._store = store
        self._user = user
        self._zone = zone

    def handle(self, request: web.Request, body: bytes) -> Reply | Write:
        """Answer a request below `PATH`."""
        ticket_id = request.path.removeprefix(PATH).strip("/")
        if not ticket_id:
            if request.method == "GET":
                return self._list(request.query)
            if request.method == "POST":
                given = _object(body)
                return Write(lambda: self._created(given))
        place = self._place(ticket_id)
        if place is None:
            return open_api_error(404, 60, "No Record found")
        if request.method == "GET":
            return Reply(200, self._said(*place))
        if request.method == "PATCH":
            given = _object(body)
            if not given:
                return open_api_error(400, 22, "Request payload cannot be empty")
            return Write(lambda: self._patched(*place, given))
        return open_api_error(405, 61, "Method not supported")

    def _list(self, query: Mapping[str, str]) -> Reply:
        kind = query.get("ticketType")
        said = [
            self._said(table, record)
            for name, table in _TABLES.items()
            if kind in (None, name)
            for record in self._store.tables[table].values()
        ]
        for name in ("id", "status", "severity"):
            if name in query:
                said = [each for each in said if str(each[name]).startswith(query[name])]
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", _LIMIT)), _MOST)
        page = said[offset : offset + limit]
        if not page:
            return open_api_error(404, 60, "No Record found")
        headers = (
            ("X-Total-Count", str(len(said))),
            ("Content-Range", f"items {offset + 1}-{offset + len(page)}"),
        )
        return Reply(206 if len(page) < len(said) else 200, page, headers)

    def _created(self, given: dict[str, Any]) -> Reply:
        for name in ("description", "severity"):
            if not given.get(name):
                raise ReplyError(open_api_error(400, 23, f"Missing body field: {name}"))
        table = _TABLES.get(str(given.get("ticketType", "Incident")))
        if table is None:
            raise ReplyError(open_api_error(400, 24, "Invalid ticketType"))
        columns = _columns(table, given)
        columns.setdefault("state", FIRST_STATE[table])
        record = self._obeying(lambda: self._store.insert(table, columns, self._user()))
        return Reply(201, self._said(table, record))

    def _patched(self, table: str, record: Columns, given: dict[str, Any]) -> Reply:
        columns = _columns(table, given)
        return Reply(
            200,
            self._said(
                table, self._obeying(lambda: self._store.update(table, record["sys_id"], columns, self._user()))
            ),
        )

    def _obeying(self, write: Callable[[], Columns]) -> Columns:
        try:
            return write()
        except RuleError as refused:
            raise ReplyError(open_api_error(refused.status, 40, refused.detail)) from refused

    def _place(self, ticket_id: str) -> tuple[str, Columns] | None:
        for table in _TABLES.values():
            if ticket_id in self._store.tables[table]:
                return table, self._store.tables[table][ticket_id]
        return None

    def _said(self, table: str, record: Columns) -> dict[str, Any]:
        zone = timedelta(0)
        return {
            "id": record["sys_id"],
            "href": f"{PATH}/{record['sys_id']}",
            "name": record["short_description"],
            "description": record["description"],
            "severity": self._store.shown(table, record, "priority", zone),
            "status": self._store.shown(table, record, "state", zone),
            "ticketType": next(name for name, each in _TABLES.items() if each == table),
            "creationDate": record["sys_created_on"],
            "lastUpdate": record["sys_updated_on"],
            "note": [
                {
                    "text": entry["value"],
                    "date": self._store.shown("sys_journal_field", entry, "sys_created_on", self._zone),
                    "author": entry["sys_created_by"],
                    "@type": "comments",
                }
                for entry in self._store.journal(record["sys_id"], "comments")
            ],
            "@type": "TroubleTicket",
        }


def _columns(table: str, given: dict[str, Any]) -> Columns:
    columns = {column: str(given[name]) for name, column in _COLUMNS.items() if name in given}
    if "severity" in given:
        impact, urgency = _SCALE.get(str(given["severity"]), _SCALE["4"])
        columns |= {"impact": impact, "urgency": urgency}
    if "status" in given:
        labels = {label: value for value, label in TABLES[table]["state"].choices.items()}
        status = str(given["status"])
        columns["state"] = labels.get(status, status if status in labels.values() else FIRST_STATE[table])
    for note in given.get("note") or []:
        journal = "work_notes" if note.get("@type") == "work_notes" else "comments"
        columns[journal] = str(note.get("text", ""))
    return columns


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise ReplyError(open_api_error(400, 21, "Invalid payload"))
    return document
