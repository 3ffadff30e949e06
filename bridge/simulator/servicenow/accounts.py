"""Who may come in: HTTP basic, tokens of `/oauth_token.do`, and how many requests an hour."""

import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from urllib.parse import parse_qs, unquote_plus

from aiohttp import web

from bridge.simulator.gate import Reply

_TOKEN_SECONDS = 1799
_HOUR = timedelta(hours=1)


def platform_error(status: int, message: str, detail: str | None = None) -> Reply:
    """Return an error in the shape of the platform."""
    return Reply(status, {"error": {"message": message, "detail": detail}, "status": "failure"})


@dataclass
class Accounts:
    """One account, one OAuth client, and a quota. Without `username` and `client_id` everybody may come in."""

    clock: Callable[[], datetime]
    dice: Random
    username: str | None = None
    password: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    hourly_limit: int | None = None
    tokens: dict[str, datetime] = field(default_factory=dict)
    """Valid tokens and when they end; a test may take one away."""
    _hour_began: datetime | None = None
    _counted: int = 0

    @property
    def user(self) -> str:
        """Who writes, by user name."""
        return self.username or "admin"

    def refusal(self, request: web.Request) -> Reply | None:
        """Return the answer to a request that may not come in; None: it may."""
        if self.username is None and self.client_id is None:
            return self._over_quota()
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        known = (scheme.lower() == "basic" and self._knows(credentials)) or (
            scheme.lower() == "bearer" and self.tokens.get(credentials, self.clock()) > self.clock()
        )
        if known:
            return self._over_quota()
        return Reply(
            401,
            {
                "error": {"message": "User Not Authenticated", "detail": "Required to provide Auth information"},
                "status": "failure",
            },
            (("WWW-Authenticate", 'Basic realm="Service-now"'),),
        )

    def token(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer a request for a token: a form with client credentials, a password or a refresh token."""
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        grant = form.get("grant_type")
        client = form.get("client_id") == self.client_id and form.get("client_secret") == self.client_secret
        if not headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return Reply(400, {"error": "invalid_request", "error_description": "Missing grant type"})
        person = form.get("username") == self.username and form.get("password") == self.password
        granted = {
            "client_credentials": client,
            "password": client and person,
            "refresh_token": client and form.get("refresh_token", "").startswith("refresh-"),
        }
        if self.client_id is None or not granted.get(grant or "", False):
            return Reply(401, {"error": "access_denied", "error_description": "access_denied"})
        token = f"{self.dice.getrandbits(256):064x}"
        self.tokens[token] = self.clock() + timedelta(seconds=_TOKEN_SECONDS)
        answer = {"access_token": token, "scope": "useraccount", "token_type": "Bearer", "expires_in": _TOKEN_SECONDS}
        return Reply(200, answer | {"refresh_token": f"refresh-{token[:16]}"})

    def _knows(self, credentials: str) -> bool:
        try:
            name, _, password = b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        pairs = {(self.username, self.password)}
        return (name, password) in pairs or (unquote_plus(name), unquote_plus(password)) in pairs

    def _over_quota(self) -> Reply | None:
        if self.hourly_limit is None:
            return None
        now = self.clock()
        if self._hour_began is None or now - self._hour_began >= _HOUR:
            self._hour_began, self._counted = now, 0
        self._counted += 1
        if self._counted <= self.hourly_limit:
            return None
        reset_at = self._hour_began + _HOUR
        seconds = max(1, int((reset_at - now).total_seconds()))
        refused = platform_error(
            429,
            "Rate limit exceeded",
            f"Rate limit of {self.hourly_limit} requests per hour for Table API exceeded",
        )
        headers = (
            ("Retry-After", str(seconds)),
            ("X-RateLimit-Limit", str(self.hourly_limit)),
            ("X-RateLimit-Reset", str(int(reset_at.timestamp()))),
            ("X-RateLimit-Rule", "Table API"),
        )
        return Reply(refused.status, refused.body, headers)
