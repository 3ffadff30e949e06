"""A page of hundreds is stored although its problems change all the time."""

from datetime import UTC, datetime

import anyio
import orjson
import pytest

from bridge.domain.observation import Via
from bridge.simulator.tmf656.background import background
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio


async def test_a_page_is_stored_while_its_problems_never_rest(database: Database, source_id: int) -> None:
    stopped = anyio.Event()

    async def never_rests(problem_id: str) -> None:
        while not stopped.is_set():
            problem = {"id": problem_id, "status": "held", "lastUpdate": datetime.now(UTC).isoformat()}
            body = {"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": problem}}
            notification = wire.read_notification(orjson.dumps(body), received_at=datetime.now(UTC))
            await store_items(database, [Entry(source_id, notification.observation, notification)])

    async with background() as tasks:
        for number in range(4):
            tasks.start_soon(never_rests, f"SP-{number * 100}")
        for _ in range(5):
            asked_at = datetime.now(UTC)
            page = [
                wire.read_problem(
                    {"id": f"SP-{number}", "status": "resolved", "n": str(asked_at)}, asked_at=asked_at, via=Via.POLL
                )
                for number in range(400)
            ]
            stored = await store_items(database, [Entry(source_id, seen) for seen in page])
            assert len(stored.outcomes) == 400
        stopped.set()
