"""A gateway before the simulated instance: its incidents as TMF656 problems, filtered by `sysparm_query`.

As the one such gateway that is described in public: below its path GET with an encoded query, POST and PATCH; no hub,
no totals. Notes are the comments; a note that comes is added, whatever else is in the list.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from bridge.simulator.gate import Reply, ReplyError, Write
from bridge.simulator.servicenow.encoded_query import parse
from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.record_store import Columns, RecordStore
from bridge.simulator.servicenow.rules import RuleError
from bridge.simulator.servicenow.tables import TABLES

BASE_PATH = "/gstm/dataminer/tmf/api/v1/tmf656"
PATH = f"{BASE_PATH}/serviceProblem"
_TABLE = "incident"
_STATUSES = {"1": "acknowledged", "2": "inProgress", "3": "held", "6": "resolved", "7": "closed", "8": "cancelled"}
_STATES = {status: state for state, status in _STATUSES.items()} | {"submitted": "1", "pending": "3", "rejected": "8"}
_GOES_ALONG: Mapping[str, Columns] = {
    "3": {"hold_reason": "4"},
    "6": {"close_code": "Solution provided", "close_notes": "Resolved by a partner"},
    "7": {"close_code": "Solution provided", "close_notes": "Closed by a partner"},
}
_SCALE = {"1": ("1", "1"), "2": ("1", "2"), "3": ("2", "2"), "4": ("2", "3")}
"""Impact and urgency that make a priority; all others are planned."""
_COLUMNS = {"name": "short_description", "description": "description", "category": "category"}
_CUSTOM = ("u_source", "u_external_id", "correlation_id")
_PAGE = 1000


class ServiceProblems:
    """Answers requests for service problems; who comes in has been asked already."""

    def __init__(self, store: RecordStore, faults: ServiceNowFaults, user: Callable[[], str]) -> None:
        """`user`: who writes."""
        self._store = store
        self._faults = faults
        self._user = user

    def handle(self, request: web.Request, body: bytes) -> Reply | Write:
        """Answer a request below `PATH`."""
        problem_id = request.path.removeprefix(PATH).strip("/")
        records = self._store.tables[_TABLE]
        if not problem_id:
            if request.method == "GET":
                return self._list(request.query)
            if request.method == "POST":
                given = _object(body)
                return Write(lambda: Reply(201, self._said(self._obeying(lambda: self._inserted(given)))))
            return _error(405, "Method not supported")
        if problem_id not in records:
            return _error(404, "No service problem with this id")
        if request.method == "GET":
            return Reply(200, self._said(records[problem_id]))
        if request.method == "PATCH":
            given = _object(body)
            return Write(lambda: Reply(200, self._said(self._obeying(lambda: self._updated(problem_id, given)))))
        return _error(405, "Method not supported")

    def _list(self, query: Mapping[str, str]) -> Reply:
        columns = TABLES[_TABLE]
        parsed = parse(query.get("sysparm_query", ""), columns)
        found = parsed.sorted([each for each in self._store.tables[_TABLE].values() if parsed.meets(each)], columns)
        offset, limit = int(query.get("sysparm_offset", 0)), int(query.get("sysparm_limit", _PAGE))
        return Reply(200, [self._said(each) for each in found[offset : offset + min(limit, _PAGE)]])

    def _inserted(self, given: dict[str, Any]) -> Columns:
        return self._noted(self._store.insert(_TABLE, _columns(given), self._user()), given)

    def _updated(self, problem_id: str, given: dict[str, Any]) -> Columns:
        return self._noted(self._store.update(_TABLE, problem_id, _columns(given), self._user()), given)

    def _noted(self, record: Columns, given: dict[str, Any]) -> Columns:
        for note in given.get("note") or []:
            comment = {"comments": str(note.get("text", ""))}
            record = self._store.update(_TABLE, record["sys_id"], comment, self._user())
        return record

    def _obeying(self, write: Callable[[], Columns]) -> Columns:
        try:
            return write()
        except RuleError as refused:
            raise ReplyError(_error(refused.status, refused.detail)) from refused

    def _said(self, record: Columns) -> dict[str, Any]:
        said = {
            "id": record["sys_id"],
            "href": f"{PATH}/{record['sys_id']}",
            "number": record["number"],
            "name": record["short_description"],
            "description": record["description"],
            "status": _STATUSES.get(record["state"], ""),
            "priority": int(record["priority"]),
            "category": record["category"],
            "creationDate": _instant(record["sys_created_on"]),
            "lastUpdate": _instant(record["sys_updated_on"]),
            "resolutionDate": _instant(record["resolved_at"]),
            "note": [
                {"text": entry["value"], "date": _instant(entry["sys_created_on"]), "author": entry["sys_created_by"]}
                for entry in self._store.journal(record["sys_id"], "comments")
            ],
        }
        said |= {name: record[name] for name in _CUSTOM}
        if "comments" in self._faults.unreadable_columns:
            del said["note"]
        return said


def _columns(given: dict[str, Any]) -> Columns:
    columns = {column: str(given[name]) for name, column in _COLUMNS.items() if given.get(name) is not None}
    columns |= {name: str(given[name]) for name in _CUSTOM if given.get(name) is not None}
    if "priority" in given:
        columns["impact"], columns["urgency"] = _SCALE.get(str(given["priority"]), ("3", "3"))
    if "status" in given:
        state = _STATES.get(str(given["status"]))
        if state is None:
            raise ReplyError(_error(400, f"status {given['status']} is not known"))
        columns |= _GOES_ALONG.get(state, {}) | {"state": state}
    return columns


def _instant(written: str) -> str:
    return f"{written.replace(' ', 'T')}Z" if written else ""


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"code": str(status), "reason": message, "status": status})


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise ReplyError(_error(400, "Invalid payload"))
    return document
