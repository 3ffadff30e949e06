"""The list of problems: `/problems`, and the same as `/problems.csv`. Everything about a list is in its address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
from urllib.parse import urlencode

import anyio
from aiohttp import hdrs, web
from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace

from bridge.domain.access import Permission
from bridge.domain.problem_query import (
    COLUMNS,
    DEFAULT_COLUMNS,
    EXTRA,
    LIMITS,
    LINKED,
    OPEN_ONLY,
    VIEWS,
    ProblemQuery,
    QueryError,
    Show,
    Sort,
    read_query,
)
from bridge.domain.status import Status
from bridge.errors import TransientError
from bridge.storage import problem_list, saved_view
from bridge.storage.errors import sqlstate_of
from bridge.storage.list_order import CursorError
from bridge.storage.problem_list import ProblemPage
from bridge.storage.saved_view import LONGEST_NAME
from bridge.web.console.ask import who_of
from bridge.web.console.attention import AttentionLine
from bridge.web.console.exports import ExportSlots, while_connected
from bridge.web.console.live_part import LIVE_HEADER, LivePart, LiveParts, digest_of
from bridge.web.console.problem_counts import FACETS, Numbers, ProblemCounts, has_numbers, numbers, total
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.site import PAGE_HEADERS, STATEMENT_TIMEOUT, TOO_SLOW
from bridge.web.console.visit import Visit, refuse_head
from bridge.web.refusal import Refusal

HEADINGS: Final[Mapping[str, str]] = {
    "source": "Source",
    "id": "Problem",
    "name": "Name",
    "status": "Status",
    "priority": "Priority",
    "category": "Category",
    "created_at": "Raised",
    "updated_at": "Updated",
    "status_changed_at": "In status",
    "affected_services": "Services",
    "last_changed_via": "Came by",
    "status_raw": "Status at the source",
    "description": "Description",
    "reason": "Reason",
    "responsible": "Responsible",
    "originator": "Raised by",
    "originating_system": "System",
    "external_id": "External id",
    "resolved_at": "Resolved",
    "first_seen_at": "First seen",
    "deleted_at": "Deleted",
    "href": "Link",
    "linked_source": "Linked in",
    "linked_id": "Linked ticket",
    "linked_href": "Link of the linked ticket",
}
_SORTS: Final[Mapping[str, tuple[Sort, ...]]] = {
    "priority": (Sort.URGENCY,),
    "created_at": (Sort.RAISED, Sort.RAISED_ASC),
    "updated_at": (Sort.UPDATED, Sort.UPDATED_ASC),
    "status_changed_at": (Sort.STATUS_AGE,),
}
_DOWN: Final = frozenset({Sort.UPDATED, Sort.RAISED})
_SHOW_NAMES: Final = {Show.OPEN: "open", Show.CLOSED: "finished", Show.DELETED: "deleted", Show.ALL: "all"}
_VIEW_NAMES: Final = {"open": "Open", "urgent": "Priority 1", "waiting": "Held or pending", "deleted": "Deleted"}
_STALLED_SECONDS: Final = 60.0
_EXTRA_SECONDS: Final = 5.0


class ColumnHead(Struct, frozen=True):
    """A heading: where its link leads ("" for none) and how the list is sorted by it now."""

    column: str
    text: str
    link: str
    direction: str


class Choice(Struct, frozen=True):
    """A check box of a filter."""

    value: str
    chosen: bool
    problems: int | None


class AppliedCondition(Struct, frozen=True):
    """A condition in force, and the address of the list without it."""

    name: str
    value: str
    link: str


def address_of(query: ProblemQuery, path: str = "/problems") -> str:
    """The address of a list: one for each list, whatever order its parameters came in."""
    pairs = query.parameters()
    return f"{path}?{urlencode(pairs)}" if pairs else path


@dataclass(slots=True)
class ProblemListPages:
    """The two routes, and what all their requests share."""

    counts: ProblemCounts = field(default_factory=ProblemCounts)
    attention: AttentionLine = field(default_factory=AttentionLine)
    _exports: ExportSlots = field(default_factory=ExportSlots)
    _parts: LiveParts = field(default_factory=LiveParts)
    _extra: Sequence[str] = ()
    _extra_until: float = float("-inf")

    def routes(self) -> tuple[ConsoleRoute, ...]:
        """Return them."""
        return (
            ConsoleRoute(
                hdrs.METH_GET, "/problems", Permission.READ_PROBLEMS, self._show, navigation="Problems", shares=True
            ),
            ConsoleRoute(hdrs.METH_GET, "/problems.csv", Permission.EXPORT_PROBLEMS, self._export),
        )

    async def _show(self, visit: Visit) -> web.StreamResponse:
        query = await self._query_of(visit)
        here = address_of(query)
        if LIVE_HEADER in visit.request.headers:
            part = await self._parts.at(visit.mark, here, lambda: self._part_in_slot(visit, query))
            return part.answer(visit.request)
        part = await self._parts.fresh(here, lambda: self._part(visit, query))
        who = who_of(visit)
        async with visit.reading() as connection:
            saved = await saved_view.visible(connection, who)
        response = visit.page(
            "problems.html",
            part=Markup(part.text),  # noqa: S704  # nosec B704 -- a template of ours wrote and escaped it
            csv=address_of(query.first_page(), "/problems.csv"),
            is_live=not query.after and query.as_of is None,
            views=[(text, name, _is_view(query, name)) for name, text in _VIEW_NAMES.items()],
            saved=saved,
            who=who,
            parameters=urlencode(query.first_page().parameters()),
            longest=LONGEST_NAME,
        )
        if "HX-Request" in visit.request.headers:
            response.headers["HX-Push-Url"] = f"{visit.layout.prefix}{here}"
        return response

    async def _part_in_slot(self, visit: Visit, query: ProblemQuery) -> LivePart:
        async with visit.slot():
            return await self._part(visit, query)

    async def _part(self, visit: Visit, query: ProblemQuery) -> LivePart:
        """Read the list for everybody who looks at it now."""
        now = datetime.now(UTC)
        values = await self._list(visit, query, now)
        digest = digest_of(values, now)
        shown = values | {"at": now, "digest": digest}
        return LivePart(digest, lambda: visit.layout.render_part("problem_list.html", shown))

    async def _list(self, visit: Visit, query: ProblemQuery, now: datetime) -> dict[str, Any]:
        """Read the list, as its template shows it: nothing in it depends on who asks."""
        counted = numbers(await self.counts.facets(visit), query) if has_numbers(query) else None
        about = None if counted is None else total(counted, query)
        attention = await self.attention.read(visit)
        sources, page = await _read(visit, query, now, about)
        return {
            "query": query,
            "attention": attention,
            "rows": page.rows,
            "heads": [_head(column, query) for column in query.col],
            "counted": page.counted,
            "looked_at": page.looked_at,
            "more": page.more,
            "behind": page.behind,
            "made": page.made,
            "choices": _choices(query, list(sources), counted),
            "applied": _applied(query),
            "shows": [(one.value, text) for one, text in _SHOW_NAMES.items()],
            "own": _own_fields(query),
            "columns": [(one, _heading(one)) for one in (*COLUMNS, *LINKED, *self._extra)],
            "limits": LIMITS,
            "older": address_of(replace(query, after=page.after)) if page.after else "",
            "newest": address_of(query.first_page()) if query.after else "",
            "here": address_of(query),
            "everywhere": "" if query.state is Show.ALL else address_of(replace(query.first_page(), state=Show.ALL)),
        }

    async def _export(self, visit: Visit) -> web.StreamResponse:
        refuse_head(visit)
        query, now = (await self._query_of(visit)).first_page(), datetime.now(UTC)
        user = visit.principal.name if visit.principal else ""
        with self._exports.taken(user):
            return await _write_csv(visit, query, now)

    async def _query_of(self, visit: Visit) -> ProblemQuery:
        """Read the parameters; which columns sources have of their own is asked every few seconds, and when one is
        wanted.
        """
        if monotonic() >= self._extra_until or any(
            one.startswith(EXTRA) for one in (*visit.query, *visit.query.get("col", ()))
        ):
            async with visit.reading() as connection:
                self._extra = await problem_list.extra_columns(connection)
            self._extra_until = monotonic() + _EXTRA_SECONDS
        try:
            return read_query(visit.query, self._extra)
        except QueryError as error:
            raise Refusal(400, "bad_parameter", "; ".join(error.faults)) from error


async def _read(
    visit: Visit, query: ProblemQuery, now: datetime, about: int | None
) -> tuple[Mapping[str, int], ProblemPage]:
    """Return the sources, and a page of the list; Refusal where it cannot be."""
    try:
        async with visit.reading() as connection:
            sources = await problem_list.all_sources(connection)
            return sources, await problem_list.page(connection, query, now, sources, about=about)
    except CursorError as error:
        message = "after= is no place in this list: leave it out to begin with the first page."
        raise Refusal(400, "bad_parameter", message) from error
    except TransientError as error:
        if query.as_of is None or sqlstate_of(error) != STATEMENT_TIMEOUT:
            raise
        message = (
            "A list as of then reads the history of every problem, which takes more than 3 seconds here. "
            "Search for the id of a problem, or take the CSV, which may take longer."
        )
        raise Refusal(503, TOO_SLOW, message, retry_after_seconds=30) from error


async def _write_csv(visit: Visit, query: ProblemQuery, now: datetime) -> web.StreamResponse:
    """Stream the list; the answer begins with the first row, so that a failure before it is a page."""
    response = web.StreamResponse(headers=dict(PAGE_HEADERS))
    response.content_type, response.charset = "text/csv", "utf-8"
    name = f"problems-{now:%Y%m%d-%H%M%S}.csv"
    response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"

    async def write(part: bytes) -> None:
        if not response.prepared:
            await response.prepare(visit.request)
        with anyio.fail_after(_STALLED_SECONDS):
            await response.write(part)

    async def copy() -> None:
        async with visit.exporting() as connection:
            await problem_list.write_csv(connection, query, now, write)

    await while_connected(visit.request, copy)
    if not response.prepared:
        await response.prepare(visit.request)
    await response.write_eof()
    return response


def _head(column: str, query: ProblemQuery) -> ColumnHead:
    sorts = _SORTS.get(column, ())
    direction = ""
    if query.sort in sorts:
        direction = "descending" if query.sort in _DOWN else "ascending"
    possible = [one for one in sorts if one is not query.sort and _is_possible(one, query)]
    link = address_of(replace(query.first_page(), sort=possible[0])) if possible else ""
    return ColumnHead(column, _heading(column), link, direction)


def _heading(column: str) -> str:
    return HEADINGS.get(column) or column.removeprefix(EXTRA)


def _is_possible(sort: Sort, query: ProblemQuery) -> bool:
    return sort not in OPEN_ONLY or (query.state is Show.OPEN and query.as_of is None)


def _choices(query: ProblemQuery, sources: Sequence[str], counted: Numbers | None) -> dict[str, list[Choice]]:
    """The check boxes of each filter; a value that is chosen is always there, also when nothing has it."""
    known: dict[str, Sequence[str]] = {
        "status": [one.value for one in Status if _fits(one, query.state)],
        "source": sources,
        "priority": [str(one) for one in range(1, 6)],
        "category": sorted(counted["category"]) if counted else (),
    }
    choices = {}
    for name in FACETS:
        chosen = [str(value) for value in getattr(query, name)]
        values = [value for value in dict.fromkeys((*known[name], *chosen)) if value != "None"]
        choices[name] = [Choice(one, one in chosen, counted[name].get(one, 0) if counted else None) for one in values]
    return choices


def _own_fields(query: ProblemQuery) -> list[tuple[str, str, str]]:
    """The fields for columns of the sources' own: name, label, value; a column that is shown has one."""
    empty = [(name, "") for name in query.extra if name not in dict(query.own)]
    return [(name, name.removeprefix(EXTRA), value) for name, value in sorted([*query.own, *empty])]


def _fits(status: Status, show: Show) -> bool:
    finished = status in (Status.RESOLVED, Status.CLOSED, Status.CANCELLED, Status.REJECTED)
    return {Show.OPEN: not finished, Show.CLOSED: finished}.get(show, True)


def _applied(query: ProblemQuery) -> list[AppliedCondition]:
    """The conditions in force, each with the way out of it."""
    hidden = {"state", "sort", "col", "limit", "after"}
    return [
        AppliedCondition(name, value, address_of(query.without(name, value)))
        for name, value in query.parameters()
        if name not in hidden
    ]


def _is_view(query: ProblemQuery, name: str) -> bool:
    """Is this the list that a view shows, whatever its columns?"""
    plain = replace(query.first_page(), col=DEFAULT_COLUMNS, limit=ProblemQuery().limit)
    return plain == read_query(VIEWS[name])
