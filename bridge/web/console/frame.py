"""What belongs to no page in particular: the start, the theme, what this is made of."""

from aiohttp import hdrs, web

from bridge.domain.access import Permission
from bridge.web.console.layout import THEME_COOKIE, THEMES
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

_YEAR_SECONDS = 365 * 86_400


async def _start(visit: Visit) -> web.StreamResponse:
    return visit.redirect("/problems")


async def _theme(visit: Visit) -> web.StreamResponse:
    theme = visit.field("theme")
    if theme not in THEMES:
        raise Refusal(400, "no_such_theme", f"There is no such theme: use one of {', '.join(THEMES)}.")
    response = visit.redirect(local_path(visit.field("next")))
    response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_SECONDS, samesite="Lax", httponly=True)
    return response


async def _about(visit: Visit) -> web.StreamResponse:
    return visit.page("about.html")


def local_path(text: str) -> str:
    """Return where to go next if it is a path of ours, else the start: never another site.

    >>> local_path("/problems?status=held"), local_path("//evil.example"), local_path("https://evil.example")
    ('/problems?status=held', '/', '/')
    """
    own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isascii() and text.isprintable()
    return text if own else "/"


ROUTES = (
    ConsoleRoute(hdrs.METH_GET, "/", Permission.READ_PROBLEMS, _start),
    ConsoleRoute(hdrs.METH_POST, "/theme", Permission.PUBLIC, _theme),
    ConsoleRoute(hdrs.METH_GET, "/about", Permission.READ_ABOUT, _about, navigation="About"),
)
