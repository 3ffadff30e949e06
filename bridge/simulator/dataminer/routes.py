"""The ticket routes of a user-defined API, as deploy/dataminer/routes.openapi.yaml describes them.

`ERRORS`: codes of DataMiner's own endpoint; what the script says itself has no code, as Skyline recommends.
"""

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiohttp import web

from bridge.simulator.dataminer.faults import DataminerFaults
from bridge.simulator.dataminer.ticket_store import StoredNote, StoredTicket, TicketStore
from bridge.simulator.gate import Reply, ReplyError, Write

Json = dict[str, Any]

BASE_PATH: Final = "/api/custom/tmf656-bridge"
CONTRACT: Final = "1.0"
STATES: Final = (
    "Acknowledged",
    "In Progress",
    "On Hold",
    "Pending",
    "Resolved",
    "Closed",
    "Cancelled",
    "Rejected",
)
ENDED: Final = frozenset({"Closed", "Cancelled", "Rejected"})
PRIORITIES: Final = ("Critical", "High", "Medium", "Low")
SEVERITIES: Final = ("Critical", "Major", "Minor")
TEXTS: Final = ("name", "description", "type", "assignee", "externalUrl")
CHOICES: Final = {"state": STATES, "priority": PRIORITIES, "severity": SEVERITIES}
DEFAULTS: Final = {"description": "", "state": "Acknowledged", "priority": "Low", "severity": "Minor", "type": ""} | {
    "assignee": "",
    "externalUrl": "",
}
CUSTOM: Final = ("Incident Number", "Incident Link", "Location")

_CURSOR: Final = re.compile(r"([0-9]{1,20})_([0-9a-fA-F-]{1,40})")
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_QUERY_BYTES: Final = 2048
_BODY_BYTES: Final = 29 * 1024 * 1024
_LONGEST_KEY: Final = 100
_LARGEST_PAGE: Final = 1000
_USUAL_PAGE: Final = 100
_AUTHOR: Final = "API"

METHODS: Final = {
    "about": ("GET",),
    "tickets": ("GET", "POST"),
    "ticket": ("GET", "PUT"),
    "notes": ("GET", "POST"),
}


