"""Logging in and out: with a name and password, or with the admin token.

Ten refusals in a quarter of an hour, for one name or from one address, and the next tries are answered 429 without a
look at the password. A name that does not exist is answered as a wrong password is, after the same time.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import hdrs, web

from bridge.domain.access import Login, Permission, Role
from bridge.storage import audit, console_session, console_user
from bridge.storage.audit import AuditEntry
from bridge.storage.console_session import LONGEST, ConsoleSession
from bridge.web.console.frame import local_path
from bridge.web.console.login import Authenticator
from bridge.web.console.password import PasswordCheck
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

_MOST_REFUSALS = 10
_WITHIN = timedelta(minutes=15)
_LONGEST_NAME = 100
_TOKEN_USER = "token"  # noqa: S105 -- the name that sessions of the admin token have


@dataclass(slots=True)
class LoginPages:
    """The login page, and the end of a session."""

    authenticator: Authenticator
    _passwords: PasswordCheck = field(default_factory=PasswordCheck)

    def routes(self) -> tuple[ConsoleRoute, ...]:
        """Return their routes."""
        return (
            ConsoleRoute(hdrs.METH_GET, "/login", Permission.PUBLIC, self._show),
            ConsoleRoute(hdrs.METH_POST, "/login", Permission.PUBLIC, self._log_in),
            ConsoleRoute(hdrs.METH_POST, "/logout", Permission.END_SESSION, self._log_out),
        )

    async def _show(self, visit: Visit) -> web.StreamResponse:
        return self._page(visit, visit.query.get("next", ["/"])[-1])

    def _page(self, visit: Visit, there: str, fault: str = "", status: int = 200) -> web.Response:
        return visit.page(
            "login.html",
            status=status,
            next=local_path(there),
            fault=fault,
            name=visit.field("name")[:_LONGEST_NAME],
            has_token=self.authenticator.has_admin_token,
        )

    async def _log_in(self, visit: Visit) -> web.StreamResponse:
        address, there = self.authenticator.address(visit.request), visit.field("next")
        token, name = visit.field("token"), visit.field("name").strip()
        if not token and not name:
            return self._page(visit, there, "Enter a name and a password.", 400)
        if len(name) > _LONGEST_NAME:
            return self._page(visit, there, "That is no name of a user.", 400)
        actor = _TOKEN_USER if token else name
        async with visit.writing() as connection:
            refusals = max(await audit.refused_logins(connection, actor, address, _WITHIN))
        if refusals >= _MOST_REFUSALS:
            message = "There were too many wrong logins for this name or from this address. Wait a quarter of an hour."
            raise Refusal(429, "too_many_tries", message, retry_after_seconds=_WITHIN.total_seconds())
        session = self._by_token(token) if token else await self._by_password(visit, name)
        if session is None:
            entry = AuditEntry(actor, None, address, "login", outcome="refused", reason="wrong name, password or token")
            async with visit.writing() as connection:
                await audit.record(connection, entry)
            fault = "This token is not known." if token else "The name or the password is wrong."
            return self._page(visit, there, fault, 401)
        return await self._begin(visit, session, address)

    def _by_token(self, token: str) -> ConsoleSession | None:
        known = self.authenticator.is_admin_token(token)
        return ConsoleSession(_TOKEN_USER, Role.ADMIN, Login.TOKEN) if known else None

    async def _by_password(self, visit: Visit, name: str) -> ConsoleSession | None:
        password = visit.field("password")
        async with visit.reading() as connection:
            user = await console_user.find(connection, name) if name.isprintable() else None
        if not await self._passwords.matches(user.password_hash if user else None, password) or user is None:
            return None
        renewed = await self._passwords.renewed(user.password_hash, password)
        if renewed is not None:
            async with visit.writing() as connection:
                await console_user.renew_hash(connection, name, renewed)
        return ConsoleSession(user.name, user.role, Login.PASSWORD)

    async def _begin(self, visit: Visit, session: ConsoleSession, address: str) -> web.StreamResponse:
        """Give a new token: one that somebody may have planted in this browser before is worth nothing afterwards."""
        former = self.authenticator.token_of(visit.request)
        how = {"login": session.login.value}
        entry = AuditEntry(session.user, session.role.value, address, "login", after=how)
        async with visit.writing() as connection:
            if former:
                await console_session.end(connection, former)
            token = await console_session.make(connection, session, address)
            await audit.record(connection, entry)
        response = visit.redirect(local_path(visit.field("next")))
        response.set_cookie(
            self.authenticator.cookie,
            token,
            max_age=int(LONGEST.total_seconds()),
            httponly=True,
            secure=self.authenticator.secure,
            samesite="Lax",
            path="/",
        )
        return response

    async def _log_out(self, visit: Visit) -> web.StreamResponse:
        principal, token = visit.principal, self.authenticator.token_of(visit.request)
        if principal is not None and token:
            address = self.authenticator.address(visit.request)
            async with visit.writing() as connection:
                await console_session.end(connection, token)
                await audit.record(connection, audit.by(principal, address, "logout"))
        response = visit.redirect("/login")
        response.del_cookie(
            self.authenticator.cookie, path="/", secure=self.authenticator.secure, httponly=True, samesite="Lax"
        )
        return response
