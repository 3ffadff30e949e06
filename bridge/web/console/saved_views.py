"""Lists of problems that people keep under a name: `/views`, and the chips above the list.

A view is no more than the query of an address, so a link to the list says all of it. Its owner changes and removes it;
operators show theirs to everybody, and remove what others show to everybody. Each change is in the audit with what was
there before, so that a view that was removed can be made again.
"""

from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import hdrs, web

from bridge.domain.access import Permission
from bridge.domain.problem_query import EXTRA, QueryError, read_query
from bridge.storage import audit, saved_view
from bridge.storage.database import Connection
from bridge.storage.saved_view import LONGEST_NAME, LONGEST_PARAMETERS, SavedView
from bridge.web.console.ask import audit_entry, who_of
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit, fields
from bridge.web.refusal import Refusal


async def _show(visit: Visit) -> web.StreamResponse:
    async with visit.reading() as connection:
        views = await saved_view.visible(connection, who_of(visit))
    return visit.page("views.html", views=views, who=who_of(visit), at=datetime.now(UTC), longest=LONGEST_NAME)


async def _save(visit: Visit) -> web.StreamResponse:
    name, parameters, who = _name(visit), _parameters(visit), who_of(visit)
    shared = visit.field("shared") == "yes"
    if shared:
        _require_share(visit)
    async with visit.writing() as connection:
        before = await saved_view.named(connection, who, name)
        if not await saved_view.save(connection, who, name, parameters, shared=shared):
            message = f"You keep {saved_view.MOST} views: remove one first."
            raise Refusal(409, "too_many_views", message)
        was = None if before is None else _words_of(before)
        now = {"name": name, "parameters": parameters, "shared": shared}
        await audit.record(connection, audit_entry(visit, "view.save", name, before=was, after=now))
    return visit.redirect(f"/problems?{parameters}" if parameters else "/problems")


async def _rename(visit: Visit) -> web.StreamResponse:
    name = _name(visit)
    async with visit.writing() as connection:
        view = await _own(connection, visit)
        other = await saved_view.named(connection, view.owner, name)
        if other is not None and other.id != view.id:
            raise Refusal(409, "name_taken", f"You keep another view named {name!r}: take another name.")
        await saved_view.rename(connection, view.id, name)
        await audit.record(connection, audit_entry(visit, "view.rename", view.name, before=view.name, after=name))
    return visit.redirect("/views")


async def _share(visit: Visit) -> web.StreamResponse:
    shared = visit.field("shared") == "yes"
    async with visit.writing() as connection:
        view = await _own(connection, visit)
        await saved_view.share(connection, view.id, shared=shared)
        entry = audit_entry(visit, "view.share", view.name, before=view.shared, after=shared)
        await audit.record(connection, entry)
    return visit.redirect("/views")


async def _remove(visit: Visit) -> web.StreamResponse:
    async with visit.writing() as connection:
        view = await _seen(connection, visit)
        if view.owner != who_of(visit):
            _require_share(visit)
        await saved_view.remove(connection, view.id)
        await audit.record(connection, audit_entry(visit, "view.remove", view.name, before=_words_of(view)))
    return visit.redirect("/views")


async def _seen(connection: Connection, visit: Visit) -> SavedView:
    """Hold the view that the form names; Refusal (404) where there is none, or it is somebody else's alone."""
    text = visit.field("view")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
    view = await saved_view.lock(connection, number, who_of(visit))
    if view is None:
        raise Refusal(404, "no_such_view", "There is no such view any more.")
    return view


async def _own(connection: Connection, visit: Visit) -> SavedView:
    view = await _seen(connection, visit)
    if view.owner != who_of(visit):
        raise Refusal(403, "not_yours", f"This view is of {view.owner}, who alone can change it.")
    return view


def _require_share(visit: Visit) -> None:
    if not visit.allows(Permission.SHARE_VIEWS):
        message = "Views for everybody take the permission share_views: ask an administrator of the console."
        raise Refusal(403, "no_permission", message)


def _name(visit: Visit) -> str:
    name = visit.field("name").strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        message = f"A view has a name of 1 to {LONGEST_NAME} characters, none of them a control character."
        raise Refusal(400, "malformed", message)
    return name


def _parameters(visit: Visit) -> str:
    """Read the list of the form, and write it as its one address has it."""
    given = fields(visit.field("parameters"))
    extra = [one for one in (*given.get("col", ()), *given) if one.startswith(EXTRA)]
    try:
        text = urlencode(read_query(given, extra).first_page().parameters())
    except QueryError as error:
        raise Refusal(400, "bad_parameter", "; ".join(error.faults)) from error
    if len(text) > LONGEST_PARAMETERS:
        message = f"The address of this list has more than {LONGEST_PARAMETERS} characters: choose fewer values."
        raise Refusal(400, "malformed", message)
    return text


def _words_of(view: SavedView) -> dict[str, object]:
    """What the audit keeps of a view."""
    return {"owner": view.owner, "name": view.name, "parameters": view.parameters, "shared": view.shared}


ROUTES = (
    ConsoleRoute(hdrs.METH_GET, "/views", Permission.READ_PROBLEMS, _show),
    ConsoleRoute(hdrs.METH_POST, "/views/save", Permission.SAVE_VIEWS, _save),
    ConsoleRoute(hdrs.METH_POST, "/views/rename", Permission.SAVE_VIEWS, _rename),
    ConsoleRoute(hdrs.METH_POST, "/views/share", Permission.SHARE_VIEWS, _share),
    ConsoleRoute(hdrs.METH_POST, "/views/remove", Permission.SAVE_VIEWS, _remove),
)
