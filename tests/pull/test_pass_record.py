"""Never silently incomplete: what a pass may have missed is said in the log, the database and the metric."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.simulator import Simulator
from bridge.storage import source as source_table

pytestmark = pytest.mark.anyio

Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]

NEVER_COMPLETE = {"page_cap": 1, "no_total": True, "no_link": True}
"""Pages of one row cannot overlap, and nothing counts them."""


def set_faults(sim: Simulator, **faults: Any) -> None:
    for name, value in faults.items():
        setattr(sim.faults, name, value)


async def status_of(rig: Any) -> dict[str, Any]:
    async with rig.database.connection() as connection:
        (row,) = await source_table.status(connection)
        return dict(row)


async def test_f9_b1_an_incomplete_pass_is_said_wherever_it_is_looked_for(rig_for: RigFor) -> None:
    async with Simulator(population=20, seed=1) as sim:
        set_faults(sim, **NEVER_COMPLETE)
        rig = await rig_for(sim, page_size=10)
        with capture_logs() as logs:
            for _ in range(2):
                tally = await rig.poller.run_once()
        assert not tally.completeness.complete
        said = [(entry["kind"], entry["reason"]) for entry in logs if entry["event"] == "pass incomplete"]
        assert said == [("reconcile", str(tally.completeness)), ("poll", str(tally.completeness))]  # and only once
        row = await status_of(rig)
        assert row["poll_gap"] == row["reconcile_gap"] == str(tally.completeness)
        assert (row["reconcile_complete_at"], row["last_reconcile_at"]) == (None, None)
        for kind in ("poll", "reconcile"):
            assert rig.counted("pass_complete", kind=kind) == 0
            assert rig.counted("polls_total", kind=kind, outcome="incomplete") == 2
            assert rig.counted("polls_total", kind=kind, outcome="ok") == 0
        await sim.delete(next(iter(sim.problems)))
        for _ in range(3):
            tally = await rig.reconciler.run_once()
            assert (tally.missing, tally.deletion.deleted) == (None, 0)


async def test_a_pass_that_is_complete_again_is_said_too(rig_for: RigFor, shown: Shown) -> None:
    async with Simulator(population=20, seed=1) as sim:
        rig = await rig_for(sim, page_size=10)
        set_faults(sim, **NEVER_COMPLETE)
        await rig.reconciler.run_once()
        set_faults(sim, page_cap=None, no_total=False, no_link=False)
        with capture_logs() as logs:
            await rig.reconciler.run_once()
        assert [entry["event"] for entry in logs if entry["event"].startswith("pass")] == ["pass complete again"]
        row = await status_of(rig)
        assert row["reconcile_gap"] is None
        assert row["reconcile_complete_at"] is not None
        assert rig.counted("pass_complete", kind="reconcile") == 1
        assert await rig.rows() == shown(sim)


async def test_the_metric_is_there_from_the_start_once_it_is_known(rig_for: RigFor) -> None:
    async with Simulator(population=5, seed=1) as sim:
        rig = await rig_for(sim)
        assert rig.counted("pass_complete", kind="reconcile") == 0
        await rig.reconciler.run_once()
        again = await rig_for(sim)
        assert again.counted("pass_complete", kind="reconcile") == 1
