"""Who sends a request: the demo's anybody, or the bearer of the admin token."""

import hmac
import secrets

from aiohttp import hdrs, web

from bridge.domain.access import Login, Principal, Role
from bridge.settings import ConsoleSettings
from bridge.storage.database import Database

_BEARER = "Bearer "


class Authenticator:
    """Finds the principal of a request."""

    def __init__(self, settings: ConsoleSettings, *, demo: bool = False) -> None:
        """`demo`: nobody is asked who they are."""
        self._tokens = settings.admin_token.get_secret_value().split()
        self._demo = Principal("demo", Role.ADMIN, Login.DEMO, secrets.token_bytes(32)) if demo else None

    async def __call__(self, request: web.BaseRequest, _: Database | None) -> Principal | None:
        """Return who sent this, None for nobody in particular."""
        if self._demo is not None:
            return self._demo
        authorization = request.headers.get(hdrs.AUTHORIZATION, "")
        if authorization.startswith(_BEARER) and self.is_admin_token(authorization.removeprefix(_BEARER)):
            return Principal("token", Role.ADMIN, Login.TOKEN, b"")
        return None

    def is_admin_token(self, text: str) -> bool:
        """Is it one of the tokens that log in as admin? Takes as long for each."""
        return any(hmac.compare_digest(text.encode(), token.encode()) for token in self._tokens)
