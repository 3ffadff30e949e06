"""A status that is moved step by step ends where it is to, wherever the way broke off, and no step is taken for a
change by a person.
"""

from collections import deque
from typing import Any

import pytest

from bridge.simulator import Faults, Simulator
from bridge.storage.database import Database
from tests.links.pair import LEFT, RIGHT, paired
from tests.links.test_send import SAME, settle_down
from tests.tmf656.test_step_by_step import strict

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "fates", [[], ["done", "lose_answer"], ["done", "lose_request"], ["lose_answer"], ["done", "late"]]
)
async def test_wherever_the_way_breaks_off_the_end_is_the_same(database: Database, fates: list[Any]) -> None:
    async with (
        Simulator(id_prefix="L", faults=Faults(), seed=1) as left,
        Simulator(id_prefix="R", faults=Faults(), seed=2) as right,
        paired(database, left, right, {RIGHT: {"status_steps": True}}) as pair,
    ):
        one, other = await left.create(**SAME), await right.create(**SAME)
        await pair.pull()
        await pair.join(one["id"], other["id"])
        await pair.decide()
        strict(right)
        right.faults.writes.fates, right.faults.writes.late_seconds = deque(fates), None
        await left.patch(one["id"], status="closed")
        await settle_down(pair)
        await settle_down(pair, rounds=3)
        assert pair.says(RIGHT, other["id"])["status"] == pair.says(LEFT, one["id"])["status"] == "closed"
        assert left.request_counts["patch"] == 0
        assert await pair.value("select count(*) from bridge.conflict") == 0


async def test_a_way_that_ends_early_is_blocked_and_goes_back_nowhere(database: Database) -> None:
    async with (
        Simulator(id_prefix="L", faults=Faults(), seed=1) as left,
        Simulator(id_prefix="R", faults=Faults(), seed=2) as right,
        paired(database, left, right, {RIGHT: {"status_steps": True}}) as pair,
    ):
        one, other = await left.create(**SAME), await right.create(**SAME)
        await pair.pull()
        await pair.join(one["id"], other["id"])
        await pair.decide()
        strict(right, never="closed")
        await left.patch(one["id"], status="closed")
        await settle_down(pair)
        assert (pair.says(LEFT, one["id"])["status"], pair.says(RIGHT, other["id"])["status"]) == ("closed", "resolved")
        assert await pair.value("select error from bridge.outbox where state = 'blocked'")
        assert left.request_counts["patch"] == 0
