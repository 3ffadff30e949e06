"""The page of conflicts: what both sides say side by side, since when, and whose value is to stand."""

from aiohttp import hdrs, web

from bridge.domain.access import Permission
from bridge.storage import console_link
from bridge.web.console.link_filter import CONFLICT_KINDS, OUTCOMES, read_conflict_filter
from bridge.web.console.links import PAGE, read_requests, with_marks
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit


async def _conflicts(visit: Visit) -> web.StreamResponse:
    chosen = read_conflict_filter(visit.query)
    async with visit.reading() as connection:
        rules = await console_link.rules(connection)
        rows = await console_link.conflicts(
            connection,
            rule=chosen.rule,
            kind=chosen.kind,
            outcome=None if chosen.outcome == "all" else chosen.outcome,
            field=chosen.field,
            before=chosen.before,
            limit=PAGE + 1,
        )
        asked = await read_requests(connection)
    response = visit.page(
        "conflicts.html",
        rules=[one.name for one in rules],
        kinds=CONFLICT_KINDS,
        outcomes=OUTCOMES,
        rows=with_marks(rows[:PAGE]),
        older=chosen.query(before=rows[PAGE - 1].id) if len(rows) > PAGE else "",
        chosen=chosen,
        asked=asked,
    )
    asked.refresh(response)
    return response


ROUTES = (ConsoleRoute(hdrs.METH_GET, "/conflicts", Permission.READ_LINKS, _conflicts, navigation="Conflicts"),)
