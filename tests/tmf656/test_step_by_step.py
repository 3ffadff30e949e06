"""A server that refuses to leave out a step of the life cycle is led through all of them."""

from collections.abc import Mapping
from typing import Any

import pytest

from bridge.domain.ticket_system import OutcomeUnknownError, VersionChangedError, WriteRefusedError
from bridge.simulator import Simulator
from tests.tmf656.test_problem_writer import writing

pytestmark = pytest.mark.anyio

NEXT = {
    "acknowledged": {"inProgress", "cancelled"},
    "inProgress": {"held", "pending", "resolved", "cancelled"},
    "held": {"inProgress"},
    "resolved": {"closed", "inProgress"},
}


def strict(sim: Simulator, *, never: str = "") -> list[Mapping[str, Any]]:
    """Have a server with one problem refuse other moves, and `never`; return what it took."""
    taken: list[Mapping[str, Any]] = []
    (problem_id,) = sim.problems

    def refuse(operation: str, changes: Mapping[str, Any]) -> tuple[int, str] | None:
        status = changes.get("status", sim.problems[problem_id]["status"])
        before = sim.problems[problem_id]["status"]
        if operation == "patch" and status != before and (status not in NEXT[before] or status == never):
            return 409, f"no way from {before} to {status}"
        taken.append(changes)
        return None

    sim.faults.writes.refuse = refuse
    return taken


@pytest.mark.parametrize("version", ["4", "5"])
async def test_each_step_is_a_request_and_the_last_has_the_other_changes(version: str) -> None:
    async with writing(version, 1, status_steps=True) as (sim, writer):
        (problem_id,) = sim.problems
        await sim.patch(problem_id, status="acknowledged")
        taken = strict(sim)
        before = await writer.fetch(problem_id)
        ticket = await writer.change(problem_id, {"status": "closed", "reason": "cut"}, version=before.version)
        assert [changes["status"] for changes in taken] == ["inProgress", "resolved", "closed"]
        assert ["reason" in changes for changes in taken] == [False, False, True]
        assert (ticket.record["status"], ticket.record["reason"]) == ("closed", "cut")
        await writer.change(problem_id, {"description": "d"})
        assert "status" not in taken[-1]


async def test_without_the_setting_it_is_refused_as_it_is() -> None:
    async with writing("4", 1) as (sim, writer):
        (problem_id,) = sim.problems
        await sim.patch(problem_id, status="acknowledged")
        strict(sim)
        with pytest.raises(WriteRefusedError, match="no way from acknowledged to closed"):
            await writer.change(problem_id, {"status": "closed"})


async def test_what_ends_on_the_way_is_not_known_and_what_never_began_is_refused() -> None:
    async with writing("4", 1, status_steps=True) as (sim, writer):
        (problem_id,) = sim.problems
        await sim.patch(problem_id, status="acknowledged")
        strict(sim, never="closed")
        with pytest.raises(OutcomeUnknownError, match=r"moved to resolved, and not to closed: .*no way"):
            await writer.change(problem_id, {"status": "closed"})
        assert sim.problems[problem_id]["status"] == "resolved"
        with pytest.raises(WriteRefusedError):
            await writer.change(problem_id, {"status": "closed"})


async def test_somebody_who_writes_before_the_first_step_is_not_overwritten() -> None:
    async with writing("5", 1, status_steps=True) as (sim, writer):
        (problem_id,) = sim.problems
        await sim.patch(problem_id, status="acknowledged")
        strict(sim)
        before = await writer.fetch(problem_id)
        await sim.patch(problem_id, description="by a person")
        with pytest.raises(VersionChangedError):
            await writer.change(problem_id, {"status": "closed"}, version=before.version)
        assert sim.problems[problem_id]["status"] == "acknowledged"
