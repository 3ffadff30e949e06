"""Servers that write local time, with its offset or without any zone, and put their clocks forward or back meanwhile.

What was pushed then, and what was not, comes home by polls that ask for what changed. Where no zone is written, UTC is
meant; west of Greenwich the hour that comes twice has to be asked for again, by setting or by reconciling.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import asyncpg
import pytest

from bridge.simulator import Faults, Simulator

pytestmark = pytest.mark.anyio

AN_HOUR_AGAIN = {"poll_overlap_seconds": 3720}


@dataclass
class Place:
    """Where a server stands: its offset from UTC before and after the change of its clocks, and how it is asked."""

    before: float
    after: float
    without_zone: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


PLACES = {
    "offset-back": Place(2, 1),
    "offset-forward": Place(-5, -4),
    "half-hours": Place(10.5, 11),
    "ahead-back": Place(2, 1, without_zone=True),
    "behind-back": Place(-4, -5, without_zone=True, settings=AN_HOUR_AGAIN),
    "behind-forward": Place(-5, -4, without_zone=True),
    "reconciled": Place(-4, -5, without_zone=True, settings={"reconcile_interval_seconds": 1}),
}


def offset(hours: float) -> timezone:
    return timezone(timedelta(hours=hours))


async def held(dsn: str, name: str) -> dict[str, Any]:
    """What reports say of a source: (description, status, time of its last change) by id."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select id, description, status, updated_at from report.service_problem where source = $1", name
        )
    finally:
        await connection.close()
    return {row["id"]: (row["description"], row["status"], row["updated_at"]) for row in rows}


def true(sim: Simulator) -> dict[str, Any]:
    """What the server means; where it names no zone, UTC is what it says."""
    return {
        problem_id: (problem.get("description"), problem["status"], meant(problem["lastUpdate"]))
        for problem_id, problem in sim.problems.items()
    }


def meant(stamp: str) -> datetime:
    at = datetime.fromisoformat(stamp)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


async def test_whatever_zone_a_server_writes_and_however_its_clocks_are_put_the_tables_come_home(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with AsyncExitStack() as stack:
        sims = {
            name: await stack.enter_async_context(
                Simulator(seed=1, faults=Faults(zone=offset(place.before), without_zone=place.without_zone))
            )
            for name, place in PLACES.items()
        }

        async def home() -> None:
            for name, sim in sims.items():
                await eventually(lambda name=name, sim=sim: equal(dsn, name, sim))

        problems = {name: [(await sim.create(description="d"))["id"] for _ in range(3)] for name, sim in sims.items()}
        sources = {
            name: {"url": sims[name].url, "poll_interval_seconds": 1} | place.settings for name, place in PLACES.items()
        }
        async with start("run", "--config", configured(dsn=dsn, sources=sources)) as program:
            for name in PLACES:
                await program.logged("registered", source=name)
            await home()
            for name, sim in sims.items():
                sim.faults.lose = 1.0
                await sim.patch(problems[name][0], description="found by asking for what changed")
            await home()

            for name, sim in sims.items():
                pushed, lost, moved = problems[name]
                sim.faults.zone, sim.faults.lose = offset(PLACES[name].after), 0.0
                await sim.patch(pushed, description="after")
                await sim.transition(moved, "resolved")
                await sim.settle()
                sim.faults.lose = 1.0
                await sim.patch(lost, description="known only by polling")
                await sim.create(description="known only by polling")
            await home()


async def equal(dsn: str, name: str, sim: Simulator) -> bool:
    return await held(dsn, name) == true(sim)
