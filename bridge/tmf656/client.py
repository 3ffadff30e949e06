"""Asking one TMF656 server: pages, single problems, and its hub.

A `Client` belongs to one source and may be used by many tasks at once (at most `_CONNECTIONS` requests are under way;
the rest wait). It keeps nothing that a crash could spoil. Every answer carries `asked_at`, our clock before its
request was started: a notification received later than that is newer than the answer.

Servers are not trusted: an answer is bounded in bytes (after decompression) and in time, credentials and requests go
to the configured origin only, and what an error message repeats of an answer is short, escaped and without secrets.
"""

import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from yarl import URL

from bridge.domain.completeness import Completeness
from bridge.errors import ConfigurationError, PermanentError, TransientError
from bridge.http.auth import Authorization, ClientCredentials, Fixed, FormAnswer, UnauthorisedError, basic, bearer
from bridge.http.circuit_breaker import CircuitBreaker
from bridge.http.response import HttpResponse, plain, unwrap
from bridge.telemetry.redaction import hide
from bridge.tmf656.hub import (
    ABSENT,
    ACCEPTED,
    HubAbsentError,
    HubConflictError,
    Registration,
    bodies,
    read_registration,
    read_subscriptions,
)
from bridge.tmf656.paging import (
    MAX_REQUESTS,
    FilterStyle,
    PageAnswer,
    PageWalk,
    Window,
    filter_query,
    next_link,
    total_of,
    update_attribute,
)
from bridge.tmf656.wire.row import Row, rows_in, rows_of

_CONNECTIONS: Final = 8
_REDIRECTS: Final = 3
_EVERYTHING: Final = ""
_WHOLE: Final = {"list", "register"}
"""Operations that a 403 shuts: refused once, they are refused always. Of one problem it says nothing about others."""

_ASIDE: Final = {"find_subscriptions", "probe_subscription"}
"""Requests that the standard does not have: however they are refused, it says nothing about us."""

OnRequest = Callable[[str, str], None]
"""Told (operation, outcome) of each HTTP request.

Operations: list, get, register, deregister, find_subscriptions, probe_subscription, token. Outcomes: ok, client_error,
server_error, unauthorised, rate_limited, timeout, unreachable, too_large, malformed.
"""


class NotFoundError(PermanentError):
    """The source has no such problem (404, 410)."""


class FilterRefusedError(PermanentError):
    """The source does not take this way to ask for recent changes; try the next `FilterStyle`."""


class TooLargeError(PermanentError):
    """An answer is larger than `max_response_bytes`."""


