"""A rule of four lines between two servers: the whole bridge makes counterparts, keeps both in step, and rests."""

from typing import Any

import asyncpg
import pytest

from bridge.settings.preset import preset_table
from bridge.simulator import Simulator
from tests.web.conftest import eventually, open_bridge  # noqa: F401 -- fixtures

pytestmark = pytest.mark.anyio

OPEN = """
    select count(*) from report.service_problem
    where source = 'left' and status in ('submitted', 'acknowledged', 'inProgress', 'held', 'pending')
"""


async def test_two_servers_are_kept_in_step(dsn: str, open_bridge: Any, eventually: Any) -> None:  # noqa: F811 -- a fixture
    quick = {"poll_interval_seconds": 1, "reconcile_interval_seconds": 1, "write": True}
    rule, _ = preset_table("tmf656-tmf656", {"left": ("tmf656", ""), "right": ("tmf656", "")})
    async with Simulator(population=12, seed=3) as left, Simulator(population=0, seed=4) as right:
        configuration = {
            "database": {"dsn": dsn},
            "http": {"port": 0},
            "sources": {"left": {"url": left.url} | quick, "right": {"url": right.url} | quick},
            "links": {"one": rule | {"left": "left", "right": "right"}},
        }
        database = await asyncpg.connect(dsn)
        async with open_bridge(configuration):

            async def same() -> bool:
                open_there = await database.fetchval(OPEN)
                rows = await database.fetch("select left_status, right_status from report.link where state = 'linked'")
                return 0 < open_there == len(rows) == sum(row[0] == row[1] for row in rows)

            await eventually(same)
            pair = await database.fetchrow("select left_id, right_id from report.link order by link_id limit 1")
            await right.patch(pair["right_id"], name="seen from the right")

            async def carried() -> bool:
                return left.problems[pair["left_id"]]["name"] == "seen from the right"

            await eventually(carried)
            assert len(right.problems) == await database.fetchval("select count(*) from report.link")
        await database.close()
