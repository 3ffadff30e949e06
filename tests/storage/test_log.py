"""The log of notifications shows every event as it came, and keeps no problem that a version has word for word."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bridge.storage import retention
from bridge.storage.database import Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WHOLE = {
    "id": "SP-1",
    "category": "supplier.originated",
    "description": "no light",
    "priority": 2,
    "reason": "fibre cut",
    "status": "held",
    "lastUpdate": NOON.isoformat(),
    "relatedParty": [{"id": "1", "name": "noc"}],
}
OLD_NAMES = {name: value for name, value in WHOLE.items() if name != "lastUpdate"} | {"timeChanged": NOON.isoformat()}
UNSTAMPED = {name: value for name, value in WHOLE.items() if name != "lastUpdate"}


def event(problem: Any, **more: Any) -> dict[str, Any]:
    return {
        "eventType": "ServiceProblemStateChangeEvent",
        "eventTime": NOON.isoformat(),
        "event": {"serviceProblem": problem, "beside": 1},
    } | more


def notified(envelope: dict[str, Any]) -> Entry:
    notification = wire.read_notification(orjson.dumps(envelope), received_at=NOON)
    return Entry(1, notification.observation, notification)


@pytest.fixture
async def log(database: Database) -> Any:
    """Store events as one batch; return (outcome, body as shown, body as kept) of each."""
    async with database.transaction() as connection:
        await connection.execute("insert into bridge.source (name) values ('s')")

    async def shown(envelopes: Sequence[dict[str, Any]]) -> list[tuple[str, Any, Any]]:
        async with database.transaction() as connection:
            await store(connection, [notified(envelope) for envelope in envelopes])
            rows = await connection.fetch("select outcome, body from report.notification")
            kept = await connection.fetch("select body from bridge.notification")
        return [
            (row[0], row[1] and orjson.loads(row[1]), one[0] and orjson.loads(one[0]))
            for row, one in zip(rows, kept, strict=True)
        ]

    return shown


@pytest.mark.parametrize(
    "envelope",
    [event(WHOLE, eventId="1", correlationId="c"), event(UNSTAMPED, eventTime=None)],
    ids=["with a time", "without"],
)
async def test_a_problem_is_kept_once_and_shown_in_its_event(log: Any, envelope: dict[str, Any]) -> None:
    ((outcome, shown, kept),) = await log([envelope])
    assert outcome == "applied"
    assert shown == envelope
    assert kept == envelope | {"event": {"beside": 1}}


@pytest.mark.parametrize(
    "envelope",
    [
        event({"id": "SP-1", "status": "held"}),
        event(OLD_NAMES),
        event([WHOLE]),
        {"eventType": "ServiceProblemStateChangeEvent", "eventTime": NOON.isoformat(), "serviceProblem": WHOLE},
        {"eventType": "ServiceProblemDeleteEvent", "eventTime": NOON.isoformat(), "event": {"serviceProblem": WHOLE}},
    ],
    ids=["partial", "old names", "list of one", "beside the event", "deletion"],
)
async def test_what_no_version_has_word_for_word_stays_in_the_log(log: Any, envelope: dict[str, Any]) -> None:
    ((_, shown, kept),) = await log([envelope])
    assert shown == kept == envelope


async def test_what_a_version_had_before_stays_in_the_log_too(log: Any) -> None:
    first, again = event(WHOLE, eventId="1"), event(WHOLE, eventId="2")
    assert [(outcome, shown) for outcome, shown, _ in await log([first, again, first])] == [
        ("applied", first),
        ("unchanged", again),
        ("duplicate", None),
    ]


async def test_when_the_version_is_pruned_the_rest_of_the_event_stays(log: Any, database: Database) -> None:
    later = WHOLE | {"status": "closed", "lastUpdate": (NOON + timedelta(hours=1)).isoformat()}
    envelope, second = event(WHOLE, eventId="1"), event(later, eventId="2")
    await log([envelope, second])
    async with database.transaction() as connection:
        assert await retention.delete(connection, "versions", NOON + timedelta(days=1), 10) == 1
        rows = await connection.fetch("select body from report.notification")
    assert [orjson.loads(row[0]) for row in rows] == [envelope | {"event": {"beside": 1}}, second]
