"""The page of the outbox: what waits to be written to a source, what is under way, what is blocked and why."""

from aiohttp import hdrs, web

from bridge.domain.access import Permission
from bridge.storage import console_link
from bridge.web.console.link_filter import WRITE_KINDS, WRITE_STATES, read_write_filter
from bridge.web.console.links import PAGE, read_requests
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.visit import Visit


async def _outbox(visit: Visit) -> web.StreamResponse:
    chosen = read_write_filter(visit.query)
    async with visit.reading() as connection:
        rules = await console_link.rules(connection)
        errors = await console_link.errors(connection, chosen.blocked)
        rows = await console_link.writes(
            connection, chosen.blocked, states=chosen.states, before=chosen.before, limit=PAGE + 1
        )
        asked = await read_requests(connection)
    response = visit.page(
        "outbox.html",
        rules=[one.name for one in rules],
        targets=sorted({source for one in rules for source in (one.left_source, one.right_source)}),
        kinds=WRITE_KINDS,
        states=WRITE_STATES,
        errors=errors,
        grouped=sum(one["writes"] for one in errors),
        most=console_link.MOST_GROUPED,
        rows=rows[:PAGE],
        older=chosen.query(before=rows[PAGE - 1]["id"]) if len(rows) > PAGE else "",
        chosen=chosen,
        asked=asked,
    )
    asked.refresh(response)
    return response


ROUTES = (ConsoleRoute(hdrs.METH_GET, "/outbox", Permission.READ_LINKS, _outbox, navigation="Outbox"),)
