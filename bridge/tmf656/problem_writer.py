"""Writes service problems to one TMF656 server: create, change, add a note, and find what carries a key of ours.

Each method sends what it says once (`bridge.domain.ticket_system`). What a version cannot take is refused before
anything is sent. The key of a problem stands in `externalIdentifier` (versions 4 and 5) or in `correlationId` (2, 3).
A list is replaced as a whole by a merge patch, so a note is added to the list as the server wrote it, read right
before; version 5 is asked for a JSON patch that adds one element first.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import unquote

import orjson
import structlog

from bridge.domain.note import notes_of, vanished, with_code
from bridge.domain.service_problem import usable_id
from bridge.domain.ticket_system import (
    Capabilities,
    OutcomeUnknownError,
    RemoteNote,
    Ticket,
    VersionChangedError,
    WriteRefusedError,
)
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary
from bridge.errors import BridgeError, PermanentError, TransientError
from bridge.http.address import below, with_query
from bridge.http.request import HttpRequest
from bridge.http.response import HttpResponse
from bridge.http.row import Row
from bridge.http.write import send_write, unreadable_answer
from bridge.schedule import now
from bridge.settings import Tmf656Settings
from bridge.tmf656 import wire
from bridge.tmf656.client import Client
from bridge.tmf656.page_reader import NoProblemsError, TooManyError, read_page
from bridge.tmf656.proposed_id import PROPOSING, post_proposed
from bridge.tmf656.step_by_step import move
from bridge.tmf656.wire.json_patch import json_patch
from bridge.tmf656.wire.render import ABSENT, faults_of_change, faults_of_create, fitted, render, with_origin
from bridge.tmf656.wire.ticket import KEY_OWNER, carries, key_query, ticket_of

log = structlog.get_logger(__name__)

_MERGE_PATCHES: Final[Mapping[str, tuple[str, ...]]] = {
    "2": ("application/json", "application/merge-patch+json"),
    "3": ("application/json;charset=utf-8", "application/merge-patch+json"),
    "4": ("application/json;charset=utf-8", "application/merge-patch+json"),
    "5": ("application/merge-patch+json", "application/json"),
}
"""What a server of each version says it takes as a merge patch; the second where it answers 415 to the first."""
_JSON_PATCH: Final = "application/json-patch+json"
_PATCH_REFUSED: Final = frozenset({400, 409, 412, 415, 422})
"""What a JSON patch is refused with that cannot be applied, whose test fails, or that is not known."""
_REFUSES_FILTER: Final = frozenset({400, 404, 405, 414, 422, 501})
_NEWEST: Final = "4"
"""Version of a server whose answers fit several."""


class _Answer(Protocol):
    """What was answered, and when."""

    @property
    def asked_at(self) -> datetime:
        """Our clock, before the request was started."""
        ...

    @property
    def server_at(self) -> datetime | None:
        """The clock of the server."""
        ...


class ProblemWriter:
    """Writes to one source. May be used by many tasks at once; two that add notes to one problem may lose one."""

    def __init__(
        self,
        client: Client,
        settings: Tmf656Settings,
        *,
        version: Callable[[], str | None] = lambda: None,
        vocabulary: SourceVocabulary = BUILT_IN,
    ) -> None:
        """`version`: the one that was seen when the source was read, None while nothing was seen."""
        self._client = client
        self._http = client.http
        self.settings = settings
        self._seen_version = version
        self._vocabulary = vocabulary
        self._version: str | None = None if settings.version == "auto" else settings.version
        segments = [segment for segment in settings.resource_path.split("/") if segment]
        self._collection = below(client.http.base, *segments)
        self._media_types: dict[str, tuple[str, ...]] = {}
        self._finds = False
        self._appends = False
        self._left_out: frozenset[str] = frozenset()
        self._json_patch = True
        self._proposes = settings.propose_id

    @property
    def capabilities(self) -> Capabilities:
        """What this server can do, as far as it was seen: version 5 compares by a JSON patch."""
        patches = self._version == "5" and self._json_patch
        return Capabilities(
            compare_and_set=patches,
            notes="append" if patches or self._appends else "replace",
            keys_unique=self._proposes and self._version == PROPOSING,
            settle_seconds=self.settings.settle_seconds,
            concurrency=self.settings.concurrency,
            status_steps=(self._version or "") if self.settings.status_steps else "",
            absent=ABSENT[self._version or self._assumed_version],
        )

    async def fetch(self, ticket_id: str) -> Ticket:
        """Read one problem."""
        ticket, _ = await self._fetch(ticket_id)
        return ticket

    async def find(self, key: str, *, since: datetime | None = None) -> list[Ticket]:  # noqa: ARG002 -- servers stamp as they like
        """Find the problems that carry a key, oldest first.

        By a filter where this server was seen to honour it; else the whole list is read. Raises TransientError where
        the list could not be read to its end.
        """
        found = await self._filtered(key)
        if found is None:
            found = await self._searched(key)
        return sorted(found, key=lambda ticket: (str(ticket.record.get("creationDate")), ticket.id))

    async def notes(self, ticket_id: str) -> list[RemoteNote]:
        """Read the notes of a problem in the order of the server."""
        return notes_of((await self.fetch(ticket_id)).record)

    async def create(self, fields: Mapping[str, Any], key: str) -> Ticket:
        """Make a problem. OutcomeUnknownError also where the server answers 202, or without the problem."""
        version = await self._known_version()
        given = with_origin({name: value for name, value in fields.items() if value is not None}, version)
        given = self._fitted(given, version)
        draft = self.keyed(given, key, version)
        self.refuse(faults_of_create(draft, version), "create")
        body = render(draft, version)
        if self._proposes and version == PROPOSING:
            request, response = await post_proposed(self._http, self._request, body, key)
        else:
            request = self._request("create", "POST", None, body)
            response = await send_write(self._http, request)
        item = self._item(request, response, None)
        ticket_id = usable_id(item.get("id")) if item is not None else _id_in_location(response)
        if response.status == 202 or ticket_id is None:
            raise unreadable_answer(self._http, request, response, "no problem")
        ticket = await self._as_it_is(ticket_id, item, response)
        self._proposes = self._proposes and ticket_id == key
        if not self.carries(ticket.record, key):
            log.warning("the server dropped our key", source=self._client.http.name, problem=ticket.id, key=key)
        return ticket

    async def change(self, ticket_id: str, changes: Mapping[str, Any], *, version: str | None = None) -> Ticket:
        """Change attributes by a merge patch, in version 5 by a JSON patch that tests `lastUpdate` first: it writes
        nothing once somebody else has written (VersionChangedError). A changed status is dated now, where `changes`
        have no date of it. With `status_steps` it is moved step by step; OutcomeUnknownError where not all were taken.
        """
        spoken = await self._known_version(ticket_id)
        if changes and ABSENT[spoken].issuperset(changes):
            self._fitted(changes, spoken)
            return await self.fetch(ticket_id)
        changes = self._fitted(changes, spoken)
        if not self.settings.status_steps or not isinstance(changes.get("status"), str):
            return await self._changed(ticket_id, changes, version, spoken)
        stands = str((await self.fetch(ticket_id)).record.get("status"))

        async def change(part: Mapping[str, Any], expected: str | None) -> Ticket:
            return await self._changed(ticket_id, part, expected, spoken)

        return await move(change, spoken, stands, changes, version)

    async def _changed(self, ticket_id: str, changes: Mapping[str, Any], version: str | None, spoken: str) -> Ticket:
        """Change attributes at once."""
        dated = {} if "status" not in changes else {"statusChangeDate": _instant(now())}
        self.refuse(faults_of_change(changes, spoken), f"change {ticket_id}")
        body = render({**dated, **changes}, spoken)
        tested = json_patch(body, version) if spoken == "5" and self._json_patch and version is not None else None
        if tested is None:
            return await self.patch(ticket_id, body, spoken)
        try:
            return await self._patched(ticket_id, tested, _JSON_PATCH)
        except WriteRefusedError as error:
            if error.status not in _PATCH_REFUSED:
                raise
        ticket = await self.fetch(ticket_id)
        if ticket.version != version:
            raise VersionChangedError(
                f"source {self._http.name}: problem {ticket_id} was changed at {ticket.version}, after it was read",
                ticket,
            )
        written = await self.patch(ticket_id, body, spoken)
        # what was refused as a JSON patch is taken as a merge patch: this server does not do the former
        self._without_json_patch("a merge patch of the same values was taken")
        return written

    async def add_note(self, ticket_id: str, text: str, *, code: str, journal: str = "") -> None:  # noqa: ARG002 -- the only list of notes
        """Add a note, unless one with this code is there. WriteRefusedError where the server does not keep it."""
        self.refuse([], f"a note to {ticket_id}")
        ticket, item = await self._fetch(ticket_id)
        if with_code(ticket.record, code):
            return
        version = await self._known_version(ticket_id)
        note = {"id": code, "author": KEY_OWNER, "date": _instant(now()), "text": text}
        body = render({"note": [note]}, version)
        name = "note" if "note" in body else "comment"
        held = item.get(name)
        listed = held if isinstance(held, list) else []
        if version == "5" and self._json_patch and isinstance(held, list):  # without a list there is nothing to add to
            patch = [{"op": "add", "path": f"/{name}/-", "value": body[name][0]}]
            try:
                written = await self._patched(ticket_id, patch, _JSON_PATCH)
            except WriteRefusedError as error:
                self._without_json_patch(str(error))
            else:
                self.require_note(written, code)
                return
        body[name] = body[name] if self._appends else [*listed, *body[name]]
        written = await self.patch(ticket_id, body, version)
        self.require_note(written, code)
        if len(notes_of(written.record)) > len(listed) + 1 and not self._appends:
            log.warning("the server adds lists of notes to its own", source=self._http.name, problem=ticket_id)
            self._appends = True

    async def put_back(self, ticket_id: str, notes: Sequence[Mapping[str, Any]]) -> Ticket:
        """See `bridge.links.kept_notes.NoteListWriter`."""
        self.refuse([], f"notes to {ticket_id}")
        ticket, item = await self._fetch(ticket_id)
        lost = vanished([{"note": list(notes)}], ticket.record)
        if not lost:
            return ticket
        version = await self._known_version(ticket_id)
        body = render({"note": lost}, version)
        name = "note" if "note" in body else "comment"
        held = item.get(name)
        return await self.patch(
            ticket_id, body | {name: [*(held if isinstance(held, list) else []), *body[name]]}, version
        )

    def keyed(self, draft: dict[str, Any], key: str, version: str) -> dict[str, Any]:
        """Return a new problem with a key in it."""
        identifier = {"id": key, "owner": KEY_OWNER, "externalIdentifierType": "link"}
        others = draft.get("externalIdentifier") if version in ("4", "5") else None
        return draft | {"externalIdentifier": [identifier, *(others if isinstance(others, list) else ())]}

    def carries(self, record: Mapping[str, Any], key: str) -> bool:
        """Does a problem carry this key?"""
        return carries(record, key)

    def key_query(self, key: str, version: str) -> str:
        """Return the percent-encoded filter for the problems that carry a key."""
        return key_query(key, version)

    def _without_json_patch(self, why: str) -> None:
        log.info("JSON patch not supported, merge patch used", source=self._http.name, why=why)
        self._json_patch = False

    async def _fetch(self, ticket_id: str) -> tuple[Ticket, dict[str, Any]]:
        fetched = await self._client.get(ticket_id)
        self._learn_version(fetched.item)
        return self._ticket(fetched.item, fetched), fetched.item

    async def _known_version(self, ticket_id: str | None = None) -> str:
        """Return the version to write in; where none was seen yet, a problem is read."""
        if self._version is None:
            self._version = self._seen_version()
        if self._version is None and ticket_id is not None:
            await self._fetch(ticket_id)
        if self._version is None:
            async for page in self._client.pages(max_requests=1):
                for row in page.items[:10]:
                    self._learn_version(row.read())
                break
        return self._version or self._assumed_version

    @property
    def _assumed_version(self) -> str:
        """The version of a server none of whose problems tells it."""
        return _version_in(self.settings.url) or _NEWEST

    def _fitted(self, fields: Mapping[str, Any], version: str) -> dict[str, Any]:
        """Leave out what the version has no place for; the log says it once."""
        absent = ABSENT[version].intersection(fields) - self._left_out
        if absent:
            self._left_out |= absent
            log.warning(
                "left out what the version has no place for",
                source=self._http.name,
                version=version,
                attributes=sorted(absent),
            )
        return fitted(fields, version)

    def _learn_version(self, item: object) -> None:
        if self._version is None and isinstance(item, dict):
            self._version = wire.detect_version(item)

    async def _filtered(self, key: str) -> list[Ticket] | None:
        """Ask by a filter; None where the answer proves nothing."""
        query = self.key_query(key, await self._known_version())
        request = HttpRequest("find", "GET", with_query(self._collection, query), query=query)
        response = await self._http.send(request)
        if response.status in _REFUSES_FILTER:
            self._http.count(request.operation, "client_error")
            return None
        self._http.require_ok(request, response)
        try:
            rows = read_page(response.body, response.charset).rows
        except (NoProblemsError, TooManyError, RecursionError) as error:
            raise self._http.malformed(request, str(error)) from error
        self._http.count(request.operation, "ok")
        found = [ticket for row in rows if (ticket := self._carrying(row, key, response)) is not None]
        self._finds = self._finds or (bool(found) and len(found) == len(rows))
        return found if found or self._finds else None

    async def _searched(self, key: str) -> list[Ticket]:
        """Read the whole list. Only the rows that hold the key are read."""
        found: dict[str, Ticket] = {}
        pages = self._client.pages()
        async for page in pages:
            for row in page.items:
                if (ticket := self._carrying(row, key, page)) is not None:
                    found[ticket.id] = ticket
        if not found and not pages.complete:
            raise TransientError(
                f"source {self._http.name}: it is not known whether a problem carries {key}: its list was not read to "
                f"its end ({pages.completeness.gap}), and it does not filter by the key"
            )
        return list(found.values())

    async def patch(self, ticket_id: str, body: dict[str, Any], version: str) -> Ticket:
        """Send a merge patch in the media type that this server takes."""
        media_type, *others = self._media_types.get(version) or _MERGE_PATCHES[version]
        try:
            return await self._patched(ticket_id, body, media_type)
        except WriteRefusedError as error:
            if error.status != 415 or not others:
                raise
        ticket = await self._patched(ticket_id, body, others[0])
        self._media_types[version] = (others[0],)
        return ticket

    async def _patched(self, ticket_id: str, body: object, media_type: str) -> Ticket:
        request = self._request("change", "PATCH", ticket_id, body, media_type)
        response = await send_write(self._http, request)
        if response.status == 202:
            raise unreadable_answer(self._http, request, response, "no problem yet")
        return await self._as_it_is(ticket_id, self._item(request, response, ticket_id), response)

    async def _as_it_is(self, ticket_id: str, item: dict[str, Any] | None, response: HttpResponse) -> Ticket:
        """Return what the answer says, or read it where the answer does not say all. The write itself is done."""
        if item is not None and wire.is_whole(item):
            self._learn_version(item)
            return self._ticket(item, response)
        try:
            return await self.fetch(ticket_id)
        except BridgeError as error:
            raise OutcomeUnknownError(
                f"source {self._http.name}: problem {ticket_id} was written, and could not be read afterwards: {error}"
            ) from error

    def _item(self, request: HttpRequest, response: HttpResponse, ticket_id: str | None) -> dict[str, Any] | None:
        """Return the problem in an answer; None where there is none."""
        if not response.body.strip():
            return None
        try:
            rows = read_page(response.body, response.charset).rows
            items = [item for row in rows if isinstance(item := row.read(), dict)]
        except (NoProblemsError, TooManyError, RecursionError, PermanentError) as error:
            log.info("the answer to a write holds no problem", request=str(request), error=str(error))
            return None
        if len(items) != 1 or (ticket_id is not None and str(items[0].get("id")) != ticket_id):
            return None
        return items[0]

    def _request(
        self, operation: str, method: str, ticket_id: str | None, body: object, media_type: str | None = None
    ) -> HttpRequest:
        if ticket_id in {"", ".", ".."}:
            raise PermanentError(f"source {self._http.name}: {ticket_id!r} cannot be written to: no address holds it")
        url = self._collection if ticket_id is None else below(self._collection, ticket_id)
        headers = {} if media_type is None else {"Content-Type": media_type}
        return HttpRequest(operation, method, url, orjson.dumps(body), headers)

    def _carrying(self, row: Row, key: str, answer: _Answer) -> Ticket | None:
        """Read a row that carries a key; a row that does not even hold its characters is not read."""
        if key.encode() not in bytes(memoryview(row.text)):
            return None
        item = row.read()
        ticket = self._ticket(item, answer) if isinstance(item, dict) else None
        return ticket if ticket is not None and self.carries(ticket.record, key) else None

    def _ticket(self, item: dict[str, Any], answer: _Answer) -> Ticket:
        return ticket_of(item, answer.asked_at, answer.server_at, self._vocabulary)

    def refuse(self, faults: list[str], what: str) -> None:
        """WriteRefusedError for faults, and where the settings do not allow writing."""
        if not self.settings.write:
            faults = [f"set sources.{self._http.name}.write = true to have tickets written there"]
        if faults:
            raise WriteRefusedError(f"source {self._http.name}: {what} was not sent: {'; '.join(faults)}")

    def require_note(self, written: Ticket, code: str) -> None:
        """WriteRefusedError where a problem does not have the note with this code."""
        if not with_code(written.record, code):
            raise WriteRefusedError(f"source {self._http.name}: problem {written.id} did not keep the note {code}")


def _id_in_location(response: HttpResponse) -> str | None:
    path = response.headers.get("Location", "").partition("?")[0].rstrip("/")
    return usable_id(unquote(path.rpartition("/")[2]))


def _version_in(url: str) -> str | None:
    """The version that a base path names, …/v4; what its problems look like counts more."""
    last = url.rstrip("/").rpartition("/")[2]
    return last[1:] if last in {"v2", "v3", "v4", "v5"} else None


def _instant(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
