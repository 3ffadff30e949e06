"""Faults of answers: lost, late, cut, refused, limited; what was carried out meanwhile."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from bridge.simulator.dataminer.faults import DataminerFaults
from bridge.simulator.dataminer.simulator import DataminerSimulator

pytestmark = pytest.mark.anyio
Ask = Callable[..., Awaitable[Any]]
NEW = {"key": "tb-1", "fields": {"name": "line down"}}


async def test_a_lost_answer_is_a_write_that_was_carried_out(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api", faults=DataminerFaults(lose_next=1)) as sim:
        with pytest.raises(aiohttp.ClientError):
            await ask("POST", f"{sim.url}/tickets", json=NEW)
        assert [ticket.key for ticket in sim.tickets.values()] == ["tb-1"]
        assert (await ask("POST", f"{sim.url}/tickets", json=NEW)).status == 200


async def test_a_late_write_is_carried_out_after_its_caller_has_gone(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api", faults=DataminerFaults(late_next=1)) as sim:
        with pytest.raises(aiohttp.ClientError):
            await ask("POST", f"{sim.url}/tickets", json=NEW)
        assert (sim.tickets, sim.late) == ({}, 1)
        assert (await ask("GET", f"{sim.url}/tickets")).body["tickets"] == []
        assert sim.carry_out_late() == 1
        assert [ticket.key for ticket in sim.tickets.values()] == ["tb-1"]


async def test_a_late_write_comes_by_itself_when_its_time_is_set(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api", faults=DataminerFaults(late_next=1, late_seconds=0)) as sim:
        with pytest.raises(aiohttp.ClientError):
            await ask("POST", f"{sim.url}/tickets", json=NEW)
        while not (await ask("GET", f"{sim.url}/tickets")).body["tickets"]:
            pass
        assert sim.late == 0


async def test_a_late_write_that_is_refused_then_changes_nothing(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api") as sim:
        ticket = sim.create()
        sim.faults.late = 1  # aiohttp sends a PUT again
        with pytest.raises(aiohttp.ClientError):
            await ask("PUT", f"{sim.url}/ticket?id={ticket.guid}&ifVersion={ticket.ticks}", json={"state": "Resolved"})
        sim.change(ticket, name="by a person")
        before = sim.routes.said(ticket)
        sim.carry_out_late()
        assert list(sim.said()) == [before]


async def test_an_answer_is_cut_and_a_failure_does_nothing(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api", faults=DataminerFaults(cut_next=1)) as sim:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask("POST", f"{sim.url}/tickets", json=NEW)
        assert len(sim.tickets) == 1
        sim.faults.fail_next = 1
        failed = await ask("POST", f"{sim.url}/tickets", json={"key": "tb-2", "fields": {"name": "x"}})
        assert failed.status == 500
        assert failed.body["errors"][0]["errorCode"] == 12
        assert len(sim.tickets) == 1
        sim.faults.down = True
        with pytest.raises(aiohttp.ClientError):
            await ask("GET", f"{sim.url}/about")


async def test_every_request_is_noted_with_its_body(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api") as sim:
        await ask("POST", f"{sim.url}/tickets?x=1", json=NEW)
        [seen] = sim.requests
        assert (seen.method, seen.path.rpartition("/")[2], seen.query) == ("POST", "tickets", "x=1")
        assert b"line down" in seen.body