class TicketRoutes:
    """Answers the routes from a store of tickets."""

    def __init__(self, store: TicketStore, faults: DataminerFaults, token: str | None) -> None:
        """`token`: what a caller must show; None: nothing."""
        self._store = store
        self._faults = faults
        self.token = token

    def failed(self) -> Reply:
        """Answer what DataMiner answers where the script ended with an exception."""
        return _error(500, "The script could not be executed.", code=12)

    def rate_limited(self, retry_after_seconds: int) -> Reply:
        """Answer what DataMiner answers to a token that was used too often."""
        return _error(429, "Rate limit of the token exceeded.", code=1014, retry_after=retry_after_seconds)

    async def handle(self, request: web.Request) -> Reply | Write:
        """Answer one request; raises ReplyError where it is refused."""
        method, name = request.method, request.path.removeprefix(BASE_PATH).strip("/").lower()
        self._admit(request, name)
        query = _query(request)
        match method, name:
            case "GET", "about":
                return Reply(200, self._about())
            case "GET", "tickets":
                return Reply(200, self._list(query))
            case "GET", "ticket":
                return Reply(200, self.said(self._ticket(query)))
            case "GET", "notes":
                return Reply(200, {"notes": [_note(note) for note in self._ticket(query).notes]})
        body = _document(await request.read())
        if name == "tickets":
            return self._create(body)
        return self._change(query, body) if name == "ticket" else self._add_note(query, body)

    def said(self, ticket: StoredTicket) -> Json:
        """Return a ticket as the routes say it."""
        return {
            "id": ticket.guid,
            "number": f"Ticket {ticket.number:05}",
            **ticket.values,
            "createdAt": _instant(ticket.created_at),
            "createdBy": ticket.created_by,
            "lastModified": _instant(ticket.modified_at),
            "lastModifiedBy": ticket.modified_by,
            "version": str(ticket.ticks),
            "key": ticket.key,
            "fields": dict(ticket.custom),
            "notes": [_note(note) for note in ticket.notes],
        }

    # What DataMiner's endpoint does before it starts the script

    def _admit(self, request: web.Request, name: str) -> None:
        if len(request.rel_url.raw_query_string) > _QUERY_BYTES:
            raise _refusal(414, "The query string is limited to 2 KB.", code=1011)
        if (request.content_length or 0) > _BODY_BYTES:
            raise _refusal(413, "The body is limited to 29 MB.", code=1009)
        if request.content_length and request.content_type not in _CONTENT_TYPES:
            raise _refusal(415, "The content type is not supported.", code=1003)
        if self.token is not None:
            scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer":
                raise _refusal(401, "The authentication header is not valid.", code=1008)
            if not hmac.compare_digest(secret.encode("utf-8", "surrogateescape"), self.token.encode()):
                raise _refusal(401, "The secret is not valid.", code=1010)
        if name not in METHODS:
            raise _refusal(404, "There is no definition with this route.", code=5)
        if request.method not in METHODS[name]:
            raise ReplyError(
                Reply(
                    405,
                    _problem("The method is not valid for this route.", code=3),
                    (("Allow", ", ".join(METHODS[name])),),
                )
            )

    # What the script does

    def _about(self) -> Json:
        return {
            "contract": CONTRACT,
            "system": "DataMiner Ticketing (simulated)",
            "serverTime": _instant(self._store.now()),
            "states": list(STATES),
            "endedStates": sorted(ENDED),
            "priorities": list(PRIORITIES),
            "severities": list(SEVERITIES),
            "writable": [*TEXTS, *CHOICES],
            "fields": list(CUSTOM),
            "capabilities": {"findByKey": True, "ifVersion": True, "notes": True},
        }

    def _list(self, query: Mapping[str, str]) -> Json:
        since, key = query.get("since"), query.get("key")
        limit = _whole(query.get("limit"), _USUAL_PAGE)
        tickets = self._store.listed(stale=self._faults.stale)
        if since is not None:
            begin = _time(since, "since")
            tickets = [ticket for ticket in tickets if ticket.modified_at >= begin]
        if key is not None:
            if not 1 <= len(key) <= _LONGEST_KEY:
                raise _refusal(400, "key must be a text of 1 to 100 characters.")
            tickets = [ticket for ticket in tickets if ticket.key == key]
        if "after" in query:
            ticks, guid = _position(query["after"])
            tickets = [ticket for ticket in tickets if (ticket.ticks, ticket.guid) > (ticks, guid)]
        page = tickets[:limit]
        return {
            "tickets": [self.said(ticket) for ticket in page],
            "next": _cursor(page[-1]) if len(tickets) > limit else None,
            "serverTime": _instant(self._store.now()),
        }

    def _ticket(self, query: Mapping[str, str]) -> StoredTicket:
        guid = query.get("id")
        if not guid:
            raise _refusal(400, "The parameter id is missing.")
        ticket = self._store.tickets.get(guid)
        if ticket is None:
            raise _refusal(404, "There is no ticket with this id.")
        return ticket

    def _create(self, body: Json) -> Write:
        key, stated = body.get("key"), body.get("fields")
        if not isinstance(key, str) or not 1 <= len(key) <= _LONGEST_KEY:
            raise _refusal(400, "key must be a text of 1 to 100 characters.")
        if not isinstance(stated, dict):
            raise _refusal(400, "fields must be an object.")
        if unknown := sorted(set(body) - {"key", "fields"}):
            raise _refusal(400, f"Unknown: {', '.join(unknown)}.")
        values, custom = self._wanted(stated)
        if not values.get("name"):
            raise _refusal(400, "fields.name must be a text that is not empty.")

        def carry_out() -> Reply:
            """Look the key up and create in one go: nothing runs in between."""
            if known := self._store.with_key(key):
                return Reply(200, self.said(known[0]))
            return Reply(201, self.said(self._store.create(DEFAULTS | values, custom, key=key, author=_AUTHOR)))

        return Write(carry_out)

    def _change(self, query: Mapping[str, str], body: Json) -> Write:
        ticket = self._ticket(query)
        values, custom = self._wanted(body)
        if values.get("name") == "":
            raise _refusal(400, "name must not be empty.")
        expected = query.get("ifVersion")

        def carry_out() -> Reply:
            if ticket.guid not in self._store.tickets:
                raise _refusal(404, "There is no ticket with this id.")
            if expected is not None and expected != str(ticket.ticks):
                conflict = _problem(f"The ticket has version {ticket.ticks}.") | {"ticket": self.said(ticket)}
                raise ReplyError(Reply(409, conflict))
            if self._faults.refuse_ended and ticket.values["state"] in ENDED:
                raise _refusal(422, f"A ticket that is {ticket.values['state']} is read-only.")
            self._store.change(ticket, values, custom, _AUTHOR)
            return Reply(200, self.said(ticket))

        return Write(carry_out)

    def _add_note(self, query: Mapping[str, str], body: Json) -> Write:
        ticket = self._ticket(query)
        text, code, author, at = (body.get(name) for name in ("text", "code", "author", "at"))
        if not isinstance(text, str) or not text.strip():
            raise _refusal(400, "text must be a text that is not empty.")
        if not isinstance(code, str) or _CODE.fullmatch(code) is None:
            raise _refusal(400, "code must be 1 to 100 letters, digits, - and _.")
        if author is not None and not isinstance(author, str):
            raise _refusal(400, "author must be a text.")
        if at is not None:
            _time(at, "at")

        def carry_out() -> Reply:
            known = next((note for note in ticket.notes if note.code == code), None)
            if known is not None:
                return Reply(200, _note(known))
            stored = self._store.add_note(ticket, self._faults.stored(text), author or _AUTHOR, code=code)
            return Reply(201, _note(stored))

        return Write(carry_out)

    def _wanted(self, stated: Json) -> tuple[Json, Json]:
        """Return the fields of the ticket and those of its type that a body names. Raises ReplyError."""
        values, custom = dict(stated), stated.get("fields", {})
        values.pop("fields", None)
        if not isinstance(custom, dict):
            raise _refusal(400, "fields must be an object.")
        for name, value in values.items():
            if name in CHOICES and value not in CHOICES[name]:
                raise _refusal(422, f"{name} must be one of {', '.join(CHOICES[name])}.")
            if name in TEXTS and not isinstance(value, str):
                raise _refusal(400, f"{name} must be a text.")
        for name in self._faults.refuse:
            if name in values or name in custom:
                raise _refusal(422, f"{name} may not be written.")
        if unknown := sorted([*(set(values) - {*TEXTS, *CHOICES}), *(set(custom) - set(CUSTOM))]):
            raise _refusal(422, f"Unknown or read-only: {', '.join(unknown)}.")
        if any(not isinstance(value, str | int | float | bool | None) for value in custom.values()):
            raise _refusal(400, "The values of fields must be texts, numbers or true and false.")
        return (
            {name: self._stored(value) for name, value in values.items()},
            {name: self._stored(value) for name, value in custom.items()},
        )

    def _stored(self, value: Any) -> Any:
        return self._faults.stored(value) if isinstance(value, str) and value not in STATES else value


