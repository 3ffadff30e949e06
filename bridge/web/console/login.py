"""Who sends a request: the holder of a session, of the admin token, a user that a trusted proxy names, or, in the demo,
everybody on this machine.

A session is a random token in a cookie. Over TLS the cookie's name begins with `__Host-`, which browsers take from this
host only. A proxy is believed by the address of its connection; what it says holds for that request and leaves no
session behind, so nobody stays logged in who is no longer named.
"""

import hashlib
import hmac
import secrets
from ipaddress import ip_network
from time import monotonic

import structlog
from aiohttp import hdrs, web

from bridge.domain.access import Login, Principal, Role
from bridge.errors import DatabaseUnavailableError
from bridge.settings import Settings
from bridge.settings.console import OidcSettings
from bridge.storage import console_session
from bridge.storage.database import Database
from bridge.web.console.visit import CONNECT_SECONDS, QUERY_SECONDS
from bridge.web.listener.admission import address_of, caller
from bridge.web.refusal import Refusal

log = structlog.get_logger(__name__)

_BEARER = "Bearer "
_LOG_AGAIN_SECONDS = 60.0
_LONGEST_COOKIE = 200


class Authenticator:
    """Finds the principal of a request. `secure`: browsers come over TLS; `url`: as they see the console."""

    def __init__(self, settings: Settings, *, demo: bool = False) -> None:
        """`demo`: nobody is asked who they are."""
        self.secure = False
        self.url = ""
        self._settings = settings.console
        self._trusted = [ip_network(network) for network in settings.http.trusted_proxies]
        self._tokens = settings.console.admin_token.get_secret_value().split()
        self._key = secrets.token_bytes(32)
        self._demo = Principal("demo", Role.ADMIN, Login.DEMO, self._key) if demo else None
        self._logged_at = 0.0

    @property
    def cookie(self) -> str:
        """Name of the cookie with the token of the session."""
        return "__Host-bridge" if self.secure else "bridge_session"

    @property
    def oidc(self) -> OidcSettings:
        """The login provider, if one is configured."""
        return self._settings.oidc

    @property
    def has_admin_token(self) -> bool:
        """Is there a token to log in with?"""
        return bool(self._tokens)

    async def __call__(self, request: web.BaseRequest, database: Database | None) -> Principal | None:
        """Return who sent this, None for nobody in particular; DatabaseUnavailableError while that cannot be looked
        up, Refusal (403) for somebody who has no role here.
        """
        if self._demo is not None:
            return self._demo
        authorization = request.headers.get(hdrs.AUTHORIZATION, "")
        if authorization.startswith(_BEARER) and self.is_admin_token(authorization.removeprefix(_BEARER)):
            return Principal("token", Role.ADMIN, Login.TOKEN, b"")
        if self._settings.proxy_user_header:
            named = self._named_by_proxy(request)
            if named is not None:
                return named
        token = self.token_of(request)
        return await self._of_session(token, database) if token else None

    def is_admin_token(self, text: str) -> bool:
        """Is it one of the tokens that log in as admin?"""
        return any(
            hmac.compare_digest(text.encode("utf-8", "surrogateescape"), token.encode()) for token in self._tokens
        )

    def token_of(self, request: web.BaseRequest) -> str:
        """The token of the session a request belongs to, "" for none."""
        token = request.cookies.get(self.cookie, "")
        return token if token.isascii() and len(token) <= _LONGEST_COOKIE else ""

    def address(self, request: web.BaseRequest) -> str:
        """Where a request comes from, also behind a trusted proxy."""
        return str(caller(request, self._trusted) or request.remote or "unknown")

    async def _of_session(self, token: str, database: Database | None) -> Principal | None:
        if database is None:
            raise DatabaseUnavailableError("Postgres could not be reached since the console started")
        async with database.session(limit_seconds=QUERY_SECONDS, connect_seconds=CONNECT_SECONDS) as connection:
            session = await console_session.find(connection, token)
        if session is None:
            return None
        form_key = hashlib.sha256(b"form" + token.encode()).digest()
        return Principal(session.user, session.role, session.login, form_key, session.confirmed_at)

    def _named_by_proxy(self, request: web.BaseRequest) -> Principal | None:
        name = _text(request.headers.get(self._settings.proxy_user_header, ""))
        if not name:
            return None
        peer = address_of(request.remote or "")
        if peer is None or not any(peer in network for network in self._trusted):
            if monotonic() - self._logged_at > _LOG_AGAIN_SECONDS:
                self._logged_at = monotonic()
                log.warning(
                    "a user header is not believed",
                    address=str(peer),
                    remedy="if that is your proxy, name its address in http.trusted_proxies",
                )
            return None
        groups_header = self._settings.proxy_groups_header
        for header in filter(None, (self._settings.proxy_user_header, groups_header)):
            if len(request.headers.getall(header, ())) > 1:  # one of them may be what the client sent
                log.warning("a user header is not believed", address=str(peer), remedy=f"have it replace {header}")
                message = f"The proxy sends {header} more than once: it has to replace what a client sent."
                raise Refusal(403, "several_users", message)
        groups = _text(request.headers.get(groups_header, "")) if groups_header else ""
        role = self.role_of([group.strip() for group in groups.split(",")])
        if role is None:
            raise Refusal(403, "no_role", "None of your groups has a role here: ask for one in console.roles.")
        return Principal(name, role, Login.PROXY, hmac.digest(self._key, name.encode(), hashlib.sha256))

    def role_of(self, groups: list[str]) -> Role | None:
        """The strongest role that one of the groups has in console.roles; `*` stands for everybody."""
        found = {self._settings.roles[group] for group in (*groups, "*") if group in self._settings.roles}
        return next((role for role in reversed(Role) if role.value in found), None)


def _text(header: str) -> str:
    """A header that a proxy writes in UTF-8."""
    return header.strip().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
