"""Whatever happens at an instance and on the way, the tables come to hold what it holds."""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest

from bridge.errors import BridgeError
from bridge.servicenow.status import status_of
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from tests.servicenow.test_bridge import ENDED, Clock

pytestmark = pytest.mark.anyio
RigFor = Callable[..., Awaitable[Any]]


class SlowClock(Clock):
    """Several changes share a second."""

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=150)
        return self.at


def something_happens(sim: ServiceNowSimulator, dice: random.Random) -> None:
    """Let a person work, or something go wrong with the next request."""
    records = list(sim.incidents.values())
    match dice.randrange(9):
        case 0 | 1:
            sim.create()
        case 2 | 3:
            sim.change(dice.choice(records), description=f"seen {dice.random()}")
        case 4:
            sim.change(dice.choice(records), state=dice.choice("26"), **ENDED)
        case 5:
            sim.change(dice.choice(records), work_notes=f"called {dice.random()}")
        case 6 if len(records) > 5:
            sim.delete(dice.choice(records))
        case 7:
            setattr(sim.faults, dice.choice(("fail_next", "cut_next", "cancelled_next", "rate_limited_next")), 1)
            sim.faults.retry_after_seconds = 0
        case _:
            sim.faults.stale = not sim.faults.stale


@pytest.mark.parametrize("seed", range(6))
async def test_the_tables_come_to_hold_what_the_instance_holds(rig_for: RigFor, seed: int) -> None:
    dice = random.Random(seed)
    async with ServiceNowSimulator(population=12, seed=seed, clock=SlowClock()) as sim:
        source = {"page_size": 3, "poll_overlap_seconds": 0, "journals": "sys_journal_field", "max_loss_share": 1}
        rig = await rig_for(sim.url, kind="servicenow", **source)
        for _ in range(25):
            something_happens(sim, dice)
            if dice.random() < 0.5:
                continue
            with suppress(BridgeError):  # the next pass begins where this one did
                await (rig.poller if dice.random() < 0.8 else rig.reconciler).run_once()
        sim.faults.stale = False
        sim.faults.fail_next = sim.faults.cut_next = sim.faults.cancelled_next = sim.faults.rate_limited_next = 0
        await rig.poller.run_once()
        for _ in range(2):
            await rig.reconciler.run_once()
        while await rig.refetcher.run_once():  # two versions of one second: the instance says which one holds
            pass
        rows = await rig.rows()
        assert rows.keys() == sim.incidents.keys()
        for sys_id, record in sim.incidents.items():
            assert rows[sys_id]["description"] == record["description"]
            assert rows[sys_id]["status"] == status_of("incident", record, {})
            noted = [note["text"] for note in rows[sys_id].get("note", [])]
            assert noted == [entry["value"] for entry in sim.store.journal(sys_id, "work_notes")]