_CONTENT_TYPES: Final = frozenset({"application/json", "application/xml", "text/xml", "text/plain"})


def _problem(detail: str, *, code: int | None = None) -> Json:
    error: Json = {"title": "The request could not be handled.", "detail": detail}
    return {"errors": [error if code is None else error | {"errorCode": code}]}


def _error(status: int, detail: str, *, code: int | None = None, retry_after: int | None = None) -> Reply:
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    return Reply(status, _problem(detail, code=code), headers)


def _refusal(status: int, detail: str, *, code: int | None = None) -> ReplyError:
    return ReplyError(_error(status, detail, code=code))


def _query(request: web.Request) -> Mapping[str, str]:
    """Return the first value of each parameter; names are case-sensitive, unknown ones are ignored."""
    return {name: request.query.getall(name)[0] for name in request.query}


def _document(body: bytes) -> Json:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _refusal(400, "The body is no JSON.") from error
    if not isinstance(document, dict):
        raise _refusal(400, "The body must be a JSON object.")
    return document


def _note(note: StoredNote) -> Json:
    return {"id": note.id, "code": note.code, "author": note.author, "at": _instant(note.at), "text": note.text}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(text: Any, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal(400, f"{name} must be an instant like 2026-01-31T12:00:00Z.") from error


def _whole(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _LARGEST_PAGE and len(text) < 9):
        raise _refusal(400, f"limit must be a whole number from 1 to {_LARGEST_PAGE}.")
    return int(text)


def _cursor(ticket: StoredTicket) -> str:
    return f"{ticket.ticks}_{ticket.guid}"


def _position(cursor: str) -> tuple[int, str]:
    if (found := _CURSOR.fullmatch(cursor)) is None:
        raise _refusal(400, "after must be what next was.")
    return int(found[1]), found[2]
