"""Logging in and out: with a name and password, with the admin token, or at a login provider (`oidc_page`)."""

from dataclasses import dataclass

from aiohttp import hdrs, web

from bridge.domain.access import Login, Permission
from bridge.storage import audit, console_session, console_user
from bridge.storage.audit import AuditEntry
from bridge.storage.console_session import LONGEST, ConsoleSession
from bridge.web.console.credentials import LONGEST_NAME, TOKEN_USER, LoginCredentials
from bridge.web.console.frame import local_path
from bridge.web.console.login import Authenticator
from bridge.web.console.oidc import OidcClient
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit

_WRONG = "The name or the password is wrong."


@dataclass(slots=True)
class LoginPages:
    """The login page, and the end of a session. `oidc` None: no login provider is configured."""

    authenticator: Authenticator
    credentials: LoginCredentials
    oidc: OidcClient | None = None

    def routes(self) -> tuple[ConsoleRoute, ...]:
        """Return their routes."""
        return (
            ConsoleRoute(hdrs.METH_GET, "/login", Permission.PUBLIC, self._show),
            ConsoleRoute(hdrs.METH_POST, "/login", Permission.PUBLIC, self._log_in),
            ConsoleRoute(hdrs.METH_POST, "/logout", Permission.END_SESSION, self._log_out),
        )

    async def _show(self, visit: Visit) -> web.StreamResponse:
        return self.page(visit, visit.query.get("next", ["/"])[-1], left="left" in visit.query)

    def page(self, visit: Visit, there: str, fault: str = "", status: int = 200, *, left: bool = False) -> web.Response:
        """Show the ways to log in, and what went wrong with the last try. `left`: somebody has just logged out, and may
        still be logged in at the login provider.
        """
        return visit.page(
            "login.html",
            status=status,
            next=local_path(there),
            fault=fault,
            name=visit.field("name")[:LONGEST_NAME],
            has_token=self.authenticator.has_admin_token,
            provider=self.oidc.host if self.oidc is not None else "",
            left=left,
        )

    async def _log_in(self, visit: Visit) -> web.StreamResponse:
        there = visit.field("next")
        token, name = visit.field("token"), visit.field("name").strip()
        if not token and not name:
            return self.page(visit, there, "Enter a name and a password.", 400)
        if len(name) > LONGEST_NAME:
            return self.page(visit, there, "That is no name of a user.", 400)
        actor = TOKEN_USER if token else name
        await self.credentials.refuse_many(visit, actor)
        if token:
            session = self.credentials.by_token(token)
        else:
            session = await self.credentials.by_password(visit, name, visit.field("password"))
        if session is None:
            await self.credentials.note_refused(visit, actor, "wrong name, password or token")
            return self.page(visit, there, "This token is not known." if token else _WRONG, 401)
        return await self.begin(visit, session, there)

    async def begin(self, visit: Visit, session: ConsoleSession, there: str) -> web.StreamResponse:
        """Give a new token: one that somebody may have planted in this browser before is worth nothing afterwards."""
        former = self.authenticator.token_of(visit.request)
        how = {"login": session.login.value}
        entry = AuditEntry(session.user, session.role.value, visit.address, "login", after=how)
        async with visit.writing() as connection:
            set_at = session.password_set_at
            if set_at is not None and not await console_user.hold(connection, session.user, session.role, set_at):
                return self.page(visit, there, _WRONG, 401)  # removed or changed while the password was compared
            if former:
                await console_session.end(connection, former)
            token = await console_session.make(connection, session, visit.address)
            await audit.record(connection, entry)
        response = visit.redirect(local_path(there))
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
            async with visit.writing() as connection:
                await console_session.end(connection, token)
                await audit.record(connection, audit.by(principal, visit.address, "logout"))
        provided = principal is not None and principal.login is Login.OIDC and self.oidc is not None
        response = visit.redirect("/login?left=provider" if provided else "/login")
        response.del_cookie(
            self.authenticator.cookie, path="/", secure=self.authenticator.secure, httponly=True, samesite="Lax"
        )
        return response
