"""Authorisation at a source: HTTP basic, a bearer token, or OAuth 2.0 client credentials (RFC 6749, 4.4).

Independent of the HTTP library: the client passes a function that posts a form. Many requests may need the token at
the same time; one of them fetches it and the others wait for the outcome, a failure included, so that a failing token
endpoint gets few requests. When the fetch is cancelled, the next waiting request fetches. Tokens stay in memory.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import quote_plus, urlencode

import anyio
import orjson

from bridge.errors import TransientError
from bridge.http.errors import UnauthorisedError

_EARLY = 0.8
"""Share of its life after which a token is renewed."""
_LIFE_SECONDS = 300.0
"""Assumed where the server does not say `expires_in`, which RFC 6749 only recommends."""


class Authorization(Protocol):
    """Gives the value of the Authorization header."""

    async def header(self) -> str | None:
        """Return the header's value; None: send none."""

    def rejected(self, header: str | None) -> bool:
        """Record that `header` was answered with 401; return whether another header may be accepted."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same header every time: basic, bearer, or none at all."""

    value: str | None = field(default=None, repr=False)

    async def header(self) -> str | None:
        """Return the value given."""
        return self.value

    def rejected(self, header: str | None) -> bool:  # noqa: ARG002 - the protocol has it
        """Nothing else could be sent."""
        return False


def basic(username: str, password: str) -> Fixed:
    """HTTP basic (RFC 7617), in UTF-8."""
    return Fixed("Basic " + b64encode(f"{username}:{password}".encode()).decode())


def bearer(token: str) -> Fixed:
    """A token given in the configuration (RFC 6750)."""
    return Fixed(f"Bearer {token}")


@dataclass(frozen=True, slots=True)
class FormAnswer:
    """The answer of a token endpoint; `retry_after_seconds` from its Retry-After."""

    status: int
    body: bytes = field(repr=False)
    retry_after_seconds: float | None = None


PostForm = Callable[[bytes, dict[str, str]], Awaitable[FormAnswer]]
"""Posts a form (body, headers) to the token endpoint; raises TransientError when it cannot be reached."""


class ClientCredentials:
    """A token from a token endpoint, kept, and renewed when 80 % of its life is over or the source rejects it.

    The credentials go as HTTP basic, which every server must support (RFC 6749, 2.3.1), and within the form for those
    that do not. `source` is the name that messages carry; `clock` gives seconds that only grow; `parameters` are
    further fields of the form (scope, audience, resource).
    """

    def __init__(
        self,
        source: str,
        client_id: str,
        client_secret: str,
        post: PostForm,
        *,
        clock: Callable[[], float],
        parameters: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Prepare; the first `header` fetches."""
        self._source = source
        self._client_id = client_id
        self._client_secret = client_secret
        self._post = post
        self._clock = clock
        self._parameters = parameters
        self._fetching = anyio.Lock()
        self._attempts = 0
        self._failure: TransientError | None = None
        self._header: str | None = None
        self._renew_after = 0.0
        self._in_form = False

    def __repr__(self) -> str:
        return f"ClientCredentials({self._source!r})"

    async def header(self) -> str:
        """Return a header with a valid token; raises UnauthorisedError or TransientError when there is none."""
        attempts = self._attempts
        if (current := self._current()) is not None:
            return current
        async with self._fetching:
            if (current := self._current()) is not None:
                return current
            if self._attempts > attempts and self._failure is not None:
                raise _again(self._failure)
            return await self._fetch()

    def rejected(self, header: str | None) -> bool:
        """Drop the token unless it has been replaced meanwhile; a new token may always be accepted."""
        if header == self._header:
            self._header = None
        return True

    def _current(self) -> str | None:
        return self._header if self._clock() < self._renew_after else None

    async def _fetch(self) -> str:
        try:
            started = self._clock()
            token, life_seconds = self._read(await self._request())
        except TransientError as error:
            self._failure = error
            raise
        else:
            self._failure = None
        finally:
            self._attempts += 1
        self._header = f"Bearer {token}"
        self._renew_after = started + life_seconds * _EARLY
        return self._header

    async def _request(self) -> FormAnswer:
        answer = await self._post(*self._form())
        if answer.status in {400, 401} and not self._in_form:
            self._in_form = True
            second = await self._post(*self._form())
            self._in_form = second.status == 200
            return second if self._in_form else answer
        return answer

    def _form(self) -> tuple[bytes, dict[str, str]]:
        fields = {"grant_type": "client_credentials"} | dict(self._parameters)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._in_form:
            fields |= {"client_id": self._client_id, "client_secret": self._client_secret}
        else:
            pair = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        return urlencode(fields).encode(), headers

    def _read(self, answer: FormAnswer) -> tuple[str, float]:
        """Return the token and its lifetime; raise the error for an answer without one."""
        where = f"source {self._source}: the token endpoint"
        document = _parse(answer.body)
        if answer.status in {400, 401, 403}:
            raise UnauthorisedError(
                f"{where} answered {answer.status} {_error_code(document)}: check sources.{self._source}."
                "oauth2_client_id, oauth2_client_secret, oauth2_token_url and oauth2_scope",
                retry_after_seconds=answer.retry_after_seconds,
            )
        if answer.status != 200:
            raise TransientError(f"{where} answered {answer.status}", retry_after_seconds=answer.retry_after_seconds)
        token = document.get("access_token")
        if not isinstance(token, str) or not _printable(token):
            raise TransientError(f"{where} answered without an access_token: check oauth2_token_url")
        return token, _seconds(document.get("expires_in"))


def _again(failure: TransientError) -> TransientError:
    """Copy a failure for another task, so that their tracebacks stay apart."""
    return type(failure)(str(failure), retry_after_seconds=failure.retry_after_seconds)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _error_code(document: dict[str, Any]) -> str:
    """Return the short code of RFC 6749, 5.2; its description may repeat what we sent, so it is left out."""
    code = document.get("error")
    return f"({code})" if isinstance(code, str) and len(code) < 50 and code.replace("_", "").isalnum() else ""


def _printable(token: str) -> bool:
    """Whether the token can stand in a header (no blanks, no line breaks)."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def _seconds(value: Any) -> float:
    """Read expires_in, which some send as text."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return _LIFE_SECONDS
    return seconds if 0 < seconds < float("inf") else _LIFE_SECONDS
