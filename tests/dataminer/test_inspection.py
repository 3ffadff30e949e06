"""What `check` says of a DataMiner System."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.dataminer.inspection import inspect_routes, inspect_services
from bridge.domain.notice import Notice
from bridge.simulator.dataminer.field_values import FieldKind
from bridge.simulator.dataminer.simulator import DataminerSimulator

pytestmark = pytest.mark.anyio
Open = Callable[..., Any]


async def test_routes_that_keep_the_contract_say_what_can_be_written(routes: Open) -> None:
    async with DataminerSimulator("dataminer-api") as sim, routes(sim) as client:
        [notice] = await inspect_routes(client)
        assert (notice.works, notice.found) == (True, "8 fields can be written, 3 of them of ticket types")


async def test_routes_of_another_contract_or_none_are_found(
    routes: Open, answering: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with DataminerSimulator("dataminer-api") as sim, routes(sim, url=f"{sim.url}/wrong") as client:
        [notice] = await inspect_routes(client)
        assert (notice.works, notice.remedy) == (None, "install TicketRoutes.cs again")
        monkeypatch.setattr("bridge.simulator.dataminer.routes.CONTRACT", "2.0")
        async with routes(sim) as newer:
            [notice] = await inspect_routes(newer)
        assert notice.works is False
        assert "contract 2.0" in notice.found


async def test_a_ticket_type_that_fits_says_nothing(services: Open) -> None:
    async with DataminerSimulator("dataminer") as sim, services(sim) as client:
        assert await inspect_services(client) == []


async def test_fields_and_states_that_do_not_fit_are_named_with_what_to_set(services: Open) -> None:
    async with DataminerSimulator("dataminer") as sim:
        sim.ticket_kind.fields["State"] = FieldKind("State", "State", {"New": 1, "Awaiting vendor": 2, "Zzz": 3})
        async with services(sim, name_field="Title", key_field="Other", owner_field="") as client:
            fields, state, key = await inspect_services(client)
        assert "name_field = 'Title'" in fields.found
        assert fields.remedy.startswith("set sources.dma.name_field to one of Affected Services")
        assert state == Notice("state", None, "not understood: Zzz", "map them in sources.dma.status_map")
        assert (key.works, key.remedy) == (False, "add a field of type Text there, or set sources.dma.key_field")
        del sim.ticket_kind.fields["State"]
        async with services(sim, write=False) as client:
            [state] = await inspect_services(client)
        assert (state.works, state.remedy) == (False, "set sources.dma.ticket_type")


async def test_a_ticket_type_that_cannot_be_read_is_one_finding(services: Open) -> None:
    async with DataminerSimulator("dataminer") as sim, services(sim, ticket_type="NOC") as client:
        [notice] = await inspect_services(client)
        assert notice.works is False
        assert "no ticket type 'NOC'" in notice.found
