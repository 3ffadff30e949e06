"""Notes that are edited after they were copied are counted, once an edit, and copied no second time."""

import pytest

from bridge.storage.database import Database
from tests.links.pair import LEFT, RIGHT
from tests.links.test_send import linked, settle_down

pytestmark = pytest.mark.anyio


async def test_an_edited_note_is_counted_once_and_its_copy_stays(database: Database) -> None:
    async with linked(database) as (pair, left, right):

        def edits(to: str) -> float:
            found = pair.metrics.registry.get_sample_value(
                "tmf656_bridge_notes_total", {"rule": "pair", "to": to, "outcome": "edited"}
            )
            return found or 0

        note = {"id": "n1", "author": "Eve", "text": "on it"}
        await pair.sims[LEFT].patch(left, note=[note])
        await settle_down(pair)
        assert (pair.notes(RIGHT, right), edits("right")) == (["on it"], 0)
        for text in ("on it now", "on it now"):
            await pair.sims[LEFT].patch(left, note=[note | {"text": text}], priority=len(text) % 3 + 1)
            await settle_down(pair)
            await settle_down(pair, rounds=2)
        assert (pair.notes(RIGHT, right), edits("right"), edits("left")) == (["on it"], 1, 0)
        await pair.sims[LEFT].patch(left, note=[note | {"text": "solved"}])
        await settle_down(pair)
        assert edits("right") == 2


async def test_notes_that_are_read_together_are_copied_in_their_order(database: Database) -> None:
    texts = [f"step {number}" for number in range(12)]
    async with linked(database) as (pair, left, right):
        await pair.sims[LEFT].patch(left, note=[{"author": "Eve", "text": text} for text in texts])
        for _ in texts:
            await settle_down(pair, rounds=2)
        assert pair.notes(RIGHT, right) == texts
