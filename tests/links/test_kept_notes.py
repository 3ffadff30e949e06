"""A note that a person adds between our read and our write of the list is put back, where it was seen meanwhile."""

from collections import deque
from typing import Any

import pytest

from bridge.domain.observation import Via
from bridge.storage.database import Database
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire
from bridge.tmf656.problem_writer import ProblemWriter
from tests.links.pair import LEFT, RIGHT
from tests.links.test_send import linked, settle_down

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("fate", ["done", "lose_answer"])
async def test_a_note_that_was_overwritten_is_put_back(
    database: Database, monkeypatch: pytest.MonkeyPatch, version: str, fate: Any
) -> None:
    """The defect: the list is replaced as a whole, and the note of the person was gone."""
    async with linked(database, ("4", version)) as (pair, left, right):
        sim, source = pair.sims[RIGHT], pair.senders[RIGHT].target.source
        await pair.sims[LEFT].patch(left, note=[{"id": "n1", "author": "Eve", "text": "on it"}])
        real, raced = ProblemWriter.patch, list[str]()

        async def patch(self: ProblemWriter, ticket_id: str, body: dict[str, Any], spoken: str) -> Any:
            if not raced and ticket_id == right:
                raced.append(ticket_id)
                await sim.patch(right, note=[{"id": "p1", "author": "Bob", "text": "by a person"}])
                shown, at = sim.shown()[right], pair.senders[RIGHT].target.read(await self.fetch(right)).observation
                assert at is not None
                seen = wire.read_problem(shown, asked_at=at.observed_at, via=Via.POLL)
                await store_items(database, [source.entry(seen)])  # as a push of it would
                sim.faults.writes.fates, sim.faults.writes.late_seconds = deque([fate]), None
            return await real(self, ticket_id, body, spoken)

        monkeypatch.setattr(ProblemWriter, "patch", patch)
        await settle_down(pair)
        await settle_down(pair, rounds=2)
        assert sorted(pair.notes(RIGHT, right)) == ["by a person", "on it"]
        assert sorted(pair.notes(LEFT, left)) == ["by a person", "on it"]
        assert await pair.open_writes() == 0


async def test_a_note_that_a_person_deleted_stays_away(database: Database) -> None:
    async with linked(database) as (pair, left, right):
        await pair.sims[RIGHT].patch(right, note=[{"id": "p1", "author": "Bob", "text": "wrong ticket"}])
        await settle_down(pair)
        await pair.sims[RIGHT].patch(right, note=[])
        await pair.pull()
        await pair.sims[LEFT].patch(
            left, note=[*pair.sims[LEFT].problems[left]["note"], {"id": "n1", "author": "Eve", "text": "on it"}]
        )
        await settle_down(pair)
        assert pair.notes(RIGHT, right) == ["on it"]
