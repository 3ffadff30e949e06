"""An instance through the whole bridge: its tickets are rows of the reports, as those of any source."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson
import pytest

from bridge.app import RunningBridge
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from bridge.sources.state import Mode
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]
BridgeOn = Callable[..., AbstractAsyncContextManager[RunningBridge]]
Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
SECRET = "a-secret-of-the-business-rule"
ENDED = {"close_code": "Solved", "close_notes": "done"}


class Clock:
    """A clock of an instance that goes on a second whenever it is read, from an hour ago."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC) - timedelta(hours=1)

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


async def rows(running: RunningBridge, query: str, *arguments: str) -> list[tuple[Any, ...]]:
    """The rows of a query on the bridge's database."""
    async with running.postgres.database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]


async def test_polls_find_what_changed_and_only_that(rig_for: RigFor) -> None:
    async with ServiceNowSimulator(population=12, seed=1, clock=Clock()) as sim:
        rig = await rig_for(sim.url, kind="servicenow", page_size=5, poll_overlap_seconds=0)
        first = await rig.poller.run_once()
        assert (first.completeness.gap, first.outcomes["new"]) == (None, 12)
        record = sim.change(next(iter(sim.incidents.values())), state="6", **ENDED)
        made = sim.create("incident", state="3", hold_reason="1", comments="please call")
        for _ in range(2):
            tally = await rig.poller.run_once()
        assert tally.problems < 12
        assert tally.completeness.gap is None
        rows = await rig.rows()
        assert rows.keys() == sim.incidents.keys()
        assert (rows[record["sys_id"]]["status"], rows[made["sys_id"]]["status"]) == ("resolved", "pending")
        assert await rig.value("select filter_style from bridge.watermark where kind = 'poll'") == "sysparm_query"
        assert (rig.source.mode, rig.source.version) == (Mode.POLL, "4")


async def test_an_unchanged_table_is_known_word_for_word(rig_for: RigFor) -> None:
    async with ServiceNowSimulator(population=12, seed=1, clock=Clock()) as sim:
        rig = await rig_for(sim.url, kind="servicenow", page_size=5)
        await rig.reconciler.run_once()
        tally = await rig.reconciler.run_once()
        assert (tally.skipped, tally.outcomes["unchanged"]) == (12, 12)
        assert all(request.path.endswith("/incident") for request in sim.requests), "a list has whole tickets"


async def test_a_deletion_takes_two_passes_and_a_404(rig_for: RigFor) -> None:
    async with ServiceNowSimulator(population=6, seed=1, clock=Clock()) as sim:
        rig = await rig_for(sim.url, kind="servicenow")
        await rig.poller.run_once()
        gone, hidden = list(sim.incidents)[:2]
        sim.delete(sim.incidents[gone])
        sim.change(sim.incidents[hidden], u_source="elsewhere")
        await rig.reconciler.run_once()
        assert gone in await rig.rows()
        tally = await rig.reconciler.run_once()
        assert tally.deletion.deleted == 1
        assert (await rig.rows()).keys() == sim.incidents.keys()


async def test_tickets_stand_in_the_reports(bridge_on: BridgeOn, eventually: Eventually) -> None:
    source = {"kind": "servicenow", "poll_interval_seconds": 1, "journals": "sys_journal_field"}
    async with ServiceNowSimulator(population=5, seed=1, clock=Clock()) as sim, bridge_on(sim, **source) as running:
        await eventually(running.sources["sim"].first_pass.is_set)
        record = next(iter(sim.incidents.values()))
        sim.change(record, state="6", work_notes="The line is back.", **ENDED)
        changed = "select old #>> '{}', new #>> '{}' from report.change where attribute = 'status' and id = $1"

        async def resolved() -> bool:
            return bool(await rows(running, changed, record["sys_id"]))

        await eventually(resolved)
        assert await rows(running, changed, record["sys_id"]) == [("acknowledged", "resolved")]
        person = sim.store.tables["sys_user"][record["caller_id"]]["name"]
        group = sim.store.tables["sys_user_group"][record["assignment_group"]]["name"]
        now = "select name, originator, responsible, external_id, status from report.service_problem where id = $1"
        assert await rows(running, now, record["sys_id"]) == [
            (record["short_description"], person, group, record["number"], "resolved")
        ]
        noted = await rows(running, "select author, text from report.note where id = $1", record["sys_id"])
        assert noted == [("beth.anglin", "The line is back.")]


async def test_a_business_rule_brings_a_ticket_before_the_next_poll(
    bridge_on: BridgeOn, eventually: Eventually
) -> None:
    source = {"kind": "servicenow", "poll_interval_seconds": 3600, "callback_secret": SECRET}
    async with (
        ServiceNowSimulator(population=3, seed=1) as sim,
        bridge_on(sim, **source) as running,
        aiohttp.ClientSession() as session,
    ):
        await eventually(running.sources["sim"].first_pass.is_set)
        made = sim.create(short_description="No dial tone in Munich")
        hint = {
            "eventType": "ServiceProblemAttributeValueChangeEvent",
            "event": {"serviceProblem": {"id": made["sys_id"]}},
        }
        async with session.post(f"{running.url}/listener/sim/{SECRET}", json=hint) as answer:
            assert answer.status < 300

        async def there() -> bool:
            found = await rows(running, "select name from report.service_problem where id = $1", made["sys_id"])
            return found == [("No dial tone in Munich",)]

        await eventually(there)


async def test_a_hint_of_a_ticket_outside_the_query_stores_nothing_unless_it_is_known(rig_for: RigFor) -> None:
    """The defect: the rule's condition was wider than the query, and each hint stored a ticket of somebody else."""
    async with ServiceNowSimulator(population=2, seed=1, clock=Clock()) as sim:
        rig = await rig_for(sim.url, kind="servicenow", query="u_source=dataminer")
        mine = sim.create(short_description="mine", u_source="dataminer")
        await rig.poller.run_once()
        other, late = sim.create(u_source="elsewhere"), sim.create(u_source="dataminer")
        sim.change(mine, short_description="given away", u_source="elsewhere")
        entries = []
        for record in (mine, other, late):
            event = {"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": {"id": record["sys_id"]}}}
            seen = wire.read_notification(orjson.dumps(event), received_at=datetime.now(UTC))
            entries.append(rig.source.entry(seen.observation, seen))
        await store_items(rig.database, entries)
        await rig.execute("update bridge.refetch set due_at = requested_at")
        assert await rig.refetcher.run_once() == 3
        assert (await rig.rows()).keys() == {mine["sys_id"], late["sys_id"]}
        assert (await rig.rows())[mine["sys_id"]]["name"] == "given away"
        assert await rig.value("select count(*) from bridge.refetch") == 0
