"""The instance as a whole: it lives, and forgets everything when it is stopped."""

import anyio
import pytest

from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from bridge.simulator.servicenow.tables import TABLES

pytestmark = pytest.mark.anyio


async def test_tickets_change_by_themselves_and_keep_to_the_rules() -> None:
    async with ServiceNowSimulator(population=3, rate=1000, seed=1) as sim:
        with anyio.fail_after(30):
            while not any(each["state"] == "7" for each in sim.incidents.values()):  # noqa: ASYNC110 -- it lives
                await anyio.sleep(0.01)
        for record in sim.incidents.values():
            assert record.keys() == TABLES["incident"].keys()
            assert record["close_code"] or record["state"] not in ("6", "7")
        assert sim.store.tables["sys_journal_field"]


async def test_the_same_seed_makes_the_same_tickets() -> None:
    one, other = (ServiceNowSimulator(population=5, seed=7) for _ in range(2))
    assert one.incidents.keys() == other.incidents.keys()
    assert [each["short_description"] for each in one.incidents.values()] == [
        each["short_description"] for each in other.incidents.values()
    ]
