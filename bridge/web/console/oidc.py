"""Login by a provider that speaks OpenID Connect: the code flow with PKCE, over the bridge's own HTTP client.

The browser keeps what a login under way needs (`LoginAttempt`) in a cookie of its own, so any process can end it, and a
code that was stolen is worth nothing without that cookie. What the provider says of itself is kept for an hour; its
keys are read again when a token names one that is not known, once a minute at most.
"""

import hashlib
import secrets
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import anyio
import msgspec
from yarl import URL

from bridge.errors import BridgeError, PermanentError
from bridge.http.client import HttpClient
from bridge.http.request import HttpRequest
from bridge.settings.console import OidcSettings
from bridge.settings.source import SystemSettings
from bridge.web.console.id_token import (
    LEEWAY_SECONDS,
    IdTokenError,
    PublicKey,
    UnknownKeyError,
    read_keys,
    verified_claims,
)

CALLBACK: Final = "/login/oidc/callback"
ATTEMPT_SECONDS: Final = 600
_TIMEOUT_SECONDS: Final = 5.0
_DISCOVERED_SECONDS: Final = 3600.0
_KEYS_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 5.0
_MOST_BYTES: Final = 1 << 20
_LONGEST_COOKIE: Final = 3000
_LONGEST_THERE: Final = 1000
_DISCOVERY: Final = "/.well-known/openid-configuration"


