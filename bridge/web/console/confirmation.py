"""Asking for the password again: what a session that was left open, or stolen, must not do alone.

Secrets, users and the address of a source take a login, or a confirmation, of the last ten minutes. The form that was
sent comes back within the page that asks, and goes on with the password; secrets that were typed do not come back.
Who logged in at a login provider logs in there again, in another tab, and then goes on here: the session stays.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiohttp import hdrs, web

from bridge.domain.access import Login, Permission
from bridge.storage import audit, console_session
from bridge.web.console.credentials import TOKEN_USER, LoginCredentials
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.same_origin import FIELD
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

PASSWORD: Final = "confirm_password"  # noqa: S105 -- the name of a field
_AGAIN: Final = "Your login is older than ten minutes."


class ConfirmationNeeded(Refusal):
    """The login is too old for this. `keeps_form`: what was sent may be sent again from the page that asks."""

    def __init__(self, message: str, *, keeps_form: bool = True) -> None:
        """Keep what the page will say."""
        super().__init__(403, "confirmation_needed", message)
        self.keeps_form = keeps_form


@dataclass(slots=True)
class Confirmation:
    """Knows whether somebody has confirmed, and takes the password."""

    credentials: LoginCredentials

    def routes(self) -> tuple[ConsoleRoute, ...]:
        """Return the route of a confirmation that comes before what it is for."""
        return (ConsoleRoute(hdrs.METH_POST, "/confirm", Permission.END_SESSION, self._confirm),)

    async def require(self, visit: Visit, *, keeps_form: bool = True) -> None:
        """Raise ConfirmationNeeded unless the login is recent, or the right password comes with the form."""
        principal, password = visit.principal, visit.field(PASSWORD)
        if principal is None or principal.is_confirmed(datetime.now(UTC)):
            return
        if principal.login is Login.OIDC or not password:
            raise ConfirmationNeeded(_AGAIN, keeps_form=keeps_form)
        credentials = self.credentials
        actor = TOKEN_USER if principal.login is Login.TOKEN else principal.name
        await credentials.refuse_many(visit, actor)
        if principal.login is Login.TOKEN:
            session = credentials.by_token(password)
        else:
            session = await credentials.by_password(visit, principal.name, password)
        if session is None:
            await credentials.note_refused(visit, actor, "wrong password at a confirmation")
            raise ConfirmationNeeded("The password is wrong.", keeps_form=keeps_form)
        async with visit.writing() as connection:
            await console_session.confirm(connection, credentials.authenticator.token_of(visit.request))
            await audit.record(connection, audit.by(principal, visit.address, "confirm"))

    async def _confirm(self, visit: Visit) -> web.StreamResponse:
        await self.require(visit, keeps_form=False)
        return visit.page("confirmed.html")


def kept_fields(visit: Visit) -> list[tuple[str, str]]:
    """Return the fields of a form that may go through a page: no secret that somebody typed."""
    return [
        (name, value)
        for name, values in visit.form.items()
        if name not in (FIELD, PASSWORD, "password") and not name.startswith("secret:")
        for value in values
    ]
