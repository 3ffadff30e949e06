"""What happens to a problem all day long costs no index writes, and pruning stands in nobody's way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from bridge.domain.observation import Via
from bridge.storage import retention
from bridge.storage.database import Database
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

PROBLEMS = 200
PATIENCE_SECONDS = 20
HOT = """
    select n_tup_upd as updated, n_tup_hot_upd as hot from pg_stat_user_tables
    where relid = 'bridge.service_problem'::regclass
"""


def seen(number: int, at: datetime, **more: Any) -> Entry:
    problem = {"id": f"SP-{number}", "status": "held", "description": "no light " * 20, **more}
    return Entry(1, wire.read_problem(problem, asked_at=at, via=Via.POLL))


async def stored(database: Database, at: datetime, *, every: int = 1, **more: Any) -> None:
    """A page in which every n-th problem stands; the session that stores it tells its statistics with the commit."""
    async with database.transaction() as connection:
        await connection.execute("select pg_stat_force_next_flush()")
        await store(connection, [seen(number, at, **more) for number in range(0, PROBLEMS, every)])


async def hot_share(dsn: str) -> tuple[int, float]:
    """Updates of current rows so far, and the share of them that touched no index."""
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(HOT)
    finally:
        await connection.close()
    assert row is not None
    return row["updated"], row["hot"] / max(1, row["updated"])


async def test_being_seen_again_is_a_hot_update(database: Database, dsn: str) -> None:
    """`touch` changes no column that an index needs, and a page has room for some of its rows to be written again.

    A problem that changed is another matter: its time of change is indexed for the reports.
    """
    begin = datetime.now(UTC) - timedelta(hours=1)
    await stored(database, begin)
    for minute in range(1, 6):
        await stored(database, begin + timedelta(minutes=minute), every=10)
    updated, share = await hot_share(dsn)
    assert updated == PROBLEMS / 10 * 5
    assert share > 0.9


async def test_pruning_waits_for_nobody_and_nobody_waits_for_it(database: Database, dsn: str) -> None:
    """A prune that is under way (not committed) on every table, and notifications stored through the door meanwhile."""
    begin = datetime.now(UTC) - timedelta(days=400)
    await stored(database, begin)
    for later in (1, 2):
        at = begin + timedelta(days=later)
        await stored(database, at, description=f"changed {later}", lastUpdate=at.isoformat())
    pruning = await asyncpg.connect(dsn)
    try:
        async with pruning.transaction():
            gone = {
                what: await retention.delete(pruning, what, datetime.now(UTC) - timedelta(days=30), 10_000)
                for what in retention.WHAT
            }
            assert gone["versions"] > 0
            notification = wire.read_notification(
                orjson.dumps(
                    {
                        "eventId": "e-1",
                        "eventTime": datetime.now(UTC).isoformat(),
                        "eventType": "ServiceProblemStateChangeEvent",
                        "event": {"serviceProblem": {"id": "SP-1", "status": "resolved", "description": "over"}},
                    }
                ),
                received_at=datetime.now(UTC),
            )
            async with database.transaction() as connection:
                await connection.execute(f"set local lock_timeout = '{PATIENCE_SECONDS}s'")
                done = await store(connection, [Entry(1, notification.observation, notification)])
            assert done.outcomes == ["applied"]
    finally:
        await pruning.close()
