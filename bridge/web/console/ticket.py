"""The page of one problem: its statuses, its versions with what changed, and what is known of it now."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlsplit

import anyio
from aiohttp import hdrs, web
from msgspec import Struct

from bridge.domain.access import Permission
from bridge.domain.exact_json import plain_text, read_exact, write_exact
from bridge.domain.version_difference import VersionDifference, difference
from bridge.settings import Settings
from bridge.storage import problem_timeline
from bridge.storage.problem_timeline import ProblemRow, TimelineVersion
from bridge.tmf656.wire.render import render
from bridge.web.console.difference_rows import DifferenceRow, rows_of
from bridge.web.console.problem_address import BODY, problem_path
from bridge.web.console.problem_parts import facts_of, related_problems, tables_of, web_address
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.status_line import WIDTH, bars_of
from bridge.web.console.visit import Fields, Visit
from bridge.web.refusal import Refusal

_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "all": (),
    "status": ("status",),
    "notes": ("note",),
    "priority": ("priority",),
}
"""Which versions the timeline shows: those in which one of these attributes changed."""
_VERSIONS: Final = ("4", "5", "3", "2")


class TimelineEntry(Struct, frozen=True):
    """A version as the timeline shows it. `first`: nothing is known before it; `late_seconds`: how long after the
    change it was known here, None where that is not known.
    """

    valid_from: datetime
    via: str
    event_type: str | None
    status: str
    first: bool
    late_seconds: float | None
    rows: list[DifferenceRow]
    more: int
    folded: list[tuple[str, str]]


def entry_of(version: TimelineVersion) -> TimelineEntry:
    """Compare a version with the one before."""
    after = _object(version.body)
    before = None if version.body_before is None else _object(version.body_before)
    found = VersionDifference(()) if before is None else difference(before, after)
    rows, more = rows_of(found)
    late = None if version.observed_at is None else (version.observed_at - version.valid_from).total_seconds()
    folded = [(each.name, plain_text(each.after)) for each in found.folded if each.kind != "removed"]
    return TimelineEntry(
        version.valid_from, version.via, version.event_type, version.status, before is None, late, rows, more, folded
    )


def _object(body: bytes) -> dict[str, Any]:
    read = read_exact(body)
    return read if isinstance(read, dict) else {"body": read}


async def _ticket(visit: Visit) -> web.StreamResponse:
    query = _checked(visit.query)
    source, problem_id = _key(visit, query)
    if "part" in query:
        return await _body(visit)
    shown, before = query.get("show", "all"), _instant(query.get("before"))
    as_version = query.get("as", "4")
    if shown not in _SHOWN or as_version not in _VERSIONS:
        raise Refusal(400, "malformed", f"show is one of {', '.join(_SHOWN)}; as is one of {', '.join(_VERSIONS)}.")
    async with visit.reading() as connection:
        problem = await problem_timeline.find(connection, source, problem_id)
        if problem is None:
            raise _unknown(source, problem_id)
        body = _object(problem.body)
        tables = tables_of(body)
        known = await problem_timeline.known(connection, source, related_problems(tables))
        versions, older = await problem_timeline.versions(connection, source, problem_id, before=before)
        intervals = await problem_timeline.intervals(connection, source, problem_id)
        links = await problem_timeline.links(connection, source, problem_id)
        since = problem.first_seen_at - timedelta(days=1)
        notifications = await problem_timeline.notifications(connection, source, problem_id, since)
    entries = await anyio.to_thread.run_sync(lambda: [entry_of(version) for version in versions])
    names = _SHOWN[shown]
    return visit.page(
        "ticket.html",
        problem=problem,
        here=partial(problem_path, source, problem_id),
        body=problem_path(source, problem_id, part=BODY),
        at_source=web_address(problem.href),
        configured_host=_host(visit.base, source),
        entries=[each for each in entries if not names or each.first or _touches(each, names)],
        shown=shown,
        choices=list(_SHOWN),
        older=problem_path(source, problem_id, show=shown, before=versions[-1].valid_from.isoformat()) if older else "",
        before=before,
        bars=bars_of(intervals),
        width=WIDTH,
        facts=facts_of(body),
        tables=tables,
        known={each: problem_path(source, each) for each in known},
        notifications=notifications,
        links=[
            (each, problem_path(each.other_source, each.other_id or ""), web_address(each.other_href)) for each in links
        ],
        raw=write_exact(_as(body, as_version), indent=2),
        as_version=as_version,
        versions=_VERSIONS,
    )


async def _body(visit: Visit) -> web.StreamResponse:
    """The body alone, as a file."""
    query = _checked(visit.query)
    source, problem_id = _key(visit, query)
    version = query.get("as", "4")
    if version not in _VERSIONS or query.get("part", BODY) != BODY:
        raise Refusal(400, "malformed", f"as is one of {', '.join(_VERSIONS)}; part is {BODY}.")
    async with visit.reading() as connection:
        problem = await problem_timeline.find(connection, source, problem_id)
    if problem is None:
        raise _unknown(source, problem_id)
    text = write_exact(_as(_object(problem.body), version), indent=2)
    return web.Response(text=text, content_type="application/json", headers=_attachment(problem))


def _host(settings: Settings, source: str) -> str:
    """The host that the configuration names for a source: an address of another one is said to be."""
    configured = settings.sources.get(source)
    return "" if configured is None else urlsplit(configured.url).hostname or ""


def _attachment(problem: ProblemRow) -> dict[str, str]:
    name = quote(f"{problem.source}-{problem.id}.json", safe="")
    return {hdrs.CONTENT_DISPOSITION: f"attachment; filename*=UTF-8''{name}"}


def _as(body: dict[str, Any], version: str) -> dict[str, Any]:
    return body if version == "4" else render(body, version)


def _touches(entry: TimelineEntry, names: tuple[str, ...]) -> bool:
    return any(row.label.split(" ")[0].split(".")[0] in names for row in entry.rows)


def _key(visit: Visit, query: Mapping[str, str]) -> tuple[str, str]:
    """Source and id by the path; an id that no path can hold is a parameter."""
    source, problem_id = visit.values["source"], visit.values.get("id", query.get("id"))
    if problem_id is None:
        raise Refusal(404, "no_such_page", "Which problem? Its id is missing in this address.")
    if "\0" in source or "\0" in problem_id:  # Postgres knows no such text
        raise _unknown(source, problem_id)
    return source, problem_id


def _unknown(source: str, problem_id: str) -> Refusal:
    return Refusal(404, "no_such_problem", f"There is no problem {problem_id!r} of a source {source!r}.")


def _checked(query: Fields) -> dict[str, str]:
    """Return the parameters; Refusal (400) that names those that mean nothing here."""
    strange = sorted(query.keys() - {"show", "before", "as", "id", "part"})
    if strange:
        raise Refusal(400, "unknown_parameter", f"This page has no parameter {', '.join(map(repr, strange))}.")
    return {name: values[-1] for name, values in query.items()}


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal(400, "malformed", "before is an instant such as 2026-01-31T00:00:00+00:00.") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


ROUTES = (
    ConsoleRoute(hdrs.METH_GET, "/problems/{source}", Permission.READ_PROBLEMS, _ticket),
    ConsoleRoute(hdrs.METH_GET, "/problems/{source}/{id}", Permission.READ_PROBLEMS, _ticket),
    ConsoleRoute(hdrs.METH_GET, "/problems/{source}/{id}/body.json", Permission.READ_PROBLEMS, _body, page=False),
)
