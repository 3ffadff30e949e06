"""Who may log in with a password, and who is logged in: `/users`. A session can be ended here; users are made by the
command line, so that a stolen session of the console makes none.
"""

from datetime import UTC, datetime

from aiohttp import hdrs, web

from bridge.domain.access import Permission
from bridge.storage import audit, console_session, console_user
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal


async def _show(visit: Visit) -> web.StreamResponse:
    async with visit.reading() as connection:
        users = await console_user.listed(connection)
        sessions = await console_session.listed(connection)
    return visit.page("users.html", users=users, sessions=sessions, at=datetime.now(UTC))


async def _end_session(visit: Visit) -> web.StreamResponse:
    key = visit.field("session")
    if visit.principal is None:
        raise Refusal(401, "no_login", "Log in first.")
    await visit.require_confirmation()
    async with visit.writing() as connection:
        user = await console_session.end_listed(connection, key)
        if user is None:
            raise Refusal(404, "no_such_session", "This session has ended already.")
        await audit.record(connection, audit.by(visit.principal, visit.address, "session.end", user))
    return visit.redirect("/users")


ROUTES = (
    ConsoleRoute(hdrs.METH_GET, "/users", Permission.MANAGE_USERS, _show, navigation="Users"),
    ConsoleRoute(hdrs.METH_POST, "/users/end-session", Permission.MANAGE_USERS, _end_session),
)
