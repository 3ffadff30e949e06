"""The HTTP side of the simulated instance: Table API, counts, import sets, and the scripted endpoint for problems."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web

from bridge.simulator.gate import Reply, ReplyError, Write
from bridge.simulator.servicenow import service_problem, trouble_ticket
from bridge.simulator.servicenow.accounts import Accounts, platform_error
from bridge.simulator.servicenow.encoded_query import ParsedQuery, parse
from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.record_store import Columns, RecordStore
from bridge.simulator.servicenow.rules import RuleError
from bridge.simulator.servicenow.tables import TABLES, TICKETS

_PATH = re.compile(r"/api/now(?:/v([12]))?/(table|stats|import)/([A-Za-z0-9_]+)(?:/([^/]+))?")
_STATE_PATH = re.compile(r"/api/x_acme/problem/([^/]+)/new_state/([^/]+)")
_DEFAULT_LIMIT = 10_000
STAGING_PREFIX = "u_import_"
"""A staging table `u_import_incident` is transformed into incidents, and coalesces on `correlation_id`."""


class TableApi:
    """Answers requests; the gate before it has noted and hindered them."""

    def __init__(self, store: RecordStore, accounts: Accounts, faults: ServiceNowFaults, zone: timedelta) -> None:
        """`zone`: how far the time zone of the account is from UTC."""
        self._store = store
        self._accounts = accounts
        self._faults = faults
        self._zone = zone
        self._trouble_tickets = trouble_ticket.TroubleTickets(store, lambda: accounts.user, zone)
        self._service_problems = service_problem.ServiceProblems(store, faults, lambda: accounts.user)

    def failed(self) -> Reply:
        """Return the answer of an instance that failed."""
        return platform_error(500, "Internal Server Error", "Transaction failed")

    def rate_limited(self, retry_after_seconds: int) -> Reply:
        """Return the answer to one request too many."""
        refused = platform_error(429, "Rate limit exceeded", "Rate limit of requests per hour for Table API exceeded")
        return Reply(refused.status, refused.body, (("Retry-After", str(retry_after_seconds)),))

    async def handle(self, request: web.Request) -> Reply | Write:
        """Answer a request."""
        body = await request.read()
        if request.path == "/oauth_token.do":
            return self._accounts.token(request.headers, body)
        refused = self._accounts.refusal(request)
        if refused is not None:
            return refused
        if request.path.startswith(trouble_ticket.PATH):
            return self._trouble_tickets.handle(request, body)
        if request.path.startswith(service_problem.PATH):
            return self._service_problems.handle(request, body)
        moved = _STATE_PATH.fullmatch(request.path)
        if moved is not None and request.method == "PATCH":
            return self._move(moved[1], moved[2], _given(body))
        found = _PATH.fullmatch(request.path)
        if found is None:
            return platform_error(400, "Requested URI does not represent any resource", request.path)
        version, resource, table, sys_id = found.groups()
        query = {name: value for name, value in request.query.items() if value}
        if resource == "import":
            return self._import(table, _given(body))
        if table not in TABLES:
            return platform_error(400, f"Invalid table {table}")
        if table in self._faults.unreadable_tables:
            return platform_error(403, "User Not Authorized", f"Failed API level ACL Validation: {table}")
        if resource == "stats":
            return self._count(table, query)
        return self._table(request.method, table, sys_id, query, body, version == "1")

    def _table(
        self, method: str, table: str, sys_id: str | None, query: Mapping[str, str], body: bytes, old: bool
    ) -> Reply | Write:
        if sys_id is None:
            if method == "GET":
                return self._list(table, query, old)
            if method == "POST":
                return Write(lambda: self._inserted(table, _given(body), query))
            return platform_error(405, "Method not supported")
        if sys_id not in self._store.tables[table] or sys_id in self._faults.hidden:
            return platform_error(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
        if method == "GET":
            return Reply(200, {"result": self._said(table, self._store.tables[table][sys_id], query)})
        if method in ("PUT", "PATCH"):
            return Write(lambda: self._updated(table, sys_id, _given(body), query))
        if method == "DELETE":
            return Write(lambda: self._deleted(table, sys_id))
        return platform_error(405, "Method not supported")

    # Reading

    def _list(self, table: str, query: Mapping[str, str], old: bool) -> Reply:
        parsed = parse(query.get("sysparm_query", ""), TABLES[table])
        records = self._chosen(table, parsed)
        limit = _whole(query, "sysparm_limit", _DEFAULT_LIMIT)
        offset = _whole(query, "sysparm_offset", 0)
        page = [each for each in records[offset : offset + limit] if each["sys_id"] not in self._faults.hidden]
        rows = [self._said(table, each, query) for each in page]
        headers = self._page_headers(f"/api/now/table/{table}", query, len(records), offset, limit)
        if self._faults.cancelled_next > 0:
            self._faults.cancelled_next -= 1
            error = {"message": "Transaction cancelled: maximum execution time exceeded", "detail": None}
            half = {"result": rows[: len(rows) // 2], "error": error, "status": "failure"}
            return Reply(200, half, headers)
        if old and not rows:
            return platform_error(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
        return Reply(200, {"result": rows}, headers)

    def _chosen(self, table: str, parsed: ParsedQuery) -> list[Columns]:
        records = list(self._store.tables[table].values())
        if self._faults.stale:
            records = [self._store.earlier.get(each["sys_id"], each) for each in records]
        if self._faults.ignore_query:
            return records
        if parsed.dropped and self._faults.invalid_query_returns_nothing:
            return []
        return parsed.sorted([each for each in records if parsed.meets(each)], TABLES[table])

    def _page_headers(
        self, path: str, query: Mapping[str, str], total: int, offset: int, limit: int
    ) -> tuple[tuple[str, str], ...]:
        headers = []
        if not _truth(query, "sysparm_no_count"):
            headers.append(("X-Total-Count", str(total)))
        if not _truth(query, "sysparm_suppress_pagination_header") and limit > 0:
            last = max(0, (total - 1) // limit * limit)
            places = {"first": 0, "last": last}
            if offset + limit < total:
                places["next"] = offset + limit
            if offset > 0:
                places["prev"] = max(0, offset - limit)
            links = [
                f'<{path}?{urlencode({**query, "sysparm_offset": place})}>;rel="{name}"'
                for name, place in places.items()
            ]
            headers.append(("Link", ",".join(links)))
        return tuple(headers)

    def _count(self, table: str, query: Mapping[str, str]) -> Reply:
        parsed = parse(query.get("sysparm_query", ""), TABLES[table])
        return Reply(200, {"result": {"stats": {"count": str(len(self._chosen(table, parsed)))}}})

    def _said(self, table: str, record: Columns, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a record as a request wants it written."""
        wanted = [name for name in query.get("sysparm_fields", "").split(",") if name]
        shown = query.get("sysparm_display_value", "false").lower()
        plain = _truth(query, "sysparm_exclude_reference_link")
        said: dict[str, Any] = {}
        for name, kind in TABLES[table].items():
            if (wanted and name not in wanted) or name in self._faults.unreadable_columns:
                continue
            value = "" if kind.type == "journal" else record.get(name, "")
            display = self._store.shown(table, record, name, self._zone) if shown != "false" else ""
            link = f"/api/now/table/{kind.reference}/{value}"
            refers = kind.type == "reference" and bool(value) and not plain
            if shown == "all":
                said[name] = {"display_value": display, "value": value} | ({"link": link} if refers else {})
            elif shown == "true":
                said[name] = {"display_value": display, "link": link} if refers else display
            else:
                said[name] = {"link": link, "value": value} if refers else value
        return said

    # Writing

    def _inserted(self, table: str, given: Columns, query: Mapping[str, str]) -> Reply:
        record = self._obeying(lambda: self._store.insert(table, given, self._accounts.user))
        location = (("Location", f"/api/now/table/{table}/{record['sys_id']}"),)
        return Reply(201, {"result": self._said(table, record, query)}, location)

    def _updated(self, table: str, sys_id: str, given: Columns, query: Mapping[str, str]) -> Reply:
        moves = table != "problem"
        record = self._obeying(lambda: self._store.update(table, sys_id, given, self._accounts.user, moves_state=moves))
        return Reply(200, {"result": self._said(table, record, query)})

    def _deleted(self, table: str, sys_id: str) -> Reply:
        if self._faults.read_only:
            raise ReplyError(platform_error(403, "Operation Failed", "ACL Exception Delete Failed"))
        self._store.delete(table, sys_id)
        return Reply(204, None)

    def _move(self, number: str, state: str, given: Columns) -> Reply | Write:
        problems = self._store.tables["problem"].values()
        sys_id = next((each["sys_id"] for each in problems if each["number"] == number), None)
        if sys_id is None:
            return platform_error(404, "No Record found", f"problem {number}")
        user = self._accounts.user

        def carry_out() -> Reply:
            self._obeying(lambda: self._store.update("problem", sys_id, given | {"state": state}, user))
            return Reply(200, {"result": {"number": number, "state": state}})

        return Write(carry_out)

    def _import(self, staging: str, given: Columns) -> Reply | Write:
        table = staging.removeprefix(STAGING_PREFIX)
        if not staging.startswith(STAGING_PREFIX) or table not in TICKETS:
            return platform_error(400, f"Invalid table {staging}")
        return Write(lambda: self._transformed(staging, table, given))

    def _transformed(self, staging: str, table: str, given: Columns) -> Reply:
        """Insert or update one record: the transform map coalesces on `correlation_id`."""
        key = given.get("correlation_id", "")
        same = [each for each in self._store.tables[table].values() if key and each["correlation_id"] == key]
        row: dict[str, Any] = {"transform_map": f"{staging} to {table}", "table": table}
        user = self._accounts.user
        try:
            if same:
                record = self._store.update(table, same[0]["sys_id"], given, user)
                row["status"] = "updated" if record is not same[0] else "ignored"
            else:
                record = self._store.insert(table, given, user)
                row["status"] = "inserted"
        except RuleError as refused:
            row |= {"status": "error", "error_message": refused.detail, "sys_id": ""}
        else:
            row |= {"display_name": "number", "display_value": record["number"], "sys_id": record["sys_id"]}
        return Reply(201, {"import_set": "ISET0010001", "staging_table": staging, "result": [row]})

    def _obeying(self, write: Any) -> Columns:
        try:
            record: Columns = write()
        except RuleError as refused:
            raise ReplyError(platform_error(refused.status, refused.message, refused.detail)) from refused
        return record


def _given(body: bytes) -> Columns:
    """Read the columns of a body: texts, numbers, and references as objects; null clears."""
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        raise ReplyError(platform_error(400, "Exception while reading request", "invalid JSON")) from None
    if not isinstance(document, dict):
        raise ReplyError(platform_error(400, "Exception while reading request", "no object"))
    given = {}
    for name, value in document.items():
        inner = value.get("value") if isinstance(value, dict) else value
        given[name] = "" if inner is None else str(inner).lower() if isinstance(inner, bool) else str(inner)
    return given


def _truth(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() == "true"


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default