class MalformedAnswerError(TransientError):
    """The source answered with something that is not the JSON asked for: a gateway's page, half an answer."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How to reach one source; the names are those of `[sources.<name>]` in the configuration."""

    name: str
    url: str = field(repr=False)
    version: str = "auto"
    bypass_proxy: bool = True
    proxy: str | None = field(default=None, repr=False)
    verify_tls: bool = True
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    oauth2_token_url: str = field(default="", repr=False)
    oauth2_client_id: str = ""
    oauth2_client_secret: str = field(default="", repr=False)
    page_size: int = 500
    request_timeout_seconds: float = 30.0
    max_response_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ListPage:
    """Some service problems as the source wrote them, not read yet.

    `asked_at`: our clock, before this page was asked for. `server_at`: the source's clock (its Date header), None
    when it shows none. `number` counts from 1. `total`: X-Total-Count, for a progress bar and for nothing else.
    """

    items: list[Row]
    asked_at: datetime
    server_at: datetime | None
    number: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One service problem as the source wrote it; the instants as in `Page`."""

    item: dict[str, Any]
    asked_at: datetime
    server_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Request:
    """A request as messages name it: never with its query, which may hold secrets."""

    operation: str
    method: str
    url: URL
    json: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.url.raw_path}"


class ListPass:
    """The pages of one pass, an async iterator; its verdict stands when the iteration is over.

    A request that fails raises out of the iteration, and iterating on asks for the same page again: a long pass need
    not start anew because of one bad gateway. One task at a time.
    """

    def __init__(self, client: "Client", walk: PageWalk, query: str) -> None:
        """Made by `Client.pages`."""
        self._client = client
        self._walk = walk
        self._query = query
        self._window: Window | None = walk.first()
        self._number = 0

    @property
    def complete(self) -> bool:
        """Whether the pass is over and saw every problem that was there from its first request to its last."""
        return self._walk.complete

    @property
    def completeness(self) -> Completeness:
        """Whether every problem was seen, and if not, why."""
        return self._walk.completeness

    @property
    def filter_honoured(self) -> bool | None:
        """False once a problem older than `changed_since` came; None while nothing tells."""
        return self._walk.filter_honoured

    @property
    def exhausted(self) -> bool:
        """Whether the pass was given up because the server never came to an end."""
        return self._walk.exhausted

    @property
    def distinct(self) -> int:
        """How many different problems came so far; pages overlap, so this is less than the rows."""
        return self._walk.distinct

    def unseen(self, problem_ids: Iterable[str]) -> list[str]:
        """Those of these problems that were on no page so far."""
        return self._walk.unseen(problem_ids)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ListPage:
        """Ask for the next page; raises what `Client` raises, FilterRefusedError included."""
        if self._window is None:
            raise StopAsyncIteration
        answer, reply = await self._client._list(self._window, self._query)  # noqa: SLF001 - its other half
        self._window = self._walk.following(answer)
        self._number += 1
        return ListPage(answer.rows, reply.asked_at, reply.server_at, self._number, answer.total)


class Client:
    """Asks one source; `async with` it. See `OnRequest` for the counting hook.

    Methods raise TransientError (timeouts, unreachable, 429, 5xx) with `retry_after_seconds` when the source asked
    for a pause, its subclass UnauthorisedError (401, 403), and PermanentError for every other refusal.
    """

    def __init__(
        self,
        options: ClientOptions,
        *,
        on_request: OnRequest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; raises ConfigurationError when the address, a certificate or a key cannot be used."""
        self._options = options
        self._count = on_request or (lambda _operation, _outcome: None)
        self._base = _address(options.url, f"sources.{options.name}.url")
        self._collection = _below(self._base, "serviceProblem")
        self._hub = _below(self._base, "hub")
        self._authorization = self._choose_authorization()
        self._tls = _tls(options)
        self._session: aiohttp.ClientSession | None = None
        self._hub_readable = False
        self._circuits = {
            name: CircuitBreaker(clock, patience_seconds=options.request_timeout_seconds)
            for name in (_EVERYTHING, *_WHOLE)
        }
        for secret in (options.password, options.token, options.oauth2_client_secret):
            hide(secret)

    async def __aenter__(self) -> Self:
        seconds = self._options.request_timeout_seconds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._tls, keepalive_timeout=30.0),
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=seconds, sock_read=seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "User-Agent": "tmf656-bridge"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def pages(
        self,
        *,
        changed_since: datetime | None = None,
        filter_style: FilterStyle = FilterStyle.NONE,
        stamp: Callable[[Row], datetime | None] = lambda _: None,
        version: str | None = None,
        max_requests: int = MAX_REQUESTS,
    ) -> ListPass:
        """Read the problems, or, with a filter style, those changed since `changed_since`, page by page.

        `stamp` tells the time of the last update of a problem (None: it has none); it shows whether the filter is
        honoured and which problems changed while we read. `version` names the attribute filtered on, where it is
        known better than the configuration does.
        """
        style = filter_style if changed_since is not None else FilterStyle.NONE
        bound = None if style is FilterStyle.NONE else changed_since
        attribute = update_attribute(version or self._options.version)
        query = filter_query(style, attribute, bound) if bound is not None else ""
        walk = PageWalk(self._options.page_size, changed_since=bound, stamp=stamp, max_requests=max_requests)
        return ListPass(self, walk, query)

    async def get(self, problem_id: str) -> Fetched:
        """Fetch one problem by its id; raises NotFoundError when the source has none of that id."""
        request = _Request("get", "GET", _below(self._collection, self._segment(problem_id)))
        reply = await self._send(request)
        if reply.status in {404, 410}:
            raise self._count_refusal(request, reply)
        self._require_ok(request, reply)
        rows = self._rows(request, reply)
        if not rows:
            raise self._refuse(request, "answered with an empty list, which does not say that the problem is gone")
        matching = [row for row in rows if str(row.get("id")) == problem_id] or rows
        if len(matching) != 1:
            raise self._malformed(request, f"{len(rows)} problems instead of one")
        self._count(request.operation, "ok")
        return Fetched(matching[0], reply.asked_at, reply.server_at)

    async def register(self, callback: str, query: str = "", *, version: str | None = None) -> Registration:
        """Register `callback` at the hub; raises HubAbsentError (404, 405, 501) or HubConflictError (409)."""
        for body in (candidates := bodies(callback, query, version or self._options.version)):
            request = _Request("register", "POST", self._hub, orjson.dumps(body))
            reply = await self._send(request)
            if reply.status not in {400, 422} or body is candidates[-1]:
                break
            self._count(request.operation, "client_error")
        if reply.status not in ACCEPTED:
            raise self._hub_refusal(request, reply, callback)
        self._count(request.operation, "ok")
        return read_registration(reply.document_if_any(), reply.headers.get("Location"), callback, query)

    async def deregister(self, hub_id: str) -> None:
        """End a subscription; that it is gone already (404, 410) is as good."""
        request = _Request("deregister", "DELETE", _below(self._hub, self._segment(hub_id)))
        reply = await self._send(request)
        if reply.status not in {404, 410}:
            self._require_ok(request, reply)
        self._count(request.operation, "ok")

    async def find_subscriptions(self) -> list[Registration] | None:
        """List the subscriptions the source holds, of anyone; None where it does not offer that, as in the standard."""
        request = _Request("find_subscriptions", "GET", self._hub)
        reply = await self._send(request)
        if reply.status in ABSENT | {400, 403}:
            self._count(request.operation, "client_error")
            return None
        self._require_ok(request, reply)
        self._count(request.operation, "ok")
        rows = unwrap(reply.document_if_any())
        return read_subscriptions(rows) if rows is not None else None

    async def probe_subscription(self, hub_id: str) -> bool | None:
        """Ask whether the source still holds a subscription; None where it does not offer that.

        A 404 says "gone" only from a server that was seen to answer such a request before.
        """
        request = _Request("probe_subscription", "GET", _below(self._hub, self._segment(hub_id)))
        reply = await self._send(request)
        if reply.status in ABSENT | {400, 403, 410}:
            self._count(request.operation, "client_error")
            return False if self._hub_readable and reply.status in {404, 410} else None
        self._require_ok(request, reply)
        self._count(request.operation, "ok")
        held = read_registration(reply.document_if_any(), None, "", "").hub_id == hub_id
        self._hub_readable = self._hub_readable or held
        return True if held else None

    async def _list(self, window: Window, query: str) -> tuple[PageAnswer, HttpResponse]:
        """Fetch one page. `query`: the filter, percent-encoded."""
        request = _Request("list", "GET", self._window_url(window, query))
        reply = await self._send(request)
        if window.speculative and reply.status in {400, 404, 416}:
            self._count(request.operation, "client_error")
            return PageAnswer([], refused=True), reply
        if query and window.offset == 0 and window.link is None and reply.status in {400, 422, 501}:
            raise FilterRefusedError(str(self._count_refusal(request, reply)))
        self._require_ok(request, reply)
        rows = [] if reply.status == 204 else self._page_rows(request, reply)
        self._count(request.operation, "ok")
        link = self._own_link(request.url, next_link(reply.headers.getall("Link", [])))
        return PageAnswer(rows, total=total_of(reply.headers), partial=reply.status == 206, next_link=link), reply

    def _window_url(self, window: Window, query: str) -> URL:
        if window.link is not None:
            return URL(window.link, encoded=True)
        parts = [query, f"limit={window.limit}&offset={window.offset}"]
        return _with_query(self._collection, "&".join(part for part in parts if part))

    def _own_link(self, asked: URL, link: str | None) -> str | None:
        """Make a link absolute; None when it leads to another origin, where we send nothing."""
        target = _resolve(asked, link) if link else None
        return str(target) if target is not None and target.origin() == self._base.origin() else None

    async def _send(self, request: _Request) -> HttpResponse:
        """Send, with credentials; a token turned down is replaced once. Redirects stay on the origin.

        Raises UnauthorisedError, and sends nothing, for a while after the source has refused us.
        """
        circuits = [self._circuits[name] for name in (_EVERYTHING, request.operation) if name in self._circuits]
        if (seconds := max(circuit.wait_seconds() for circuit in circuits)) > 0:
            raise UnauthorisedError(
                f"source {self._options.name}: {request} was not sent: the source refused us lately, it is asked "
                f"again in {seconds:.0f} s",
                retry_after_seconds=seconds,
            )
        try:
            reply, header = await self._send_once(request)
            if reply.status == 401 and self._authorization.rejected(header):
                self._count(request.operation, "unauthorised")
                reply, _ = await self._send_once(request)
        except UnauthorisedError:
            self._circuits[_EVERYTHING].refused()
            raise
        self._judge(request.operation, reply.status)
        return reply

    def _judge(self, operation: str, status: int) -> None:
        """Open or close the circuits by what the source answered; trouble of its own says nothing."""
        if operation in _ASIDE:
            return
        if status == 401:
            self._circuits[_EVERYTHING].refused()
        elif status == 403 and operation in _WHOLE:
            self._circuits[operation].refused()
        elif status < 500:
            self._circuits[_EVERYTHING].passed()
            if operation in _WHOLE:
                self._circuits[operation].passed()

    async def _send_once(self, request: _Request) -> tuple[HttpResponse, str | None]:
        header = await self._authorization.header()
        headers = {"Authorization": header} if header is not None else {}
        if request.json is not None:
            headers["Content-Type"] = "application/json"
        asked_at = datetime.now(UTC)
        url = request.url
        for _ in range(_REDIRECTS + 1):
            reply = await self._exchange(request, url, headers, request.json, asked_at)
            if reply.status not in {301, 302, 303, 307, 308}:
                return reply, header
            url = self._redirected(request, url, reply)
        raise self._refuse(request, f"redirected more than {_REDIRECTS} times: check sources.{self._options.name}.url")

    def _redirected(self, request: _Request, url: URL, reply: HttpResponse) -> URL:
        """Return where a redirect leads, if we may go there."""
        target = _resolve(url, reply.headers.get("Location", ""))
        if target is None:
            raise self._refuse(request, f"answered {reply.status} without a usable Location")
        if request.method != "GET" or target.origin() != self._base.origin():
            raise self._refuse(
                request,
                f"answered {reply.status} to {target.origin()}{target.raw_path}, which is not followed: "
                f"set sources.{self._options.name}.url to the final address",
            )
        return target

    async def _exchange(
        self, request: _Request, url: URL, headers: Mapping[str, str], body: bytes | None, asked_at: datetime
    ) -> HttpResponse:
        """One request on the wire."""
        assert self._session is not None, "use the client within `async with`"  # noqa: S101 - a defect of ours
        async with (
            self._naming_failures(request),
            self._session.request(
                request.method, url, data=body, headers=headers, allow_redirects=False, proxy=self._proxy_for(url)
            ) as response,
        ):
            return HttpResponse(response.status, response.headers, await self._read(request, response), asked_at)

    async def _read(self, request: _Request, response: aiohttp.ClientResponse) -> bytearray:
        """Read the body, decompressed, as far as the limit allows."""
        most = self._options.max_response_bytes
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > most:
                self._count(request.operation, "too_large")
                raise TooLargeError(
                    f"source {self._options.name}: {request} answered with more than {most} bytes: lower sources."
                    f"{self._options.name}.page_size or raise max_response_bytes"
                )
        return content

    @asynccontextmanager
    async def _naming_failures(self, request: _Request) -> AsyncIterator[None]:
        """Turn the library's failures into ours, counted."""
        name = self._options.name
        where = f"source {name}: {request}"
        try:
            yield
        except TimeoutError as error:
            self._count(request.operation, "timeout")
            raise TransientError(
                f"{where} was not answered within {self._options.request_timeout_seconds:g} s: is the source "
                f"overloaded? raise sources.{name}.request_timeout_seconds or lower page_size"
            ) from error
        except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch) as error:
            self._count(request.operation, "unreachable")
            raise TransientError(
                f"{where} failed in TLS ({plain(str(error))}): check sources.{name}.ca_file, verify_tls and "
                "client_cert_file"
            ) from error
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            self._count(request.operation, "malformed")
            raise MalformedAnswerError(f"{where} was answered with broken HTTP ({plain(str(error))})") from error
        except (aiohttp.ClientError, OSError) as error:
            self._count(request.operation, "unreachable")
            raise TransientError(
                f"{where} could not be sent ({plain(str(error)) or type(error).__name__}): check sources.{name}.url, "
                "the network and the proxy settings"
            ) from error

    def _require_ok(self, request: _Request, reply: HttpResponse) -> None:
        if not reply.ok:
            raise self._count_refusal(request, reply)

    def _count_refusal(
        self, request: _Request, reply: HttpResponse, *, private: str = ""
    ) -> PermanentError | TransientError:
        """Return the error that a refusal amounts to, counted. `private` is not repeated."""
        outcome, remedy = self._diagnose(reply.status)
        self._count(request.operation, outcome)
        text = f"source {self._options.name}: {request} answered {reply.status}"
        if excerpt := reply.excerpt(private):
            text += f" ({excerpt})"
        text += f": {remedy}" if remedy else ""
        pause = reply.retry_after_seconds
        match outcome:
            case "unauthorised":
                return UnauthorisedError(text, retry_after_seconds=pause)
            case "rate_limited" | "timeout" | "server_error":
                return TransientError(text, retry_after_seconds=pause)
        return NotFoundError(text) if reply.status in {404, 410} else PermanentError(text)

    def _diagnose(self, status: int) -> tuple[str, str]:
        """Return the outcome a status counts as, and what a person can do about it."""
        name = self._options.name
        if status in {401, 403}:
            remedy = f"set sources.{name}.username and password, or token, or the oauth2 settings"
            return "unauthorised", remedy if status == 401 else f"the account of sources.{name} lacks the right"
        if status == 407:
            return "client_error", f"the proxy wants credentials, set sources.{name}.proxy"
        if status == 429:
            return "rate_limited", f"raise sources.{name}.poll_interval_seconds"
        if status in {408, 425}:
            return "timeout", ""
        if status == 501 or status < 500:
            return "client_error", f"check sources.{name}.url" if status in {404, 405, 410} else ""
        return "server_error", ""

    def _hub_refusal(self, request: _Request, reply: HttpResponse, callback: str) -> PermanentError | TransientError:
        """Return the error that a refused registration amounts to."""
        error = self._count_refusal(request, reply, private=callback)
        if reply.status in ABSENT:
            return HubAbsentError(
                f"source {self._options.name}: {request} answered {reply.status}: it has no hub, only polling is "
                f"possible (sources.{self._options.name}.push = false says so)"
            )
        return HubConflictError(f"{error}: deregister the old subscription first") if reply.status == 409 else error

    def _refuse(self, request: _Request, what: str) -> PermanentError:
        self._count(request.operation, "client_error")
        return PermanentError(f"source {self._options.name}: {request} {what}")

    def _malformed(self, request: _Request, what: str) -> MalformedAnswerError:
        self._count(request.operation, "malformed")
        return MalformedAnswerError(
            f"source {self._options.name}: {request} answered with {what}: check that "
            f"sources.{self._options.name}.url is the base path of the API"
        )

    def _page_rows(self, request: _Request, reply: HttpResponse) -> list[Row]:
        """Cut a page into rows; read it first where that takes a lenient reader."""
        rows = rows_in(reply.body)
        if rows is not None:
            return rows
        try:
            return rows_of(self._rows(request, reply))
        except RecursionError as error:
            raise self._malformed(request, f"a problem that is nested too deeply ({reply.excerpt()})") from error

    def _rows(self, request: _Request, reply: HttpResponse) -> list[dict[str, Any]]:
        """Read the problems out of an answer, however it wraps them."""
        try:
            document = reply.document()
        except (ValueError, RecursionError) as error:
            raise self._malformed(request, f"something that is not JSON ({reply.excerpt()})") from error
        rows = unwrap(document)
        if rows is None:
            raise self._malformed(request, f"JSON without problems ({reply.excerpt()})")
        return rows

    def _segment(self, identifier: str) -> str:
        if identifier in {"", ".", ".."}:
            raise PermanentError(
                f"source {self._options.name}: {identifier!r} cannot be asked for: no address holds it"
            )
        return identifier

    def _proxy_for(self, url: URL) -> URL | None:
        """Return the proxy to use: the configured one, else the environment's, unless that is to be bypassed.

        The library's `trust_env` would do the latter, but it also sends passwords out of a netrc file.
        """
        if self._options.proxy:
            return URL(self._options.proxy)
        if self._options.bypass_proxy or proxy_bypass(url.host or ""):
            return None
        found = getproxies()
        chosen = found.get(url.scheme) or found.get("all")
        return URL(chosen) if chosen else None

    def _choose_authorization(self) -> Authorization:
        options = self._options
        if options.oauth2_token_url:
            token_url = _address(options.oauth2_token_url, f"sources.{options.name}.oauth2_token_url")

            async def post(body: bytes, headers: dict[str, str]) -> FormAnswer:
                return await self._post_form(_Request("token", "POST", token_url), body, headers)

            return ClientCredentials(
                options.name, options.oauth2_client_id, options.oauth2_client_secret, post, clock=time.monotonic
            )
        if options.token:
            return bearer(options.token)
        return basic(options.username, options.password) if options.username else Fixed(None)

    async def _post_form(self, request: _Request, body: bytes, headers: dict[str, str]) -> FormAnswer:
        reply = await self._exchange(request, request.url, headers, body, datetime.now(UTC))
        self._count(request.operation, "ok" if reply.ok else self._diagnose(reply.status)[0])
        return FormAnswer(reply.status, bytes(reply.body), reply.retry_after_seconds)


