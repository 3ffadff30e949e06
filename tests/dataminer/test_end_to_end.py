"""Both kinds of DataMiner, from the server to the reports: everything arrives, changes, ends and disappears."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.simulator.dataminer.simulator import DataminerKind, DataminerSimulator
from bridge.simulator.dataminer.ticket_store import StoredTicket

pytestmark = pytest.mark.anyio
RigFor = Callable[..., Awaitable[Any]]

KINDS = pytest.mark.parametrize("kind", ["dataminer", "dataminer-api"])
LIVING = "select count(*) from report.service_problem where deleted_at is null"


def simulated(kind: DataminerKind, **options: Any) -> DataminerSimulator:
    return DataminerSimulator(
        kind, username="bridge", password="dataminer-passw0rd", token="dataminer-t0ken", seed=1, **options
    )


def settings(kind: DataminerKind) -> dict[str, Any]:
    login = (
        {"token": "dataminer-t0ken"}
        if kind == "dataminer-api"
        else {"username": "bridge", "password": "dataminer-passw0rd"}
    )
    return {"kind": kind, "page_size": 10} | login


def id_of(kind: DataminerKind, ticket: StoredTicket) -> str:
    return ticket.guid if kind == "dataminer-api" else f"101/{ticket.number}"


async def statuses(rig: Any) -> dict[str, str]:
    async with rig.database.connection() as connection:
        rows = await connection.fetch("select id, status from report.service_problem where deleted_at is null")
    return {row["id"]: row["status"] for row in rows}


@KINDS
async def test_tickets_are_in_the_reports_with_their_fields(rig_for: RigFor, kind: DataminerKind) -> None:
    async with simulated(kind, population=25) as sim:
        rig = await rig_for(sim.url, **settings(kind))
        tally = await rig.poller.run_once()
        assert (tally.completeness.complete, tally.unreadable) == (True, 0)
        assert set(await statuses(rig)) == {id_of(kind, ticket) for ticket in sim.tickets.values()}
        ticket = next(iter(sim.tickets.values()))
        query = "select value from report.characteristic where id = $1 and name = $2"
        name = "severity" if kind == "dataminer-api" else "Severity"
        [said] = [each for each in sim.said() if each.get("id", f"101/{each.get('ID')}") == id_of(kind, ticket)]
        expected = said.get("severity") or next(
            each["DisplayValue"] for each in said["Fields"] if each["Name"] == "Severity"
        )
        assert await rig.value(query, id_of(kind, ticket), name) == expected


@KINDS
async def test_one_poll_brings_every_change_and_skips_the_rest(rig_for: RigFor, kind: DataminerKind) -> None:
    async with simulated(kind, population=12) as sim:
        rig = await rig_for(sim.url, **settings(kind))
        await rig.poller.run_once()
        moved, closed, *_ = sim.tickets.values()
        sim.move(moved, "In Progress")
        sim.move(closed, "Closed")
        new = sim.create()
        tally = await rig.poller.run_once()
        found = await statuses(rig)
        assert (found[id_of(kind, moved)], found[id_of(kind, closed)]) == ("inProgress", "closed")
        assert id_of(kind, new) in found
        assert tally.changed == 3
        quiet = await rig.poller.run_once()
        assert (quiet.changed, quiet.unreadable) == (0, 0)
        changes = "select count(*) from report.change where id = $1 and attribute = 'status'"
        assert await rig.value(changes, id_of(kind, moved)) == 1


@KINDS
async def test_a_deleted_ticket_is_deleted_after_two_passes_and_a_closed_one_stays(
    rig_for: RigFor, kind: DataminerKind
) -> None:
    async with simulated(kind, population=8) as sim:
        rig = await rig_for(sim.url, **settings(kind))
        await rig.poller.run_once()
        gone, closed, *_ = sim.tickets.values()
        sim.delete(gone)
        sim.move(closed, "Closed")
        for _ in range(2):
            await rig.poller.run_once()
            await rig.reconciler.run_once()
        await rig.refetcher.run_once()
        found = await statuses(rig)
        assert id_of(kind, gone) not in found
        assert found[id_of(kind, closed)] == "closed"
        assert len(found) == len(sim.tickets)


async def test_a_poll_of_legacy_tickets_reads_no_history(rig_for: RigFor) -> None:
    async with simulated("dataminer", population=8) as sim:
        rig = await rig_for(sim.url, **settings("dataminer"))
        await rig.poller.run_once()
        sim.requests.clear()
        await rig.poller.run_once()
        methods = {request.path.rpartition("/")[2] for request in sim.requests}
        assert methods == {"GetActiveTicketsV2"}
        await rig.reconciler.run_once()
        assert any(request.path.endswith("GetHistoryTicketsV2") for request in sim.requests)


async def test_a_poll_of_the_routes_asks_for_what_changed(rig_for: RigFor) -> None:
    async with simulated("dataminer-api", population=30) as sim:
        rig = await rig_for(sim.url, **settings("dataminer-api") | {"poll_overlap_seconds": 0})
        for _ in range(2):
            await rig.poller.run_once()
        sim.requests.clear()
        sim.create()
        tally = await rig.poller.run_once()
        assert all("&since=" in request.query for request in sim.requests)
        assert tally.changed == 1


@KINDS
async def test_the_whole_bridge_follows_it_without_a_hub(
    bridge_on: Callable[..., Any], database: Any, eventually: Callable[..., Awaitable[None]], kind: DataminerKind
) -> None:
    async with simulated(kind, population=5) as sim, bridge_on(sim, **settings(kind) | {"poll_interval_seconds": 1}):

        async def count(query: str) -> int:
            async with database.connection() as connection:
                found: int = await connection.fetchval(query)
            return found

        async def all_there() -> bool:
            return await count(LIVING) == len(sim.tickets)

        await eventually(all_there)
        sim.move(next(iter(sim.tickets.values())), "Closed")
        sim.create()

        async def followed() -> bool:
            closed = await count("select count(*) from report.service_problem where status = 'closed'")
            return closed == 1 and await all_there()

        await eventually(followed)