class LoginAttempt(msgspec.Struct, frozen=True):
    """A login that has begun. `again`: of somebody who is logged in, to confirm that it is still them."""

    state: str
    nonce: str
    verifier: str
    begun_at: int
    there: str = "/"
    again: bool = False

    @classmethod
    def begin(cls, there: str, *, again: bool = False) -> "LoginAttempt":
        """Return one that nobody can guess. An address that a cookie has no room for is the start instead."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, int(time()), there if len(there) <= _LONGEST_THERE else "/", again)

    @classmethod
    def from_cookie(cls, text: str) -> "LoginAttempt | None":
        """Read what `to_cookie` wrote; None for anything else, and for one that is too old."""
        if not text.isascii() or len(text) > _LONGEST_COOKIE:
            return None
        try:
            found = msgspec.json.decode(urlsafe_b64decode(text), type=cls)
        except (ValueError, msgspec.MsgspecError):
            return None
        return found if 0 <= time() - found.begun_at <= ATTEMPT_SECONDS else None

    def to_cookie(self) -> str:
        """Write it as the value of a cookie."""
        return urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @property
    def challenge(self) -> str:
        """The hash of the verifier, as PKCE (RFC 7636) sends it ahead."""
        return urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class LoginProvider:
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None
    secret_in_body: bool


@dataclass(slots=True)
class OidcClient:
    """Talks to one login provider. TransientError while it is away, PermanentError for an answer of no use."""

    settings: OidcSettings
    _provider: LoginProvider | None = None
    _provider_at: float = 0.0
    _failure: BridgeError | None = None
    _failed_at: float = 0.0
    _keys: list[PublicKey] = field(default_factory=list)
    _keys_at: float | None = None
    _asking: anyio.Lock = field(default_factory=anyio.Lock)

    async def provider(self) -> LoginProvider:
        """Return what the provider says of itself. While one asks, others wait for the answer, and get a failure, too:
        else each of them would wait in turn, and hold a place that a page could have.
        """
        async with self._asking:
            if self._failure is not None and monotonic() - self._failed_at < _AGAIN_SECONDS:
                raise self._failure
            if self._provider is None or monotonic() - self._provider_at > _DISCOVERED_SECONDS:
                try:
                    document = await self._get("discovery", self._issuer + _DISCOVERY)
                    self._provider = _read_provider(document, self._issuer)
                except BridgeError as error:
                    self._failure, self._failed_at = error, monotonic()
                    raise
                self._provider_at, self._failure = monotonic(), None
            return self._provider

    async def address(self, attempt: LoginAttempt, redirect_uri: str) -> str:
        """Return where the browser logs in."""
        provider = await self.provider()
        parameters = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        if attempt.again:
            parameters |= {"prompt": "login", "max_age": "0"}
        joint = "&" if "?" in provider.authorization_endpoint else "?"
        return f"{provider.authorization_endpoint}{joint}{urlencode(parameters)}"

    async def claims(self, code: str, attempt: LoginAttempt, redirect_uri: str) -> dict[str, Any]:
        """Exchange a code, and return who it is about; IdTokenError for what is not to be believed."""
        provider = await self.provider()
        answer = await self._exchange(provider, code, attempt, redirect_uri)
        token = answer.get("id_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise IdTokenError("the login provider sent no token (does console.oidc.scopes have openid?)")
        names = {"issuer": provider.issuer, "client_id": self.settings.client_id, "nonce": attempt.nonce}
        try:
            claims = verified_claims(token, await self._known_keys(provider), **names)
        except UnknownKeyError:  # it may have changed its keys since
            claims = verified_claims(token, await self._known_keys(provider, again=True), **names)
        _check_age(claims, attempt)
        return claims

    async def end_address(self, back: str) -> str | None:
        """Return where a browser logs out of the provider, None where it offers none."""
        provider = await self.provider()
        if provider.end_session_endpoint is None:
            return None
        parameters = {"client_id": self.settings.client_id, "post_logout_redirect_uri": back}
        return f"{provider.end_session_endpoint}?{urlencode(parameters)}"

    @property
    def host(self) -> str:
        """The host of the provider, for people to see where they log in."""
        return URL(self._issuer).host or ""

    @property
    def _issuer(self) -> str:
        return self.settings.issuer or ""

    async def _known_keys(self, provider: LoginProvider, *, again: bool = False) -> list[PublicKey]:
        async with self._asking:
            age = None if self._keys_at is None else monotonic() - self._keys_at
            if age is None or age > _DISCOVERED_SECONDS or (again and age > _KEYS_SECONDS) or not self._keys:
                self._keys = read_keys(await self._get("keys", provider.jwks_uri))
                self._keys_at = monotonic()
            return self._keys

    async def _exchange(self, provider: LoginProvider, code: str, attempt: LoginAttempt, redirect_uri: str) -> Any:
        secret = self.settings.client_secret.get_secret_value()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if secret and not provider.secret_in_body:
            login = f"{quote_plus(self.settings.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        else:
            form |= {"client_id": self.settings.client_id} | ({"client_secret": secret} if secret else {})
        request = HttpRequest(
            "token", "POST", URL(provider.token_endpoint), urlencode(form).encode(), headers, optional=True
        )
        return await self._document(request, secret, code, attempt.verifier)

    async def _get(self, operation: str, address: str) -> Any:
        return await self._document(HttpRequest(operation, "GET", URL(address), optional=True))

    async def _document(self, request: HttpRequest, *private: str) -> Any:
        async with self._client() as client:
            response = await client.send(request)
            if not response.ok:
                raise client.refusal(request, response, *private)
            try:
                return response.document()
            except (ValueError, RecursionError) as error:
                raise client.malformed(request, "no JSON") from error

    def _client(self) -> AbstractAsyncContextManager[HttpClient]:
        settings = SystemSettings.model_construct(
            url=self._issuer,
            ca_file=self.settings.ca_file,
            proxy=self.settings.proxy,
            bypass_proxy=False,
            request_timeout_seconds=_TIMEOUT_SECONDS,
            max_response_bytes=_MOST_BYTES,
        )
        return HttpClient("login provider", settings, place="console.oidc.issuer")


def _read_provider(document: Any, issuer: str) -> LoginProvider:
    """Read a discovery document. The issuer has to be the configured one: else another's tokens would be believed."""
    if not isinstance(document, dict) or not isinstance(document.get("issuer"), str):
        raise PermanentError(f"console.oidc.issuer: there is no discovery document at {issuer}{_DISCOVERY}")
    if document["issuer"].rstrip("/") != issuer:
        raise PermanentError(
            f"console.oidc.issuer: the login provider calls itself {document['issuer'][:200]!r}: set that address"
        )
    methods = document.get("token_endpoint_auth_methods_supported")
    in_body = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
    return LoginProvider(
        document["issuer"],
        _endpoint(document, "authorization_endpoint", issuer),
        _endpoint(document, "token_endpoint", issuer),
        _endpoint(document, "jwks_uri", issuer),
        _endpoint(document, "end_session_endpoint", issuer) if document.get("end_session_endpoint") else None,
        in_body,
    )


def _endpoint(document: dict[str, Any], name: str, issuer: str) -> str:
    address = document.get(name)
    schemes = ("https://",) if issuer.startswith("https://") else ("https://", "http://")
    try:
        usable = isinstance(address, str) and address.startswith(schemes) and bool(URL(address).host)
    except ValueError:
        usable = False
    if not usable or not isinstance(address, str):
        raise PermanentError(f"console.oidc.issuer: the discovery document at {issuer} has no usable {name}")
    return address


def _check_age(claims: dict[str, Any], attempt: LoginAttempt) -> None:
    """Was the password really asked for again, where that was wished? The provider has to say when (auth_time)."""
    at = claims.get("auth_time")
    if attempt.again and not (isinstance(at, int | float) and at >= attempt.begun_at - LEEWAY_SECONDS):
        raise IdTokenError("the login provider does not say that it has asked you for the password again (auth_time)")
