"""Logging in at a login provider: leaving for it, coming back, confirming, and logging out there.

The way there is a link and no form, because the policy of the pages lets forms go nowhere else. A login that has begun
is in a cookie of the browser that began it; without that cookie nobody comes back with a code. While the provider is
away the login page says so, and the other ways stay.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from aiohttp import hdrs, web

from bridge.domain.access import Login, Permission, Role
from bridge.errors import BridgeError, TransientError
from bridge.storage import audit, console_session
from bridge.storage.audit import AuditEntry
from bridge.storage.console_session import ConsoleSession
from bridge.web.console.frame import local_path
from bridge.web.console.id_token import IdTokenError, groups_of, name_of, password_given_at
from bridge.web.console.login_page import LoginPages
from bridge.web.console.oidc import ATTEMPT_SECONDS, CALLBACK, LoginAttempt, OidcClient
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit

log = structlog.get_logger(__name__)

_ACTOR = "oidc"
"""In the audit, as long as nobody is named."""
_AWAY = "The login provider cannot be reached. Try again in a moment; other ways to log in still work."
_UNFIT = "The login provider gives no usable answer: the log of the console says why. Other ways to log in still work."
_OVER = "This login has taken too long, or was begun in another browser: begin again."
_LONGEST_CODE = 4096


@dataclass(slots=True)
class OidcPages:
    """The routes of a login provider."""

    login: LoginPages
    oidc: OidcClient

    def routes(self) -> tuple[ConsoleRoute, ...]:
        """Return them."""
        return (
            ConsoleRoute(hdrs.METH_GET, "/login/oidc", Permission.PUBLIC, self._leave),
            ConsoleRoute(hdrs.METH_GET, CALLBACK, Permission.PUBLIC, self._come_back),
            ConsoleRoute(hdrs.METH_GET, "/login/oidc/end", Permission.PUBLIC, self._end),
        )

    async def _leave(self, visit: Visit) -> web.StreamResponse:
        there = local_path(visit.query.get("next", ["/"])[-1])
        attempt = LoginAttempt.begin(there, again="again" in visit.query)
        try:
            address = await self.oidc.address(attempt, self._redirect_uri)
        except BridgeError as error:
            return self._unusable(visit, there, error)
        response = web.Response(status=303, headers={hdrs.LOCATION: address})
        secure = self.login.authenticator.secure
        response.set_cookie(
            self._cookie,
            attempt.to_cookie(),
            max_age=ATTEMPT_SECONDS,
            httponly=True,
            secure=secure,
            samesite="Lax",
            path="/",
        )
        return response

    async def _come_back(self, visit: Visit) -> web.StreamResponse:
        response = await self._answer(visit)
        secure = self.login.authenticator.secure
        response.del_cookie(self._cookie, path="/", secure=secure, httponly=True, samesite="Lax")
        return response

    async def _answer(self, visit: Visit) -> web.Response | web.StreamResponse:
        sent = {name: values[-1] for name, values in visit.query.items()}
        attempt = LoginAttempt.from_cookie(visit.request.cookies.get(self._cookie, ""))
        if attempt is None or not _same(sent.get("state", ""), attempt.state):
            return self.login.page(visit, "/", _OVER, 400)
        await self.login.credentials.refuse_many(visit, f"{_ACTOR} {visit.address}")
        try:
            code = _code(sent, (await self.oidc.provider()).issuer)
            claims = await self.oidc.claims(code, attempt, self._redirect_uri)
            name = name_of(claims, self.oidc.settings)
            role = self.login.authenticator.role_of(groups_of(claims, self.oidc.settings))
        except IdTokenError as error:
            await self.login.credentials.note_refused(visit, f"{_ACTOR} {visit.address}", str(error))
            return self.login.page(visit, attempt.there, f"You are not logged in: {error}.", 401)
        except BridgeError as error:
            return self._unusable(visit, attempt.there, error)
        if role is None:
            reason = "none of the groups has a role"
            entry = AuditEntry(name, None, visit.address, "login", outcome="refused", reason=reason)
            async with visit.writing() as connection:
                await audit.record(connection, entry)
            fault = f"{name}, none of your groups has a role here: ask for one in console.roles."
            return self.login.page(visit, attempt.there, fault, 403)
        return await self._logged_in(visit, attempt, ConsoleSession(name, role, Login.OIDC, password_given_at(claims)))

    async def _logged_in(self, visit: Visit, attempt: LoginAttempt, session: ConsoleSession) -> web.StreamResponse:
        """Begin a session; where one of the same user confirms, that one goes on, and so do the forms of its pages."""
        token = self.login.authenticator.token_of(visit.request)
        if attempt.again and token:
            async with visit.writing() as connection:
                former = await console_session.find(connection, token)
                if former is not None and _who(former) == _who(session):
                    await console_session.confirm(connection, token)
                    entry = AuditEntry(session.user, session.role.value, visit.address, "confirm")
                    await audit.record(connection, entry)
                    return visit.page("confirmed.html")
        return await self.login.begin(visit, session, attempt.there)

    async def _end(self, visit: Visit) -> web.StreamResponse:
        try:
            address = await self.oidc.end_address(f"{self.login.authenticator.url}/login")
        except BridgeError as error:
            return self._unusable(visit, "/", error)
        if address is None:
            return self.login.page(visit, "/", "The login provider has no page to log out: log out there by hand.")
        return web.Response(status=303, headers={hdrs.LOCATION: address})

    def _unusable(self, visit: Visit, there: str, error: BridgeError) -> web.Response:
        log.warning("the login provider cannot be used", error=str(error))
        return self.login.page(visit, there, _AWAY if isinstance(error, TransientError) else _UNFIT, 503)

    @property
    def _redirect_uri(self) -> str:
        return f"{self.login.authenticator.url}{CALLBACK}"

    @property
    def _cookie(self) -> str:
        return "__Host-bridge_oidc" if self.login.authenticator.secure else "bridge_oidc"


def _who(session: ConsoleSession) -> tuple[str, Role, Login]:
    return session.user, session.role, session.login


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode())


def _code(sent: Mapping[str, str], issuer: str) -> str:
    """Return the code of an answer; IdTokenError where the provider refused, or it is not that of this one."""
    if sent.get("iss", issuer) != issuer:
        raise IdTokenError("the answer is of another login provider")
    if "error" in sent:
        raise IdTokenError(f"the login provider refused the login ({_word(sent['error'])})")
    if 0 < len(sent.get("code", "")) <= _LONGEST_CODE:
        return sent["code"]
    raise IdTokenError("the login provider sent no code")


def _word(text: str) -> str:
    """A code of an error as RFC 6749 has them, of which nothing else is shown."""
    return text if len(text) <= 60 and text.isascii() and text.replace("_", "").isalnum() else "no reason"