def _address(text: str, key: str) -> URL:
    """Read a configured address; raises ConfigurationError."""
    try:
        url = URL(text)
        usable = url.scheme in {"http", "https"} and bool(url.host)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError([f"{key}: not an address of the form https://host/path"])
    if url.user is not None or url.password is not None:
        raise ConfigurationError([f"{key}: credentials do not belong into the address, use username and password"])
    return url.with_fragment(None)


def _tls(options: ClientOptions) -> ssl.SSLContext | bool:
    """Build what TLS needs; raises ConfigurationError naming the file that cannot be used."""
    key = f"sources.{options.name}"
    if options.verify_tls and options.ca_file is None and options.client_cert_file is None:
        return True
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError([f"{key}.ca_file: {options.ca_file} cannot be used ({error})"]) from error
    if not options.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.client_cert_file is not None:
        try:
            context.load_cert_chain(options.client_cert_file, options.client_key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                [f"{key}.client_cert_file: {options.client_cert_file} cannot be used ({error})"]
            ) from error
    return context


def _below(url: URL, segment: str) -> URL:
    """Append one path segment, whatever it contains; the query stays (gateways put keys there)."""
    path = f"{url.raw_path.rstrip('/')}/{quote(segment, safe='')}"
    return URL.build(
        scheme=url.scheme, authority=url.raw_authority, path=path, query_string=url.raw_query_string, encoded=True
    )


def _with_query(url: URL, query: str) -> URL:
    """Add to the query, percent-encoded as it is."""
    joined = "&".join(part for part in (url.raw_query_string, query) if part)
    return URL.build(
        scheme=url.scheme, authority=url.raw_authority, path=url.raw_path, query_string=joined, encoded=True
    )


def _resolve(base: URL, reference: str) -> URL | None:
    """Make a reference from a header absolute; None when it is none, or not http."""
    try:
        target = base.join(URL(reference, encoded=True))
    except ValueError:
        return None
    return target if reference and target.scheme in {"http", "https"} and target.host else None
