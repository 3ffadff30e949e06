"""The HTTP client of one remote system, whatever its kind.

An `HttpClient` belongs to one source and may be used by many tasks at once: at most `concurrency` requests run, the
others wait. It has no state on disk.

Servers are not trusted. Answers are limited in bytes (after decompression), header fields and time. Credentials are
sent to the configured origin only. Any behaviour of a server raises `TransientError` or `PermanentError`, nothing else.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

import aiohttp
import structlog
from yarl import URL

from bridge.errors import PermanentError, TransientError
from bridge.http.address import read_address, resolve, same_origin, with_query
from bridge.http.auth import Authorization, ClientCredentials, Fixed, FormAnswer, basic, bearer
from bridge.http.circuit_breaker import CircuitBreaker
from bridge.http.errors import MalformedAnswerError, NotSentError, TooLargeError, UnauthorisedError
from bridge.http.failure import Failures
from bridge.http.proxy import proxy_for
from bridge.http.quotation import quoted
from bridge.http.request import HttpRequest, OnRequest
from bridge.http.response import HttpResponse
from bridge.http.tls import speaks_tls, tls_context
from bridge.settings import SystemSettings
from bridge.telemetry.redaction import hide

log = structlog.get_logger(__name__)

_REDIRECTS: Final = 3
_TLS_ALERT: Final = r"\x15\x03"
"""How the HTTP library shows the beginning of a TLS alert."""
_TOKEN_BYTES: Final = 1 << 20
_WHOLE_SOURCE: Final = ""
"""The circuit breaker of the whole source; each other one belongs to one operation."""


class HttpClient:
    """Sends requests to one source; use it within `async with`."""

    def __init__(
        self,
        name: str,
        settings: SystemSettings,
        *,
        on_request: OnRequest | None = None,
        clock: Callable[[], float] = time.monotonic,
        place: str = "",
    ) -> None:
        """Prepare; raises ConfigurationError when the address, a certificate or a key cannot be used. `place`: the
        key with the address of a system that is no source.
        """
        self.name = name
        self.settings = settings
        key = place.rpartition(".")[0] or f"sources.{name}"
        self.base = read_address(settings.url, place or f"{key}.url")
        self.count = on_request or (lambda _operation, _outcome: None)
        self.failures = Failures(name, settings, place)
        self._clock = clock
        self._authorization = self._choose_authorization()
        self._tls = tls_context(settings, key)
        self._headers = {field: value.get_secret_value() for field, value in settings.headers.items()}
        self._session: aiohttp.ClientSession | None = None
        self._speaks_tls: bool | None = None
        self._breakers = {_WHOLE_SOURCE: self._breaker()}
        secrets = (settings.password, settings.token, settings.oauth2_client_secret)
        for secret in (*secrets, *settings.headers.values(), *settings.oauth2_parameters.values()):
            hide(secret.get_secret_value())

    async def __aenter__(self) -> Self:
        seconds = self.settings.request_timeout_seconds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.settings.concurrency, ssl=self._tls, keepalive_timeout=30.0),
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=seconds, sock_read=seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            # a cache on the way would give what was, and some give one page for every query
            headers={"Accept": "application/json", "Cache-Control": "no-cache", "User-Agent": "tmf656-bridge"},
            max_line_size=self.settings.max_header_bytes,
            max_field_size=self.settings.max_header_bytes,
            max_headers=self.settings.max_header_fields,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send with credentials; a rejected token is replaced once. Redirects are followed on the origin.

        Raises UnauthorisedError, and sends nothing, for a while after the source has refused us. Refusals are returned.
        """
        breakers = [self._breakers[name] for name in (_WHOLE_SOURCE, request.operation) if name in self._breakers]
        if (seconds := max(breaker.wait_seconds() for breaker in breakers)) > 0:
            raise UnauthorisedError(
                f"source {self.name}: {request} was not sent: the source refused us lately, the next try is in "
                f"{seconds:.0f} s",
                retry_after_seconds=seconds,
            )
        try:
            response, header = await self._send_once(request)
            if response.status == 401 and self._authorization.rejected(header):
                self.count(request.operation, "unauthorised")
                response, _ = await self._send_once(request)
        except UnauthorisedError:
            self._breakers[_WHOLE_SOURCE].refused()
            raise
        self._note_access(request, response.status)
        return response

    def refusal(self, request: HttpRequest, response: HttpResponse, *private: str) -> PermanentError | TransientError:
        """Count a refusal and return its error. `private`: texts that the message must not repeat."""
        outcome, error = self.failures.refused(request, response, *private)
        self.count(request.operation, outcome)
        return error

    def require_ok(self, request: HttpRequest, response: HttpResponse) -> None:
        """Raise the error of a refusal, if it is one."""
        if not response.ok:
            raise self.refusal(request, response)

    def malformed(self, request: HttpRequest, what: str) -> MalformedAnswerError:
        """Count an answer of the wrong kind and return its error."""
        self.count(request.operation, "malformed")
        return self.failures.malformed(request, what)

    def too_large(self, request: HttpRequest, what: str) -> TooLargeError:
        """Count an answer beyond a limit and return its error."""
        self.count(request.operation, "too_large")
        return self.failures.too_large(request, what)

    def _breaker(self) -> CircuitBreaker:
        return CircuitBreaker(self._clock, patience_seconds=self.settings.request_timeout_seconds)

    def _note_access(self, request: HttpRequest, status: int) -> None:
        """Open or close the circuit breakers by the status; a server error says nothing about our credentials."""
        if request.optional:
            return
        if status == 401:
            self._breakers[_WHOLE_SOURCE].refused()
        elif status == 403 and request.closes:
            self._breakers.setdefault(request.operation, self._breaker()).refused()
        elif status < 500:
            self._breakers[_WHOLE_SOURCE].passed()
            if request.closes and request.operation in self._breakers:
                self._breakers[request.operation].passed()

    async def _send_once(self, request: HttpRequest) -> tuple[HttpResponse, str | None]:
        authorization = await self._authorize()
        headers = {"Content-Type": "application/json"} if request.body is not None else {}
        headers |= {**request.headers, **self._headers}
        if authorization is not None:
            headers["Authorization"] = authorization
        asked_at = datetime.now(UTC)
        for redirects in range(_REDIRECTS + 1):
            try:
                response = await self._exchange(request, headers, asked_at)
            except NotSentError as error:
                if redirects == 0:
                    raise
                raise TransientError(str(error)) from error  # what redirected us may have carried the request out
            if response.status not in {301, 302, 303, 307, 308}:
                return response, authorization
            request = self._redirected(request, response)
        raise self._not_followed(request, f"redirected more than {_REDIRECTS} times: check sources.{self.name}.url")

    async def _authorize(self) -> str | None:
        try:
            return await self._authorization.header()
        except UnauthorisedError:
            raise
        except TransientError as error:
            raise NotSentError(str(error), retry_after_seconds=error.retry_after_seconds) from error

    def _redirected(self, request: HttpRequest, response: HttpResponse) -> HttpRequest:
        """Return the request that a redirect leads to, if it may be sent there.

        The method stays, as 307 and 308 demand. A POST is repeated after 301 and 302 only where the address differs by
        a slash at its end; 303 says that the request was carried out and where its outcome can be read.
        """
        target = resolve(request.url, response.headers.get("Location", ""))
        if target is None:
            raise self._not_followed(request, f"answered {response.status} without a usable Location")
        slash_only = target.raw_path.rstrip("/") == request.url.raw_path.rstrip("/")
        repeatable = request.method != "POST" or response.status in {303, 307, 308} or slash_only
        if not repeatable or not same_origin(target, self.base):
            raise self._not_followed(
                request,
                f"answered {response.status} to {quoted(f'{target.origin()}{target.raw_path}')}, which is not "
                f"followed: set sources.{self.name}.url to the final address",
            )
        if not target.raw_query_string and _last_segment(target) == _last_segment(request.url):
            # Servers that add a slash forget the query, and then give the first page for every one.
            target = with_query(target, request.url.raw_query_string)
        if response.status == 303 and request.method != "GET":
            return replace(request, method="GET", url=target, body=None)
        return replace(request, url=target)

    async def _exchange(self, request: HttpRequest, headers: Mapping[str, str], asked_at: datetime) -> HttpResponse:
        """One request on the wire."""
        assert self._session is not None, "use the client within `async with`"  # noqa: S101 - a defect of ours
        proxy = proxy_for(request.url, self.settings)
        try:
            async with self._session.request(
                request.method, request.url, data=request.body, headers=headers, allow_redirects=False, proxy=proxy
            ) as response:
                body = await self._read(request, response)
                return HttpResponse(response.status, response.headers, body, asked_at)
        except TooLargeError:
            raise
        except Exception as error:
            # The bulkhead of this source: the HTTP library raises more than its own errors for an unexpected answer.
            # That server caused it, and it must not end any other task.
            outcome, failure = self.failures.raised(request, error)
            if not isinstance(error, aiohttp.ClientError | OSError):
                log.warning("unexpected failure of a request", source=self.name, request=str(request), exc_info=True)
            if proxy is None and await self._spoke_tls(request, error):
                outcome, failure = "unreachable", self.failures.speaks_tls(request)
            self.count(request.operation, outcome)
            raise failure from error

    async def _spoke_tls(self, request: HttpRequest, error: Exception) -> bool:
        """Whether plain http failed because the port speaks TLS: it sent a TLS alert, or closed without an answer.

        In the latter case a handshake is tried, once for each client.
        """
        if request.url.scheme != "http" or isinstance(error, aiohttp.ClientConnectorError):
            return False
        if isinstance(error, aiohttp.ClientResponseError):
            return _TLS_ALERT in error.message
        if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError) and self._speaks_tls is None:
            self._speaks_tls = await speaks_tls(request.url, min(3.0, self.settings.request_timeout_seconds))
        return self._speaks_tls is True

    async def _read(self, request: HttpRequest, response: aiohttp.ClientResponse) -> bytearray:
        """Read the body, decompressed, as far as the limit allows."""
        most = self.settings.max_response_bytes
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > most:
                raise self.too_large(request, f"more than {most:,} bytes")
        return content

    def _not_followed(self, request: HttpRequest, what: str) -> PermanentError:
        self.count(request.operation, "client_error")
        return PermanentError(f"source {self.name}: {request} {what}")

    def _choose_authorization(self) -> Authorization:
        settings = self.settings
        if settings.oauth2_token_url:
            token_url = read_address(settings.oauth2_token_url, f"sources.{self.name}.oauth2_token_url")

            async def post(body: bytes, headers: dict[str, str]) -> FormAnswer:
                request = HttpRequest("token", "POST", token_url, body)
                response = await self._exchange(request, headers, datetime.now(UTC))
                self.count("token", self.failures.outcome(response.status))
                return FormAnswer(response.status, bytes(response.body[:_TOKEN_BYTES]), response.retry_after_seconds)

            parameters = {name: value.get_secret_value() for name, value in settings.oauth2_parameters.items()}
            return ClientCredentials(
                self.name,
                settings.oauth2_client_id,
                settings.oauth2_client_secret.get_secret_value(),
                post,
                clock=time.monotonic,
                parameters=({"scope": settings.oauth2_scope} if settings.oauth2_scope else {}) | parameters,
            )
        if token := settings.token.get_secret_value():
            return bearer(token)
        return basic(settings.username, settings.password.get_secret_value()) if settings.username else Fixed(None)


def _last_segment(url: URL) -> str:
    return url.raw_path.rstrip("/").rpartition("/")[2]
