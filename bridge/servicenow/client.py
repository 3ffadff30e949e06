"""The client of one table of a ServiceNow instance: pages and single tickets, by the Table API.

Methods raise what `bridge.http.client` raises. An instance that runs out of time answers 200 with a part of the rows
and an error beside them: that is no page but a TransientError.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from bridge.domain import timestamp
from bridge.domain.list_choice import ListChoice
from bridge.domain.service_problem import usable_id
from bridge.domain.ticket_system import JOURNALS, Capabilities, RemoteNote, Ticket
from bridge.errors import PermanentError, TransientError
from bridge.http.address import below, with_query
from bridge.http.client import HttpClient
from bridge.http.errors import MalformedAnswerError
from bridge.http.list_page import NO_FILTER, Fetched
from bridge.http.offload import run_by_size
from bridge.http.request import HttpRequest, OnRequest
from bridge.http.response import HttpResponse
from bridge.http.row import Row, rows_of
from bridge.servicenow.journal import as_items, note_of, notes_in
from bridge.servicenow.query import condition, encoded, is_in, joined
from bridge.servicenow.table_pages import TableAnswer, TablePages, TableWindow
from bridge.servicenow.wire import NEEDED, TableRecord, item_of, record_in
from bridge.settings import ServiceNowSettings

JOURNAL_TABLE: Final = "sys_journal_field"
_IDS_AT_ONCE: Final = 100
"""Notes of so many tickets are requested at once: the ids stand in the address."""
_NOTES_AT_ONCE: Final = 5_000
_REPEATED_PAGES: Final = 10
"""So many pages of notes in a row may bring nothing new: an access rule may empty some."""
_ASKABLE: Final = re.compile(r"[\w-]{1,64}")
"""An id that can stand in a list of an encoded query."""


class TableClient:
    """Reads one table; use it within `async with`, by many tasks at once."""

    filters: Final = ("sysparm_query",)
    """The one way to request only what changed."""
    whole_rows: Final = True
    """A list has the columns that a request by id has."""
    hub: Final = None
    """An instance has no hub: it is polled, and a business rule may call our listener."""

    def __init__(
        self,
        name: str,
        settings: ServiceNowSettings,
        *,
        on_request: OnRequest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; raises ConfigurationError when the address, a certificate or a key cannot be used."""
        self.http = HttpClient(name, settings, on_request=on_request, clock=clock)
        self.settings = settings
        self._name = name
        self._table = below(self.http.base, "api", "now", "table", settings.table)

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
        return f"{self.settings.url}/api/now/table/{self.settings.table}"

    @property
    def capabilities(self) -> Capabilities:
        """What an instance can do: it counts changes, and cannot compare before it writes."""
        return Capabilities(
            counts_versions=True,
            notes="none" if self.settings.journals == "none" else "append",
            keys_unique=bool(self.settings.import_set),
            settle_seconds=self.settings.settle_seconds,
            concurrency=self.settings.concurrency,
        )

    def pages(
        self,
        *,
        changed_since: datetime | None = None,
        filter_style: str = NO_FILTER,
        version: str | None = None,  # noqa: ARG002 -- records have no version of a model
    ) -> TablePages:
        """Read the tickets of the table, or those changed since `changed_since`."""
        since = None if filter_style == NO_FILTER else changed_since
        return TablePages(self._page, query=self.settings.query, changed_since=since, page_size=self.settings.page_size)

    def chosen_pages(self, choice: ListChoice) -> None:
        """Nothing is asked so: an instance has `query`."""

    async def get(self, problem_id: str) -> Fetched:
        """Fetch one ticket by its sys_id; NotFoundError where it is gone, or the account may not see it."""
        found = await self._chosen(problem_id)
        record, response = found or await self.record("get", problem_id)
        notes = await self._notes_of([(problem_id, record)])
        item = self.item(record, notes.get(problem_id, ()))
        chosen = found is not None or not self.settings.query
        return Fetched(item, response.asked_at, response.server_at, chosen)

    async def elsewhere(self) -> Mapping[str, str]:
        """Nothing is tried: an instance has one address."""
        return {}

    async def count(self, query: str) -> int:
        """Return how many tickets meet an encoded query, as far as the instance understands it."""
        text = encoded({"sysparm_count": "true", "sysparm_query": query})
        url = with_query(below(self.http.base, "api", "now", "stats", self.settings.table), text)
        request = HttpRequest("count", "GET", url, query=text)
        response = await self.http.send(request)
        self.http.require_ok(request, response)
        result = self._result(request, response)
        stats = result.get("stats") if isinstance(result, dict) else None
        number = stats.get("count") if isinstance(stats, dict) else None
        if not (isinstance(number, str | int) and str(number).isdigit()):
            raise self.http.malformed(request, "no count")
        self.http.count(request.operation, "ok")
        return int(number)

    async def columns(self) -> frozenset[str]:
        """Return the columns that some record has, as far as the account may read them; none where there is none."""
        text = encoded({"sysparm_limit": "1", "sysparm_exclude_reference_link": "true"})
        request = HttpRequest("columns", "GET", with_query(self._table, text), query=text)
        response = await self.http.send(request)
        self.http.require_ok(request, response)
        result = self._result(request, response)
        if not isinstance(result, list):
            raise self.http.malformed(request, "something else than a list of records")
        self.http.count(request.operation, "ok")
        return frozenset(result[0]) if result and isinstance(result[0], dict) else frozenset()

    async def fetch(self, ticket_id: str) -> Ticket:
        """Read one ticket, without its notes."""
        return self.ticket(*await self.record("get", ticket_id))

    async def find(self, key: str, *, since: datetime | None = None) -> list[Ticket]:  # noqa: ARG002 -- a column is searched
        """Find the tickets that carry a key, oldest first. PermanentError where the instance ignores the column."""
        column = self.key_column
        query = joined(condition(column, "=", key), "ORDERBYsys_created_on", "ORDERBYsys_id")
        records, response, _ = await self._list("find", self.settings.table, query, self._fields, limit=20)
        if any(record.values.get(column) != key for record in records):
            raise PermanentError(
                f"source {self._name}: a query for {column} answered tickets with other values: is "
                f"sources.{self._name}.key_field a column of {self.settings.table} that the account may read?"
            )
        return [self.ticket(record, response) for record in records]

    async def notes(self, ticket_id: str) -> list[RemoteNote]:
        """Read the notes of a ticket, oldest first. PermanentError where the settings say that none are read."""
        match self.settings.journals:
            case "none":
                raise PermanentError(
                    f"source {self._name}: notes are not read: set sources.{self._name}.journals to sys_journal_field "
                    "or display"
                )
            case "display":
                record, _ = await self.record("notes", ticket_id)
                return notes_in(record.names)
            case "sys_journal_field":
                return (await self._journals([ticket_id])).get(ticket_id, [])

    async def noted(self, text: str) -> list[str]:
        """Return the tickets that have this work note, word for word."""
        query = joined(condition("element", "=", "work_notes"), condition("value", "STARTSWITH", text))
        rows, _, _ = await self._list("find", JOURNAL_TABLE, query, "element_id,value", limit=20)
        return list(dict.fromkeys(row.values["element_id"] for row in rows if row.values.get("value") == text))

    @property
    def key_column(self) -> str:
        """The column that keeps the key of a link."""
        return self.settings.key_field or "correlation_id"

    def item(self, record: TableRecord, notes: Sequence[RemoteNote] = ()) -> dict[str, Any]:
        """Return a record as a version 4 problem."""
        href = self.address_of(record.values.get("sys_id", ""))
        return item_of(record, self.settings.table, self.settings.status_map, as_items(notes), href=href)

    def address_of(self, sys_id: str) -> str:
        """Return where people see a ticket."""
        return f"{self.settings.url}/nav_to.do?uri={self.settings.table}.do%3Fsys_id%3D{quote(sys_id, safe='')}"

    def ticket(self, record: TableRecord, response: HttpResponse) -> Ticket:
        """Return a record as a ticket."""
        ticket_id = record.values.get("sys_id", "")
        updated = timestamp.read(record.values.get("sys_updated_on"))
        return Ticket(
            id=ticket_id,
            record=dict(record.values),
            item=self.item(record),
            asked_at=response.asked_at,
            version=record.values.get("sys_mod_count"),
            updated_at=None if updated is None or updated.unset else updated.at,
            server_at=response.server_at,
            url=self.address_of(ticket_id),
        )

    async def record(self, operation: str, sys_id: str) -> tuple[TableRecord, HttpResponse]:
        """Request one record of the table."""
        request = self.request(operation, "GET", sys_id)
        response = await self.http.send(request)
        self.http.require_ok(request, response)
        record = self.record_in(request, response)
        if record.values.get("sys_id") != sys_id:
            raise self.http.malformed(request, "another record than the one that was requested")
        self.http.count(operation, "ok")
        return record, response

    def request(self, operation: str, method: str, sys_id: str | None, body: bytes | None = None) -> HttpRequest:
        """Return a request for a record, or of the table, whose answer is written as this client reads it."""
        if (sys_id is not None and usable_id(sys_id) is None) or sys_id in {".", ".."}:
            raise PermanentError(f"source {self._name}: {sys_id!r} cannot be requested: no address holds it")
        url = self._table if sys_id is None else below(self._table, sys_id)
        query = encoded({**self._shape, "sysparm_fields": self._fields})
        return HttpRequest(operation, method, with_query(url, query), body)

    def record_in(self, request: HttpRequest, response: HttpResponse) -> TableRecord:
        """Read the record in an answer."""
        result = self._result(request, response)
        if not isinstance(result, dict):
            raise self.http.malformed(request, "something else than a record")
        return record_in(result)

    async def _chosen(self, sys_id: str) -> tuple[TableRecord, HttpResponse] | None:
        """Request a record where it meets the query of the settings; None: it does not, or there is no such query."""
        if not self.settings.query or _ASKABLE.fullmatch(sys_id) is None:
            return None
        query = joined(self.settings.query, condition("sys_id", "=", sys_id))
        records, response, _ = await self._list("get", self.settings.table, query, self._fields, limit=2)
        found = [record for record in records if record.values.get("sys_id") == sys_id]
        return (found[0], response) if len(found) == len(records) == 1 else None

    @property
    def _shape(self) -> dict[str, str]:
        shown = self.settings.display_values or self.settings.journals == "display"
        return {
            "sysparm_display_value": "all" if shown else "false",
            "sysparm_exclude_reference_link": "true",
            "sysparm_input_display_value": "false",
        }

    @property
    def _fields(self) -> str:
        """The columns to be read, as a parameter; empty: all."""
        if not self.settings.fields:
            return ""
        journals = JOURNALS if self.settings.journals == "display" else ()
        return ",".join(dict.fromkeys((*NEEDED, self.key_column, *self.settings.fields, *journals)))

    async def _page(self, window: TableWindow) -> TableAnswer:
        records, response, total = await self._list(
            "list", self.settings.table, window.query, self._fields, self.settings.page_size, window.offset
        )
        ids = [record.values.get("sys_id", "") for record in records]
        notes = await self._notes_of(zip(ids, records, strict=True))

        def rows() -> list[Row]:
            return rows_of(
                self.item(record, notes.get(sys_id, ())) for sys_id, record in zip(ids, records, strict=True)
            )

        return TableAnswer(
            await run_by_size(len(response.body), rows),
            [(record.values.get("sys_updated_on", ""), sys_id) for sys_id, record in zip(ids, records, strict=True)],
            more='rel="next"' in ",".join(response.headers.getall("Link", [])),
            total=total,
            asked_at=response.asked_at,
            server_at=response.server_at,
        )

    async def _notes_of(self, records: Any) -> dict[str, list[RemoteNote]]:
        """Return the notes of (sys_id, record) by sys_id, as far as notes are read."""
        pairs = list(records)
        match self.settings.journals:
            case "none":
                return {}
            case "display":
                return {sys_id: notes_in(record.names) for sys_id, record in pairs}
            case "sys_journal_field":
                return await self._journals([sys_id for sys_id, _ in pairs if sys_id])

    async def _journals(self, sys_ids: Sequence[str]) -> dict[str, list[RemoteNote]]:
        """Read the journals of these tickets, oldest entry first; of an id that no query can hold none is read."""
        found: dict[str, list[RemoteNote]] = {}
        askable = [sys_id for sys_id in sys_ids if _ASKABLE.fullmatch(sys_id)]
        for start in range(0, len(askable), _IDS_AT_ONCE):
            part = askable[start : start + _IDS_AT_ONCE]
            for row in await self._entries_of(part):
                found.setdefault(row["element_id"], []).append(note_of(row))
        return found

    async def _entries_of(self, sys_ids: Sequence[str]) -> list[dict[str, str]]:
        """Read the entries of these tickets, each once. TransientError where an instance repeats a page for ever."""
        query = joined(
            is_in("element_id", sys_ids), is_in("element", JOURNALS), "ORDERBYsys_created_on", "ORDERBYsys_id"
        )
        columns = "sys_id,element_id,element,value,sys_created_on,sys_created_by"
        wanted, entries = set(sys_ids), dict[tuple[str, ...], dict[str, str]]()
        offset, unchanged = 0, 0
        while unchanged < _REPEATED_PAGES:
            rows, response, _ = await self._list("notes", JOURNAL_TABLE, query, columns, _NOTES_AT_ONCE, offset)
            before = len(entries)
            for values in (row.values for row in rows):
                if values.get("element_id") in wanted:
                    name = values.get("sys_id", "")
                    entries.setdefault((name,) if name else tuple(values.values()), values)
            if len(rows) < _NOTES_AT_ONCE and 'rel="next"' not in ",".join(response.headers.getall("Link", [])):
                return list(entries.values())
            unchanged = 0 if len(entries) > before else unchanged + 1
            offset += _NOTES_AT_ONCE
        raise TransientError(
            f"source {self._name}: {JOURNAL_TABLE} names further pages without a new note for ever: does the account "
            "read all of its rows, and does the instance honour sysparm_offset?"
        )

    async def _list(
        self, operation: str, table: str, query: str, fields: str, limit: int, offset: int = 0
    ) -> tuple[list[TableRecord], HttpResponse, int | None]:
        """Request records; the third value is how many there are, where the instance says so."""
        parameters = {
            "sysparm_query": query,
            **self._shape,
            "sysparm_fields": fields,
            "sysparm_limit": str(limit),
            "sysparm_offset": str(offset) if offset else "",
        }
        if table == JOURNAL_TABLE:
            parameters["sysparm_display_value"] = "false"
        text = encoded(parameters)
        url = with_query(below(self.http.base, "api", "now", "table", table), text)
        request = HttpRequest(operation, "GET", url, query=f"sysparm_query={query}", closes=True)
        response = await self.http.send(request)
        self.http.require_ok(request, response)

        def records() -> list[TableRecord]:
            result = self._result(request, response)
            if not isinstance(result, list) or not all(isinstance(each, dict) for each in result):
                raise self.http.malformed(request, "something else than a list of records")
            return list(map(record_in, result))

        found = await run_by_size(len(response.body), records)
        self.http.count(operation, "ok")
        total = response.headers.get("X-Total-Count", "")
        return found, response, int(total) if total.isascii() and total.isdigit() else None

    def _result(self, request: HttpRequest, response: HttpResponse) -> Any:
        """Return what is in the envelope; TransientError where an error stands beside it."""
        try:
            document = response.document()
        except (ValueError, RecursionError) as error:
            raise self._no_json(request, response) from error
        if not isinstance(document, dict) or "result" not in document:
            raise self._no_json(request, response)
        if isinstance(failed := document.get("error"), dict):
            self.http.count(request.operation, "server_error")
            raise TransientError(
                f"source {self._name}: {request} answered a part only ({failed.get('message')}): lower "
                f"sources.{self._name}.page_size"
            )
        return document["result"]

    def _no_json(self, request: HttpRequest, response: HttpResponse) -> MalformedAnswerError:
        """A page of HTML comes from an instance that sleeps, or from the gateway before it."""
        return self.http.malformed(request, f"no result ({response.excerpt()}): is the instance asleep?")
