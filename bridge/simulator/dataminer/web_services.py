"""Web Services v1, as far as tickets are concerned: `POST /API/v1/Json.asmx/{method}`, answers in `d`, errors as 500.

What Skyline's pages leave open can be chosen: whether UpdateTicket keeps the fields that it is not given (`update`),
what the list of a page is called (`list_name`), and what GetTicketV2 answers where there is no ticket (`missing`).
"""

import hmac
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import orjson
from aiohttp import web

from bridge.simulator.dataminer.faults import DataminerFaults
from bridge.simulator.dataminer.field_values import CLOSED, FieldValueError, TicketKind
from bridge.simulator.dataminer.sessions import WebSessions
from bridge.simulator.dataminer.ticket_store import StoredTicket, TicketStore
from bridge.simulator.gate import Reply, ReplyError, Write

Json = dict[str, Any]
UpdateStyle = Literal["whole", "changed"]
MissingStyle = Literal["error", "null"]

BASE_PATH: Final = "/API/v1/Json.asmx"
NO_CONNECTION: Final = "Skyline.DataMiner.Web.Common.NoConnectionWebApiException"
WEB_API: Final = "Skyline.DataMiner.Web.Common.WebApiException"

_CONNECT: Final = ("host", "login", "password", "clientAppName", "clientAppVersion", "clientComputerName")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class WebServices:
    """Answers the methods from a store of tickets of one type."""

    def __init__(
        self,
        store: TicketStore,
        faults: DataminerFaults,
        sessions: WebSessions,
        kind: TicketKind,
        *,
        username: str | None,
        password: str | None,
        agent: int,
    ) -> None:
        """`username`, `password`: what ConnectApp must be given; None: anything. `agent`: the DataMiner ID."""
        self._store = store
        self._faults = faults
        self.sessions = sessions
        self._kind = kind
        self.username = username
        self.password = password
        self._agent = agent
        self.update: UpdateStyle = "changed"
        self.missing: MissingStyle = "error"
        self.list_name = "Tickets"
        self.unreadable: Collection[int] = frozenset()
        """Numbers of tickets that GetTicketV2 fails on."""
        self._methods: Mapping[str, Callable[[Json], Reply | Write]] = {
            "IsConnectionAlive": self._is_alive,
            "LogOut": self._log_out,
            "GetTicketTypes": lambda _: _answer([self._kind.described()]),
            "GetTicketType": self._type,
            "GetTicketFields": self._fields,
            "GetActiveTicketsV2": self._active,
            "GetHistoryTicketsV2": self._history,
            "GetTicketV2": self._get,
            "CreateTicket": self._create,
            "UpdateTicket": self._update,
            "RemoveTicketV2": self._remove,
        }

    def failed(self) -> Reply:
        """Answer what ASP.NET answers where the server failed."""
        return _error("There was an error processing the request.", "System.Exception")

    def rate_limited(self, retry_after_seconds: int) -> Reply:
        """Answer as a proxy in front does; Web Services v1 has no limit of its own."""
        return Reply(429, {"Message": "Too many requests"}, (("Retry-After", str(retry_after_seconds)),))

    async def handle(self, request: web.Request) -> Reply | Write:
        """Answer one request; raises ReplyError where it is refused."""
        name = request.path.removeprefix(f"{BASE_PATH}/")
        if request.method != "POST" or (name not in self._methods and name != "ConnectApp"):
            raise _refusal(f"Unknown web method {name}.", "System.ArgumentException")
        try:
            arguments = orjson.loads(await request.read())
        except orjson.JSONDecodeError as error:
            raise _refusal("Invalid JSON primitive.", "System.ArgumentException") from error
        if not isinstance(arguments, dict):
            raise _refusal("Invalid web service call.", "System.InvalidOperationException")
        if name == "ConnectApp":
            return self._connect(arguments)
        if "connection" not in arguments:
            raise _missing_argument("connection")
        if name not in ("IsConnectionAlive", "LogOut") and not self.sessions.touch(arguments["connection"]):
            raise _refusal("No connection available", NO_CONNECTION)
        return self._methods[name](arguments)

    def said(self, ticket: StoredTicket) -> Json:
        """Return a ticket as the methods say it."""
        return self._kind.said(ticket, self._agent)

    # Sessions

    def _connect(self, arguments: Json) -> Reply:
        for name in _CONNECT:
            if name not in arguments:
                raise _missing_argument(name)
        given = (str(arguments["login"]), str(arguments["password"]))
        for expected, stated in zip((self.username, self.password), given, strict=True):
            if expected is not None and not hmac.compare_digest(expected.encode(), stated.encode()):
                raise _refusal(
                    "Invalid user name or password.", "Skyline.DataMiner.Web.Common.AuthenticationFailedWebApiException"
                )
        return _answer(self.sessions.open())

    def _is_alive(self, arguments: Json) -> Reply:
        return _answer(self.sessions.touch(arguments["connection"]))

    def _log_out(self, arguments: Json) -> Reply:
        self.sessions.close(arguments["connection"])
        return _answer(None)

    # Types

    def _type(self, arguments: Json) -> Reply:
        self._require_type(_argument(arguments, "ticketTypeID"))
        return _answer(self._kind.described())

    def _fields(self, arguments: Json) -> Reply:
        self._require_type(_argument(arguments, "ticketTypeID"))
        fields = [field.described() for field in self._kind.fields.values()]
        return _answer({"DataMinerFields": fields, "ExternalFields": []})

    def _require_type(self, type_id: object) -> None:
        if type_id != self._kind.id:
            raise _refusal("The ticket type does not exist.", WEB_API)

    # Reading

    def _active(self, arguments: Json) -> Reply:
        tickets = self._store.listed(stale=self._faults.stale)
        return self._page(arguments, [each for each in tickets if each.values.get("State") != CLOSED])

    def _history(self, arguments: Json) -> Reply:
        begin, end = (_time(_argument(arguments, name)) for name in ("utcStartTime", "utcEndTime"))
        tickets = self._store.listed(stale=self._faults.stale)
        return self._page(arguments, [each for each in tickets if begin <= each.created_at <= end])

    def _page(self, arguments: Json, tickets: list[StoredTicket]) -> Reply:
        number, count = (_argument(arguments, name) for name in ("pageNumber", "count"))
        if type(number) is not int or type(count) is not int or number < 0 or count < 1:
            raise _refusal("pageNumber and count must be whole numbers.", "System.ArgumentException")
        wanted = arguments.get("filter") or {}
        if wanted.get("TicketTypeID"):
            self._require_type(wanted["TicketTypeID"])
        found = [ticket for ticket in tickets if self._kind.matches(ticket, wanted.get("Filters"))]
        found.sort(key=lambda ticket: ticket.number, reverse=True)
        page = found[number * count : (number + 1) * count]
        return _answer(
            {
                "__type": "Skyline.DataMiner.Web.Common.v1.DMATicketsPage",
                "PageSessionID": 0,
                "TotalTicketsCount": 0,
                "HasNextPage": len(found) > (number + 1) * count,
                self.list_name: [self.said(ticket) for ticket in page],
            }
        )

    def _get(self, arguments: Json) -> Reply:
        _argument(arguments, "includeHistory")
        ticket = self._numbered(_argument(arguments, "ticketID"))
        if ticket is not None and ticket.number in self.unreadable:
            raise _refusal("The ticket cannot be read.", WEB_API)
        if ticket is None and self.missing == "null":
            return _answer(None)
        if ticket is None:
            raise _refusal("The ticket could not be found.", WEB_API)
        return _answer(self.said(ticket))

    def _numbered(self, number: object) -> StoredTicket | None:
        return next((ticket for ticket in self._store.tickets.values() if ticket.number == number), None)

    # Writing

    def _create(self, arguments: Json) -> Write:
        stated = _ticket_argument(arguments)
        self._require_type(stated.get("TicketTypeID"))
        values = self._values(stated)
        self._require_state(values)

        def carry_out() -> Reply:
            ticket = self._store.create(self._stored(values), {}, author=self.username or "api")
            return _answer([str(self._agent), str(ticket.number), ticket.guid])

        return Write(carry_out)

    def _update(self, arguments: Json) -> Write:
        stated = _ticket_argument(arguments)
        if stated.get("DataMinerID") != self._agent:
            raise _refusal("The DataMiner Agent is not known.", WEB_API)
        ticket = self._numbered(stated.get("ID"))
        if ticket is None:
            raise _refusal("The ticket could not be found.", WEB_API)
        values = self._values(stated)
        if self.update == "whole":
            self._require_state(values)

        def carry_out() -> Reply:
            if self._faults.refuse_ended and ticket.values.get("State") == CLOSED:
                raise _refusal("The ticket is closed.", WEB_API)
            author = self.username or "api"
            if self.update == "whole":
                self._store.replace(ticket, self._stored(values), author)
            else:
                self._store.change(ticket, self._stored(values), {}, author)
            return _answer(None)

        return Write(carry_out)

    def _remove(self, arguments: Json) -> Write:
        ticket = self._numbered(_argument(arguments, "ticketID"))

        def carry_out() -> Reply:
            if ticket is None or ticket.guid not in self._store.tickets:
                raise _refusal("The ticket could not be found.", WEB_API)
            self._store.delete(ticket.guid)
            return _answer(None)

        return Write(carry_out)

    def _values(self, stated: Json) -> Json:
        try:
            values = self._kind.read(stated.get("Fields"))
        except FieldValueError as error:
            raise _refusal(str(error), WEB_API) from error
        for name in self._faults.refuse:
            if name in values:
                raise _refusal(f"Field {name} is read-only.", WEB_API)
        return values

    def _require_state(self, values: Json) -> None:
        state = next(field.name for field in self._kind.fields.values() if field.type == "State")
        if values.get(state) is None:
            raise _refusal("The ticket does not contain its State field.", WEB_API)

    def _stored(self, values: Json) -> Json:
        return {name: self._faults.stored(value) if isinstance(value, str) else value for name, value in values.items()}


def _answer(value: Any) -> Reply:
    return Reply(200, {"d": value})


def _error(message: str, exception: str) -> Reply:
    return Reply(500, {"Message": message, "StackTrace": "", "ExceptionType": exception})


def _refusal(message: str, exception: str) -> ReplyError:
    return ReplyError(_error(message, exception))


def _missing_argument(name: str) -> ReplyError:
    return _refusal(
        f"Invalid web service call, missing value for parameter: '{name}'.", "System.InvalidOperationException"
    )


def _argument(arguments: Json, name: str) -> Any:
    if name not in arguments:
        raise _missing_argument(name)
    return arguments[name]


def _ticket_argument(arguments: Json) -> Json:
    ticket = _argument(arguments, "ticket")
    if not isinstance(ticket, dict):
        raise _refusal("Invalid ticket.", "System.ArgumentException")
    return ticket


def _time(milliseconds: object) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=float(str(milliseconds)))
    except (ValueError, OverflowError) as error:
        raise _refusal("Invalid time.", "System.ArgumentException") from error
