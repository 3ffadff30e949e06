"""A month of invented problems, stored by the bridge's own writer, the same for the same seed.

By day more happens than by night, urgent problems end sooner, a few services have most of the trouble, and a few
notifications are lost, so that a poll finds the change. Nothing is written past the door: what the panels show is what
the bridge makes of it.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from bridge.domain.observation import Via
from bridge.storage import partition
from bridge.storage import source as source_table
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire

SOURCES = ("snow", "oss")
_CATEGORIES = ("serviceProvider.declarer", "supplier.originated", "system.originated")
_SERVICES = ("Internet Basel", "Voice Zürich", "VPN Geneva", "Mobile Bern", "IPTV Lugano", "Ethernet Chur", "SIP Sion")
_PLACES = ("Basel", "Zürich", "Geneva", "Bern", "Lugano", "Chur", "Sion", "Olten", "Thun")
_WORDS = (
    "no light on port",
    "packet loss above 5 %",
    "power supply failed",
    "latency doubled",
    "fibre cut",
    "link flaps",
)
_LOST = 0.03
_BATCH = 400

Told = tuple[datetime, dict[str, Any], str]
"""The time, the state of the problem then, and the event that reported it."""


async def seed(database: Database, *, problems: int, days: int, until: datetime, number: int = 1) -> None:
    """Let `problems` problems live in the `days` before `until`."""
    dice = random.Random(number)  # noqa: S311 -- lives, not secrets
    async with database.transaction() as connection:
        ids = [(await source_table.ensure(connection, name, f"http://{name}.example")).id for name in SOURCES]
        # a bridge counts what push missed from when it first met a source
        await connection.execute("update bridge.source set created_at = $1", until - timedelta(days=days))
        spans = [(until - timedelta(days=back)).date() for back in range(days + 2)]
        await partition.ensure(connection, [*spans, datetime.now(UTC).date()])
    told = sorted(
        (
            (at, which, problem, event)
            for index in range(problems)
            for which in [dice.choices((0, 1), (3, 1))[0]]
            for at, problem, event in _life(dice, f"SP-{index:05}", until - timedelta(days=days), until)
        ),
        key=lambda one: one[0],
    )
    entries = [_entry(ids[which], at, problem, event, dice) for at, which, problem, event in told]
    for start in range(0, len(entries), _BATCH):
        await store_items(database, entries[start : start + _BATCH])


def _life(dice: random.Random, problem_id: str, begin: datetime, until: datetime) -> Iterator[Told]:
    at = _raised(dice, begin, until)
    priority = dice.choices((1, 2, 3, 4, 5, 7), (1, 3, 6, 6, 4, 2))[0]
    service = min(int(dice.expovariate(0.5)), len(_SERVICES) - 1)
    place = min(int(dice.expovariate(0.35)), len(_PLACES) - 1)
    problem: dict[str, Any] = {
        "id": problem_id,
        "category": dice.choice(_CATEGORIES),
        "priority": priority,
        "description": dice.choice(_WORDS),
        "reason": "unknown",
        "creationDate": at.isoformat(),
        "responsibleParty": {"id": f"team-{place % 3}", "name": f"Field team {place % 3 + 1}"},
        "affectedService": [{"id": f"svc-{service}", "name": _SERVICES[service]}],
        "affectedLocation": [{"id": f"loc-{place}", "name": _PLACES[place]}],
    }
    for number, (status, hours) in enumerate(_path(dice, priority)):
        at += timedelta(hours=hours)
        if at > until:
            return
        problem |= {"status": status, "lastUpdate": at.isoformat(), "statusChangeDate": at.isoformat()}
        if status == "resolved":
            problem["resolutionDate"] = at.isoformat()
        yield at, dict(problem), "ServiceProblemCreateEvent" if number == 0 else "ServiceProblemStateChangeEvent"


def _raised(dice: random.Random, begin: datetime, until: datetime) -> datetime:
    """More by day than by night, and less at the weekend; both are counted back from the end, so that the dice fall
    alike whenever it is.
    """
    while True:
        back = dice.random() * (until - begin)
        likely = (0.9 if back < timedelta(days=1) or back.seconds < 43_200 else 0.3) * (0.5 if back.days % 7 > 4 else 1)
        if dice.random() < likely:
            return until - back


def _path(dice: random.Random, priority: int) -> Iterator[tuple[str, float]]:
    """Statuses and the hours before each; what is urgent goes faster."""
    pace = 0.5 + priority / 2
    yield "submitted", 0
    if dice.random() < 0.04:
        yield "rejected", dice.expovariate(0.5)
        return
    yield "acknowledged", dice.expovariate(2) * pace
    while True:
        yield "inProgress", dice.expovariate(0.5) * pace
        if dice.random() < 0.25:
            yield dice.choice(("held", "pending")), dice.expovariate(0.3) * pace
            yield "inProgress", dice.lognormvariate(2, 1)
        yield "resolved", dice.lognormvariate(1.6, 1) * pace
        if dice.random() > 0.07:
            break
    yield "closed", 24 + dice.expovariate(0.1)


def _entry(source_id: int, at: datetime, problem: dict[str, Any], event: str, dice: random.Random) -> Entry:
    if dice.random() < _LOST:
        return Entry(source_id, wire.read_problem(problem, asked_at=at + timedelta(minutes=1), via=Via.POLL))
    heard = wire.read_notification(
        orjson.dumps(
            {
                "eventId": f"{problem['id']}-{at.timestamp():.6f}",
                "eventTime": at.isoformat(),
                "eventType": event,
                "event": {"serviceProblem": problem},
            }
        ),
        received_at=at + timedelta(seconds=dice.expovariate(2)),
    )
    return Entry(source_id, heard.observation, heard)
