"""The client of one TMF656 server: pages, single problems, and its hub; `bridge.http.client` sends the requests.

A `Client` belongs to one source and may be used by many tasks at once. Every answer carries `asked_at`, our clock
before its request was started: a notification received later than that is newer than the answer.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import anyio
import orjson
import structlog
from yarl import URL

from bridge.domain.hub import HubAbsentError, HubConflictError, Registration, find_callback
from bridge.domain.list_choice import ListChoice
from bridge.domain.service_problem import usable_id
from bridge.errors import BridgeError, PermanentError, TransientError
from bridge.http.address import below, on_origin, resolve, same_origin, with_path, with_query
from bridge.http.client import HttpClient
from bridge.http.errors import UnauthorisedError
from bridge.http.list_page import NO_FILTER, Fetched, FilterRefusedError
from bridge.http.request import HttpRequest, OnRequest
from bridge.http.response import HttpResponse
from bridge.settings import Tmf656Settings
from bridge.tmf656 import wire
from bridge.tmf656.base_probe import find_base
from bridge.tmf656.choice_query import choice_query
from bridge.tmf656.filter_style import FilterStyle, filter_query, sysparm_query, update_attribute
from bridge.tmf656.hub import (
    ABSENT,
    ACCEPTED,
    bodies,
    read_registration,
    read_subscriptions,
    refuses,
)
from bridge.tmf656.list_pass import ListPass
from bridge.tmf656.page import BARE, BY_SYSPARM, PageAnswer, Window
from bridge.tmf656.page_claims import Claims, claims_of
from bridge.tmf656.page_reader import NoProblemsError, ReadPage, TooManyError, read_page
from bridge.tmf656.page_walk import MAX_REQUESTS, LearnedPaging, PageWalk
from bridge.tmf656.seen_pages import Stamps

log = structlog.get_logger(__name__)

_LARGE_BYTES: Final = 2 << 20
"""A larger answer is read in a thread."""
_NO_ROWS: Final = frozenset({400, 404, 416})
"""What servers answer to an offset beyond the end of the list."""
_WRONG_REQUEST: Final = frozenset({400, 422, 501})
"""What a server answers that recognised the filter and refuses it."""
_PARAMETERS_REFUSED: Final = frozenset({400, 403, 404, 405, 406, 409, 413, 414, 416, 422, 500, 501})
"""What servers answer to a query parameter that they refuse or fail on."""
_STANDARD: Final = (FilterStyle.DOT_GTE.value, FilterStyle.OPERATOR.value, FilterStyle.JSONPATH.value)
_SYSPARM: Final = (FilterStyle.SYSPARM.value,)


class Client:
    """Sends requests to one source; use it within `async with`. `OnRequest` describes the counting hook.

    Methods raise TransientError (timeouts, unreachable, 429, 5xx) with `retry_after_seconds` when the source asked
    for a pause, its subclass UnauthorisedError (401, 403), and PermanentError for every other refusal.
    """

    whole_rows: Final = False
    """Many servers list summaries."""

    def __init__(
        self,
        name: str,
        settings: Tmf656Settings,
        *,
        on_request: OnRequest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; raises ConfigurationError when the address, a certificate or a key cannot be used."""
        self.http = HttpClient(name, settings, on_request=on_request, clock=clock)
        self._name = name
        self._settings = settings
        segments = [segment for segment in settings.resource_path.split("/") if segment]
        self._collection = below(self.http.base, *segments)
        self._hub = below(self.http.base, "hub")
        self._facade = settings.is_facade
        self.filters: Sequence[str] = _SYSPARM if self._facade else _STANDARD
        """The ways to request only what changed, the likeliest first."""
        self._learned = LearnedPaging(BY_SYSPARM) if self._facade else LearnedPaging()
        self._hub_readable = False

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, error, trace)

    def pages(
        self,
        *,
        changed_since: datetime | None = None,
        filter_style: str = NO_FILTER,
        stamps: Stamps = wire.stamps,
        version: str | None = None,
        max_requests: int = MAX_REQUESTS,
    ) -> ListPass:
        """Read the problems, or, with a filter style, those changed since `changed_since`, page by page.

        `stamps` gives the times of the last update of problems (None: it has none); they show whether the filter is
        honoured and which problems changed while we read. `version` names the attribute filtered on, where it is
        known better than the configuration does.
        """
        style = FilterStyle(filter_style) if changed_since is not None else FilterStyle.NONE
        bound = None if style is FilterStyle.NONE else changed_since
        attribute = update_attribute(version or self._settings.version)
        if self._facade:
            query = sysparm_query(self._settings.query, bound)
        else:
            query = filter_query(style, attribute, bound) if bound is not None else ""
        walk = PageWalk(
            self._settings.page_size,
            changed_since=bound,
            stamps=stamps,
            max_requests=max_requests,
            learned=self._learned,
        )

        async def ask(window: Window) -> tuple[PageAnswer, HttpResponse]:
            return await self._list(window, query)

        return ListPass(walk, ask)

    def chosen_pages(self, choice: ListChoice) -> ListPass | None:
        """Read the problems that have certain values. What is learned of paging here holds for no other list. A gateway
        before ServiceNow has a query of its own.
        """
        if self._facade:
            return None
        walk = PageWalk(self._settings.page_size, stamps=wire.stamps, learned=replace(self._learned))
        query = choice_query(choice)

        async def ask(window: Window) -> tuple[PageAnswer, HttpResponse]:
            return await self._list(window, query)

        return ListPass(walk, ask)

    @property
    def list_address(self) -> str:
        """Where the list is, for people."""
        return f"{self._settings.url}{self._settings.resource_path}"

    @property
    def hub(self) -> Self:
        """The hub of this server; whether it has one shows when it is asked."""
        return self

    async def elsewhere(self) -> Mapping[str, str]:
        """Look for the list of problems below other paths of this server."""

        async def gives(url: str, resource_path: str) -> bool:
            there = {"url": url, "resource_path": resource_path, "page_size": 1}
            try:
                async with Client(self._name, self._settings.model_copy(update=there)) as client:
                    async for page in client.pages(max_requests=1):
                        return bool(page.items)
            except BridgeError:
                return False
            return False

        found = await find_base(self._settings.url, self._settings.resource_path, gives)
        return {} if found is None else dict(zip(("url", "resource_path"), found, strict=True))

    async def get(self, problem_id: str) -> Fetched:
        """Fetch one problem by its id; raises NotFoundError only where the source answers 404 or 410."""
        request = HttpRequest("get", "GET", below(self._collection, self._segment(problem_id)))
        response = await self.http.send(request)
        self.http.require_ok(request, response)
        rows = (await self._read(request, response)).rows
        if not rows:
            self.http.count(request.operation, "ok")
            raise PermanentError(f"source {self._name}: {request} answered {response.status} without a problem")
        rows = [row for row in rows if usable_id(row.id) == problem_id] or rows
        if len(rows) != 1:
            raise self.http.malformed(request, f"{len(rows)} problems instead of one")
        item = await anyio.to_thread.run_sync(rows[0].read) if len(response.body) > _LARGE_BYTES else rows[0].read()
        self.http.count(request.operation, "ok")
        return Fetched(item, response.asked_at, response.server_at)

    async def register(self, callback: str, query: str = "", *, version: str | None = None) -> Registration:
        """Register `callback` at the hub.

        A hub that refuses because it has this callback is as good, and its id is looked up. Raises HubAbsentError (404,
        405, 501), or HubConflictError (409) where the hub does not show that the one it has is ours.
        """
        for body in (candidates := bodies(callback, query, version or self._settings.version)):
            request = HttpRequest("register", "POST", self._hub, orjson.dumps(body), closes=True)
            response = await self.http.send(request)
            if response.status not in {400, 422} or body is candidates[-1]:
                break
            self.http.count(request.operation, "client_error")
        found = read_registration(response.small_document(), response.headers.get("Location"), callback, query)
        if response.status in ACCEPTED and refuses(response.small_document(), response.body):
            if (held := await self._held(callback)) is not None:
                return held
            secret = callback.rstrip("/").rpartition("/")[2]
            what = f"{response.status} and a refusal ({response.excerpt(secret)})"
            raise self.http.malformed(request, what)
        if response.status in ACCEPTED:
            self.http.count(request.operation, "ok")
            return found if found.hub_id is not None else await self._held(callback) or found
        error = self._hub_refusal(request, response, callback)
        if response.status in {400, 409, 422, 500} and (held := await self._held(callback)) is not None:
            return held
        if response.status == 409 and find_callback(read_subscriptions(response.small_document()) or [], callback):
            return found
        raise error

    async def deregister(self, hub_id: str) -> None:
        """Delete a subscription; one that no longer exists (404, 410) counts as deleted."""
        request = HttpRequest("deregister", "DELETE", below(self._hub, self._segment(hub_id)))
        response = await self.http.send(request)
        if response.status not in {404, 410}:
            self.http.require_ok(request, response)
        self.http.count(request.operation, "ok")

    async def find_subscriptions(self) -> list[Registration] | None:
        """List all subscriptions at the source; None where it does not offer that (the standard does not have it)."""
        request = HttpRequest("find_subscriptions", "GET", self._hub, optional=True)
        response = await self.http.send(request)
        if response.status in ABSENT | {400, 403}:
            self.http.count(request.operation, "client_error")
            return None
        self.http.require_ok(request, response)
        self.http.count(request.operation, "ok")
        return read_subscriptions(response.small_document())

    async def probe_subscription(self, hub_id: str) -> bool | None:
        """Ask whether the source still holds a subscription; None where it does not offer that.

        A 404 says "gone" only from a server that was seen to answer such a request before.
        """
        url = below(self._hub, self._segment(hub_id))
        request = HttpRequest("probe_subscription", "GET", url, optional=True)
        response = await self.http.send(request)
        if response.status in ABSENT | {400, 403, 410}:
            self.http.count(request.operation, "client_error")
            return False if self._hub_readable and response.status in {404, 410} else None
        self.http.require_ok(request, response)
        self.http.count(request.operation, "ok")
        held = read_registration(response.small_document(), None, "", "").hub_id == hub_id
        self._hub_readable = self._hub_readable or held
        return True if held else None

    async def _held(self, callback: str) -> Registration | None:
        """Find the registration of our callback, where the hub can be asked; a failure says nothing."""
        try:
            ours = find_callback(await self.find_subscriptions() or [], callback)
        except BridgeError as error:
            log.debug("hub cannot be asked", source=self._name, error=str(error))
            return None
        return next((each for each in ours if each.hub_id is not None), ours[0] if ours else None)

    async def _list(self, window: Window, query: str) -> tuple[PageAnswer, HttpResponse]:
        """Fetch one page. `query`: the filter, percent-encoded. A filter that spoils the first page is found out."""
        if not query or self._facade or window.offset or window.link is not None or window.cursor is not None:
            return await self._ask(window, query)
        try:
            answer, response = await self._ask(window, query)
        except UnauthorisedError as error:
            failure: BridgeError = error
        except (TransientError, PermanentError) as error:
            if isinstance(error, TransientError) and error.retry_after_seconds is not None:
                raise
            failure = error
        else:
            if not answer.refused:
                return answer, response
            failure = self.http.failures.refused(self._request(window, query), response)[1]
            if response.status in _WRONG_REQUEST:
                raise FilterRefusedError(str(failure))
        try:
            answer, response = await self._ask(window, "")
        except BridgeError:
            raise failure from None
        if answer.not_found:
            raise failure
        if answer.refused:
            return answer, response
        raise FilterRefusedError(str(failure)) from failure

    async def _ask(self, window: Window, query: str) -> tuple[PageAnswer, HttpResponse]:
        """Fetch one page, as a window says."""
        request = self._request(window, query)
        response = await self.http.send(request)
        if window.link is not None and response.status in _PARAMETERS_REFUSED and not response.ok:
            # A gateway may publish the list under another path than the server, which wrote the link, knows.
            own = with_path(request.url, self._collection.raw_path)
            if own.raw_path != request.url.raw_path:
                request = HttpRequest("list", "GET", own, query=own.raw_query_string, closes=True)
                response = await self.http.send(request)
        refusals = _PARAMETERS_REFUSED if window.trial else _NO_ROWS if window.speculative else frozenset()
        if response.status in refusals:
            self.http.count(request.operation, "client_error")
            return PageAnswer([], refused=True), response
        if response.status == 404 and window.style is BARE and not query:
            self.http.count(request.operation, "client_error")
            return PageAnswer([], not_found=True), response
        self.http.require_ok(request, response)
        page = await self._read(request, response)
        self.http.count(request.operation, "ok")
        return self._answer(request, response, page), response

    def _answer(self, request: HttpRequest, response: HttpResponse, page: ReadPage) -> PageAnswer:
        """Put together what came and what the server states about further pages."""
        claims: Claims = claims_of(response.headers, page.envelope, len(page.rows))
        link = next((link for each in claims.links if (link := self._own_link(request.url, each)) is not None), None)
        return PageAnswer(
            page.rows,
            total=claims.total,
            partial=response.status == 206,
            next_link=link,
            link_refused=bool(claims.links) and link is None,
            cursor=claims.cursor if link is None else None,
            more=claims.more,
            in_part=claims.in_part or page.left_out > 0,
            last_id=usable_id(page.rows[-1].id) if page.rows and claims.more and not claims.links else None,
        )

    def _request(self, window: Window, query: str) -> HttpRequest:
        if window.link is not None:
            url = URL(window.link, encoded=True)
            return HttpRequest("list", "GET", url, query=url.raw_query_string, closes=True)
        shown = "&".join(part for part in (query, window.query) if part)
        headers = window.headers
        url = with_query(self._collection, shown)
        return HttpRequest("list", "GET", url, headers=headers, query=shown, closes=not window.trial)

    def _own_link(self, asked: URL, link: str) -> str | None:
        """Make a link absolute; None when it is none.

        Servers behind a gateway write the host that they know themselves by. Nothing is ever sent there: such a link is
        asked for on the configured origin, and only where it leads to the list; else its query is, below our path.
        """
        target = resolve(asked, link)
        if target is None or same_origin(target, self.http.base):
            return None if target is None else str(target)
        target = on_origin(target, self.http.base)
        if target.raw_name.lower() != self._collection.raw_name.lower():
            target = with_path(target, self._collection.raw_path)
        return str(target) if target.raw_query_string else None

    async def _read(self, request: HttpRequest, response: HttpResponse) -> ReadPage:
        """Read the rows of an answer, in a thread where that takes long."""
        most = self._settings.max_problem_bytes
        try:
            if len(response.body) > _LARGE_BYTES:
                return await anyio.to_thread.run_sync(read_page, response.body, response.charset, most)
            return read_page(response.body, response.charset, most)
        except TooManyError as error:
            raise self.http.too_large(request, str(error)) from error
        except (NoProblemsError, RecursionError) as error:
            what = str(error) if isinstance(error, NoProblemsError) else "JSON that is nested too deeply"
            raise self.http.malformed(request, f"{what} ({response.excerpt()})") from error

    def _hub_refusal(
        self, request: HttpRequest, response: HttpResponse, callback: str
    ) -> PermanentError | TransientError:
        """Return the error that a refused registration amounts to. Of the callback only its secret is hidden."""
        error = self.http.refusal(request, response, callback.rstrip("/").rpartition("/")[2])
        key = f"sources.{self._name}"
        if response.status in ABSENT:
            return HubAbsentError(
                f"source {self._name}: {request} answered {response.status}: it has no hub, only polling is possible "
                f"({key}.push = false says so)"
            )
        if response.status == 409:
            return HubConflictError(f"{error}: deregister the old subscription first")
        if response.status in {400, 403, 422}:
            origin = callback.split("/listener/", maxsplit=1)[0]
            remedy = f"set {key}.version, and http.public_url to an address that the source may call (it is {origin})"
            return type(error)(f"{error}: {remedy}; {key}.push = false does without")
        return error

    def _segment(self, identifier: str) -> str:
        if identifier in {"", ".", ".."}:
            raise PermanentError(f"source {self._name}: {identifier!r} cannot be asked for: no address holds it")
        return identifier
