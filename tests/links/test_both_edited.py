"""Both sides are edited between two reads, under every policy: the winner is as configured, the loser is kept."""

from typing import Any

import pytest

from bridge.domain.link.word_map import Side
from bridge.storage.database import Database
from tests.links.preset_rig import joined

pytestmark = pytest.mark.anyio
LEFT, RIGHT = Side.LEFT, Side.RIGHT
KINDS = {LEFT: "servicenow", RIGHT: "tmf656"}
NAMES = {LEFT: "short_description", RIGHT: "name"}


@pytest.mark.parametrize(
    ("settings", "winner"),
    [
        ({"on_conflict": "left"}, LEFT),
        ({"on_conflict": "right"}, RIGHT),
        ({"on_conflict": "newest", "clock_tolerance_seconds": 3600, "tie": "left"}, LEFT),
        ({"on_conflict": "newest", "clock_tolerance_seconds": 3600, "tie": "right"}, RIGHT),
        ({"on_conflict": "manual"}, None),
        ({"fields": {"title": {"direction": "left_to_right"}}}, LEFT),
        ({"fields": {"title": {"direction": "right_to_left"}}}, RIGHT),
    ],
)
async def test_one_wins_and_what_the_other_said_is_kept(
    database: Database, settings: dict[str, Any], winner: Side | None
) -> None:
    async with joined(database, KINDS, {"preset": "servicenow-tmf656"} | settings) as both:
        ids = {LEFT: await both.desks[LEFT].open(short_description="begin")}
        await both.settle()
        [(_, ids[RIGHT])] = await both.pairs()
        for side, desk in both.desks.items():
            await desk.write(ids[side], **{NAMES[side]: f"as the {side.value} says"})
        await both.settle()
        said = {side: (await desk.read(ids[side]))[NAMES[side]] for side, desk in both.desks.items()}
        rows = await both.rows(
            "select kind, left_value, right_value, outcome from bridge.conflict where field = 'title'"
        )
        [conflict] = [dict(row) for row in rows]
        assert (conflict["left_value"], conflict["right_value"]) == ("as the left says", "as the right says")
        if winner is None:
            assert said == {LEFT: "as the left says", RIGHT: "as the right says"}
            assert (conflict["kind"], conflict["outcome"]) == ("both_changed", "waiting")
        else:
            assert set(said.values()) == {f"as the {winner.value} says"}
            assert (conflict["kind"], conflict["outcome"]) == ("overruled", winner.value)
        assert await both.settle() == 0
