"""The page of the sources: how each is, and what can be asked of the process that leads."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import hdrs, web

from bridge.domain.access import Permission
from bridge.domain.service_problem import readable
from bridge.domain.vocabulary import BUILT_IN
from bridge.settings.overlay import LayeredSettings
from bridge.settings.source import DEFAULT_KIND
from bridge.sources.remark import remarks
from bridge.sources.state import vocabulary_of
from bridge.storage import console_link, console_source, lease, setting, unmapped_value
from bridge.storage import request as requests
from bridge.storage.console_source import HourOfChanges
from bridge.storage.database import Connection
from bridge.storage.request import RequestKind, RequestState
from bridge.web.console.ask import ask
from bridge.web.console.route import ConsoleRoute
from bridge.web.console.sparkline import COLUMN, HEIGHT, HOURS, spark_bars, spark_words
from bridge.web.console.visit import Visit
from bridge.web.refusal import Refusal

_KINDS: Final[Mapping[str, RequestKind]] = {"poll": "poll", "reconcile": "reconcile", "register": "register"}
OPEN_STATES: Final = frozenset({"asked", "running", "no_leader"})
AGAIN_SECONDS: Final = "2"
"""While a request is open the page loads itself again."""
SYSTEMS: Final = {
    "tmf656": "TMF656 server",
    "servicenow": "ServiceNow",
    "dataminer": "DataMiner, legacy Ticketing",
    "dataminer-api": "DataMiner, Ticketing",
}
"""What each kind of source is called."""
_SHOWN_SECONDS: Final = 86_400
"""An ended request is shown for a day."""


async def _sources(visit: Visit) -> web.StreamResponse:
    if visit.query:
        raise Refusal(400, "unknown_parameter", "This page has no parameters.")
    async with visit.reading() as connection:
        rows = await console_source.every(connection)
        states = await requests.latest(connection)
        leader = await lease.find_holder(connection, lease.LEADER)
        layers = LayeredSettings(visit.base, await setting.current(connection))
        unmapped = {row["name"]: await _unmapped(connection, row, layers) for row in rows}
        rules = await console_link.rules(connection)
        hours = await console_source.hours(connection)
    now, running = datetime.now(UTC), leader is not None and leader.held
    cards = [
        _card(row, layers, unmapped[row["name"]], _of(hours, row["name"]), now, running=running)
        | {"requests": _recent(states, row["name"], now)}
        | {"rules": [one for one in rules if row["name"] in (one.left_source, one.right_source)]}
        for row in rows
    ]
    unknown = sorted(layers.resolved().sources.keys() - {row["name"] for row in rows})
    response = visit.page(
        "sources.html",
        cards=cards,
        running=running,
        unknown=unknown,
        width=HOURS * COLUMN,
        column=COLUMN,
        height=HEIGHT,
    )
    if any(state.state in OPEN_STATES for card in cards for state in card["requests"]):
        response.headers["Refresh"] = AGAIN_SECONDS
    return response


async def _unmapped(connection: Connection, row: Mapping[str, Any], layers: LayeredSettings) -> list[dict[str, Any]]:
    configured = layers.resolved().sources.get(row["name"])
    vocabulary = vocabulary_of(configured) if configured else BUILT_IN
    return [
        {"attribute": each.value.attribute, "example": each.value.example, "times": each.times}
        for each in await unmapped_value.of_source(connection, row["id"])
        if not readable(each.value, vocabulary)
    ]


def _of(hours: list[HourOfChanges] | None, name: str) -> list[HourOfChanges] | None:
    return None if hours is None else [each for each in hours if each.source == name]


def _recent(states: list[RequestState], name: str, now: datetime) -> list[RequestState]:
    """The requests of a source that are open, or ended within a day; the newest first."""
    since = now - timedelta(seconds=_SHOWN_SECONDS)
    found = [each for each in states if each.source == name and (each.ended_at is None or each.ended_at > since)]
    return sorted(found, key=lambda each: each.id, reverse=True)


def _card(
    row: dict[str, Any],
    layers: LayeredSettings,
    unmapped: list[dict[str, Any]],
    hours: list[HourOfChanges] | None,
    now: datetime,
    *,
    running: bool,
) -> dict[str, Any]:
    """What the page shows of one source."""
    settings = layers.resolved().sources.get(row["name"])
    pushed = sum(each.by_push for each in hours or [])
    due = row["missed_24h"] + row["late_24h"] + pushed
    ratio = row["missed_24h"] / due if due and hours is not None else None
    facts = row | {"configured": settings is not None, "unmapped": unmapped, "miss_ratio_24h": ratio}
    next_poll = next_reconcile = None
    if settings is not None and settings.enabled:
        next_poll = _due(row["last_poll_started_at"], settings.poll_interval_seconds)
        next_reconcile = _due(row["last_reconcile_started_at"], settings.reconcile_interval_seconds)
    return facts | {
        "settings": settings,
        "system": SYSTEMS[settings.kind if settings else DEFAULT_KIND],
        "has_hub": settings is None or settings.kind == DEFAULT_KIND,
        "next_poll": next_poll,
        "next_reconcile": next_reconcile,
        "remarks": list(remarks(facts, now, running=running)),
        "bars": [] if hours is None else spark_bars(hours, now),
        "spark_words": "too many changes to be counted here" if hours is None else spark_words(hours),
    }


def _due(started_at: datetime | None, seconds: float) -> datetime | None:
    return None if started_at is None else started_at + timedelta(seconds=seconds)


async def _ask(visit: Visit) -> web.StreamResponse:
    kind = _KINDS.get(visit.field("kind"))
    if kind is None:
        raise Refusal(400, "malformed", f"kind is one of {', '.join(_KINDS)}.")
    await ask(visit, visit.values["source"], kind, {})
    return visit.redirect("/sources")


async def _rotate(visit: Visit) -> web.StreamResponse:
    await visit.require_confirmation()
    await ask(visit, visit.values["source"], "rotate_secret", {})
    return visit.redirect("/sources")


ROUTES = (
    ConsoleRoute(hdrs.METH_GET, "/sources", Permission.READ_SOURCES, _sources, navigation="Sources"),
    ConsoleRoute(hdrs.METH_POST, "/sources/{source}/ask", Permission.RUN_SOURCES, _ask),
    ConsoleRoute(hdrs.METH_POST, "/sources/{source}/rotate", Permission.CHANGE_CONFIGURATION, _rotate),
)
