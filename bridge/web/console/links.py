"""The page of rules and links, and the page of one link: what both tickets say, its writes, conflicts and notes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import anyio
from aiohttp import hdrs, web
from msgspec import Struct

from bridge.domain.access import Permission
from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.links.field_view import FieldView, field_views
from bridge.links.rule_jobs import addresses_of, kinds_of
from bridge.links.rule_run import RuleRun
from bridge.links.rules import rule_of
from bridge.settings.overlay import LayeredSettings
from bridge.storage import console_link, setting
from bridge.storage import request as requests
from bridge.storage.conflict import seen_mark
from bridge.storage.console_link import ConsoleConflict, ConsoleLink, ConsoleRule, RuleSums
from bridge.storage.database import Connection
from bridge.storage.outbox import BlockedFilter
from bridge.storage.request import RequestState
from bridge.web.console.link_filter import LINK_STATES, read_link_filter
from bridge.web.console.link_requests import LINK_KINDS, link_subject, rule_subject
from bridge.web.console.page_parameters import read_parameters, whole_number
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.sources import AGAIN_SECONDS, OPEN_STATES
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

PAGE: Final = 50
_ROWS_OF_ONE: Final = 50
_SHOWN_REQUESTS: Final = 6
_READ_REQUESTS: Final = 100
_HOURS: Final = 24
MOST_FRESH_SECONDS: Final = 10.0
_SHARE: Final = 50
_ALONE: Final = frozenset({LinkState.WANTED, LinkState.CREATING, LinkState.UNSURE, LinkState.BLOCKED})


class LinkRequests(Struct, frozen=True):
    """What was asked about links lately. `subjects`: what is still to be done; `more`: so many are not in `shown`."""

    shown: Sequence[RequestState]
    more: int
    subjects: frozenset[str]

    def refresh(self, response: web.StreamResponse) -> None:
        """Have the page load itself again while something is to be done."""
        if self.subjects:
            response.headers["Refresh"] = AGAIN_SECONDS


async def read_requests(connection: Connection, *subjects: str) -> LinkRequests:
    """Read what was asked about links within a day; with `subjects` only about these."""
    found = await requests.recent(connection, LINK_KINDS, hours=_HOURS, limit=_READ_REQUESTS, subjects=subjects)
    still = [each for each in found if each.state in OPEN_STATES]
    ended = [each for each in found if each.state not in OPEN_STATES]
    shown = (still + ended)[:_SHOWN_REQUESTS]
    # those of one kind that have no subject are about a filter
    return LinkRequests(shown, len(found) - len(shown), frozenset(each.subject or each.kind for each in still))


@dataclass(slots=True)
class LinkPages:
    """The routes, and the sums that all their requests share.

    Sums are kept for fifty times as long as Postgres needed for them, ten seconds at most.
    """

    _sums: dict[int, RuleSums] = field(default_factory=dict)
    _fresh_until: float = float("-inf")
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    def routes(self) -> tuple[ConsoleRoute, ...]:
        """Return them."""
        return (
            ConsoleRoute(hdrs.METH_GET, "/links", Permission.READ_LINKS, self._links, navigation="Links"),
            ConsoleRoute(hdrs.METH_GET, "/links/{number}", Permission.READ_LINKS, _link),
        )

    async def _links(self, visit: Visit) -> web.StreamResponse:
        chosen = read_link_filter(visit.query)
        sums = await self._read_sums(visit)
        async with visit.reading() as connection:
            rules = await console_link.rules(connection)
            rule_id = next((one.id for one in rules if one.name == chosen.rule), None)
            rows: list[dict[str, Any]] = []
            if chosen.rule is None or rule_id is not None:
                rows = await console_link.listed(
                    connection,
                    rule_id=rule_id,
                    states=[chosen.state] if chosen.state else [],
                    behind=chosen.behind,
                    conflicts=chosen.conflicts,
                    numbers=await console_link.named(connection, chosen.q) if chosen.q else None,
                    before=chosen.before,
                    limit=PAGE + 1,
                )
            asked = await read_requests(connection)
            settings = LayeredSettings(visit.base, await setting.current(connection)).resolved()
        response = visit.page(
            "links.html",
            rules=[(one, sums.get(one.id, RuleSums())) for one in rules],
            not_started=sorted(settings.links.keys() - {one.name for one in rules}),
            rows=rows[:PAGE],
            older=chosen.query(before=rows[PAGE - 1]["id"]) if len(rows) > PAGE else "",
            chosen=chosen,
            states=LINK_STATES,
            asked=asked,
        )
        asked.refresh(response)
        return response

    async def _read_sums(self, visit: Visit) -> dict[int, RuleSums]:
        async with self._reading:
            began = monotonic()
            if began >= self._fresh_until:
                async with visit.reading() as connection:
                    self._sums = await console_link.sums(connection)
                took_seconds = monotonic() - began
                self._fresh_until = monotonic() + min(MOST_FRESH_SECONDS, _SHARE * took_seconds)
            return self._sums


async def _link(visit: Visit) -> web.StreamResponse:
    read_parameters(visit.query)
    number = whole_number("The number of a link", visit.values["number"], 0)
    async with visit.reading() as connection:
        link = await console_link.find(connection, number)
        if link is None:
            raise Refusal(404, "no_such_link", f"There is no link {number}.")
        [row] = await console_link.shown(connection, [number])
        [rule] = [one for one in await console_link.rules(connection) if one.id == link.rule_id]
        fields = await _fields(visit, connection, link, rule)
        conflicts = await console_link.conflicts(connection, link_id=number, limit=_ROWS_OF_ONE)
        writes = await console_link.writes(connection, BlockedFilter(), link_id=number, limit=_ROWS_OF_ONE)
        notes = await console_link.notes(connection, number)
        drift = await console_link.drift(connection, number)
        asked = await read_requests(connection, link_subject(number), rule_subject(rule.name))
    response = visit.page(
        "link.html",
        link=link,
        row=row,
        rule=rule,
        fields=fields,
        conflicts=with_marks(conflicts),
        writes=writes,
        notes=notes,
        drift=drift,
        asked=asked,
        most=_ROWS_OF_ONE,
        alone=link.state in _ALONE,
        blocked=link.state == LinkState.BLOCKED or any(write["state"] == "blocked" for write in writes),
    )
    asked.refresh(response)
    return response


async def _fields(visit: Visit, connection: Connection, link: ConsoleLink, rule: ConsoleRule) -> list[FieldView] | None:
    """What both tickets say now, field by field; None: the rule is not configured here."""
    settings = LayeredSettings(visit.base, await setting.current(connection)).resolved()
    own = settings.links.get(rule.name)
    if own is None or not {own.left, own.right} <= settings.sources.keys():
        return None
    ids = {Side.LEFT: rule.left_source_id, Side.RIGHT: rule.right_source_id}
    decided = rule_of(rule.name, own)
    sources = {side: settings.sources[source] for side, source in decided.sources.items()}
    run = RuleRun(decided, rule.id, ids, kinds_of(sources), addresses_of(sources))
    wanted = {Side.LEFT: link.left_id, Side.RIGHT: link.right_id}
    known = await run.tickets(connection, {(side, one) for side, one in wanted.items() if one is not None})
    return field_views(decided, link.key, {side: ticket for (side, _), ticket in known.items()}, link.base)


def with_marks(conflicts: Sequence[ConsoleConflict]) -> list[tuple[ConsoleConflict, str, str]]:
    """Return each conflict with what a form says it has seen, and the subject of a request about it."""
    return [
        (one, seen_mark(one.left_value, one.right_value), link_subject(one.link_id, one.field)) for one in conflicts
    ]
