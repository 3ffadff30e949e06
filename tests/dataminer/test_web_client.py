"""The client of Web Services v1 against the simulated DataMiner."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.dataminer.web_client import ACTIVE, _says_missing
from bridge.domain.ticket_system import OutcomeUnknownError, TicketWriter, WriteRefusedError
from bridge.errors import PermanentError, TransientError
from bridge.http.errors import NotFoundError
from bridge.simulator.dataminer.field_values import FieldKind
from bridge.simulator.dataminer.simulator import DataminerSimulator
from bridge.sources.client import SourceClient

pytestmark = pytest.mark.anyio
Open = Callable[..., Any]


@pytest.fixture
def sim() -> DataminerSimulator:
    return DataminerSimulator("dataminer", username="bridge", password="dataminer-passw0rd", seed=1)


async def read(pages: Any) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for page in [page async for page in pages] for row in page.items for item in [row.read()]}


async def test_it_is_what_sources_and_links_need(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim) as client:
        source: SourceClient = client
        writer: TicketWriter = client
        assert (source.hub, list(source.filters), writer.capabilities.notes) == (None, [], "none")
        assert client.settings.untimed_filter == ACTIVE
        assert source.list_address.endswith("/API/v1/Json.asmx/GetActiveTicketsV2")
        assert await source.elsewhere() == {}


async def test_the_first_pass_brings_closed_tickets_too_and_a_poll_those_that_were_closed_since(
    sim: DataminerSimulator, services: Open
) -> None:
    async with sim, services(sim, page_size=3) as client:
        tickets = [sim.create() for _ in range(7)]
        sim.move(tickets[0], "Closed")
        first = client.pages(filter_style=ACTIVE)
        assert set(await read(first)) == {f"101/{ticket.number}" for ticket in tickets}
        assert first.completeness.complete
        sim.move(tickets[3], "Closed")
        sim.delete(tickets[4])
        polled = await read(client.pages(filter_style=ACTIVE))
        assert set(polled) == {f"101/{ticket.number}" for ticket in tickets[1:] if ticket is not tickets[4]}
        assert polled[f"101/{tickets[3].number}"]["status"] == "Closed"
        quiet = await read(client.pages(filter_style=ACTIVE))
        assert f"101/{tickets[3].number}" not in quiet
        assert set(await read(client.pages())) == {f"101/{t.number}" for t in tickets if t is not tickets[4]}


async def test_a_ticket_that_slips_between_two_pages_is_asked_for_by_id(
    sim: DataminerSimulator, services: Open
) -> None:
    async with sim, services(sim, page_size=2) as client:
        tickets = [sim.create() for _ in range(6)]
        await read(client.pages(filter_style=ACTIVE))
        pages = client.pages(filter_style=ACTIVE)
        items = [row.read()["id"] for row in (await anext(pages)).items]
        sim.move(tickets[5], "Closed")  # those behind it move up by one
        items += list(await read(pages))
        assert set(items) == {f"101/{ticket.number}" for ticket in tickets}


async def test_a_pass_that_broke_off_leaves_what_is_known_of_the_active_ones(
    sim: DataminerSimulator, services: Open
) -> None:
    async with sim, services(sim, page_size=2) as client:
        tickets = [sim.create() for _ in range(4)]
        await read(client.pages())
        sim.move(tickets[0], "Closed")
        broken = client.pages(filter_style=ACTIVE)
        await anext(broken)
        sim.faults.fail_next = 1
        with pytest.raises(TransientError):
            await anext(broken)
        assert f"101/{tickets[0].number}" in await read(client.pages(filter_style=ACTIVE))


async def test_a_ticket_that_cannot_be_read_delays_no_other_and_is_asked_for_again(
    sim: DataminerSimulator, services: Open
) -> None:
    async with sim, services(sim) as client:
        tickets = [sim.create() for _ in range(3)]
        await read(client.pages())
        for ticket in tickets[:2]:
            sim.move(ticket, "Closed")
        sim.services.unreadable = {tickets[0].number}
        polled = client.pages(filter_style=ACTIVE)
        assert set(await read(polled)) == {f"101/{ticket.number}" for ticket in tickets[1:]}
        assert polled.completeness.complete
        sim.services.unreadable = set()
        assert f"101/{tickets[0].number}" in await read(client.pages(filter_style=ACTIVE))


@pytest.mark.parametrize("missing", ["error", "null"])
async def test_a_ticket_that_is_gone_is_not_found(sim: DataminerSimulator, services: Open, missing: Any) -> None:
    sim.services.missing = missing
    async with sim, services(sim) as client:
        ticket = sim.create()
        assert (await client.get(f"101/{ticket.number}")).item["name"] == ticket.values["Name"]
        sim.delete(ticket)
        for gone in (f"101/{ticket.number}", "no-number"):
            with pytest.raises(NotFoundError):
                await client.get(gone)
        other = sim.create()
        with pytest.raises(NotFoundError, match="belongs to DataMiner 101 now"):
            await client.get(f"102/{other.number}")


async def test_a_create_carries_the_key_and_a_state(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim) as client:
        made = await client.create({"Name": "line down", "Priority": "High"}, "tb-1")
        [ticket] = sim.tickets.values()
        assert ticket.values == {"State": 1, "Name": "line down", "Priority": 2, "Bridge Key": "tb-1"}
        assert (made.id, made.record["State"]) == (f"101/{ticket.number}", "New")
        assert [found.id for found in await client.find("tb-1")] == [made.id]
        sim.move(ticket, "Closed")
        assert [found.record["IsClosed"] for found in await client.find("tb-1", since=ticket.created_at)] == [True]
        assert await client.find("tb-2") == []


@pytest.mark.parametrize("fault", ["lose", "late"])
async def test_a_create_without_an_answer_may_have_been_done(
    sim: DataminerSimulator, services: Open, fault: str
) -> None:
    async with sim, services(sim) as client:
        await client.ticket_type()
        setattr(sim.faults, f"{fault}_next", 1)
        with pytest.raises(OutcomeUnknownError):
            await client.create({"Name": "line down"}, "tb-1")
        sim.carry_out_late()
        assert len(await client.find("tb-1")) == len(sim.tickets) == 1


@pytest.mark.parametrize(("style", "sends"), [("whole", "whole"), ("changed", "whole"), ("changed", "changed")])
async def test_a_change_keeps_the_other_fields_whatever_an_update_does(
    sim: DataminerSimulator, services: Open, style: Any, sends: str
) -> None:
    sim.services.update = style
    async with sim, services(sim, update_sends=sends) as client:
        ticket = sim.create(Name="line down", Owner="eva", Due=1_772_323_200_000)
        before = dict(ticket.values)
        changed = await client.change(f"101/{ticket.number}", {"State": "In Progress", "Incident Number": "INC1"})
        assert ticket.values == before | {"State": 3, "Incident Number": "INC1"}
        assert (changed.record["State"], changed.record["Owner"]) == ("In Progress", "eva")
        update = next(request for request in reversed(sim.requests) if request.path.endswith("UpdateTicket"))
        assert (b'"eva"' in update.body) is (sends == "whole")


async def test_a_write_that_cannot_be_read_afterwards_is_not_known(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim) as client:
        sim.services.unreadable = {1}
        with pytest.raises(OutcomeUnknownError, match="not read afterwards"):
            await client.create({"Name": "line down"}, "tb-1")
        assert [ticket.number for ticket in sim.tickets.values()] == [1]


async def test_refusals_name_what_there_is(sim: DataminerSimulator, services: Open) -> None:
    sim.faults.refuse = {"Owner"}
    async with sim, services(sim) as client, services(sim, key_field="Other") as keyless:
        ticket_id = f"101/{sim.create().number}"
        with pytest.raises(WriteRefusedError, match=r"source dma: .* no field Colour \(it has: Affected"):
            await client.change(ticket_id, {"Colour": "red"})
        with pytest.raises(WriteRefusedError, match="Field Owner is read-only"):
            await client.change(ticket_id, {"Owner": "eva"})
        with pytest.raises(WriteRefusedError, match=r"no field 'Other' for the key: add one .*sources\.dma\.key_field"):
            await keyless.create({"Name": "x"}, "tb-1")
        with pytest.raises(WriteRefusedError, match="have no notes"):
            await client.add_note(ticket_id, "x", code="k")
        assert await client.notes(ticket_id) == []


async def test_a_ticket_type_that_is_not_there_is_named_with_those_that_are(
    sim: DataminerSimulator, services: Open
) -> None:
    async with sim, services(sim, ticket_type="NOC") as client, services(sim, ticket_type="") as only:
        with pytest.raises(
            PermanentError, match=r"no ticket type 'NOC' .there are: SES.: set sources\.dma\.ticket_type"
        ):
            await read(client.pages())
        assert (await only.ticket_type()).id == sim.ticket_kind.id


async def test_a_page_is_read_whatever_its_list_is_called(sim: DataminerSimulator, services: Open) -> None:
    sim.services.list_name = "Items"
    async with sim, services(sim) as client:
        sim.create()
        assert len(await read(client.pages())) == 1


async def test_nothing_is_written_where_the_settings_do_not_say_so(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim, write=False) as client:
        ticket = sim.create()
        before = len(sim.requests)
        with pytest.raises(WriteRefusedError, match=r"set sources\.dma\.write = true"):
            await client.create({"Name": "x"}, "tb-1")
        with pytest.raises(WriteRefusedError, match="write = true"):
            await client.change(f"101/{ticket.number}", {"Name": "x"})
        assert len(sim.requests) == before


async def test_a_change_leaves_values_that_the_type_no_longer_has(sim: DataminerSimulator, services: Open) -> None:
    """Only what is changed is encoded; the rest goes back as it came."""
    async with sim, services(sim) as client:
        ticket = sim.create(Owner="eva")
        await client.ticket_type()
        assert client._type is not None
        del client._type.fields["Priority"].choices["Critical"]
        ticket.values["Priority"] = 1
        await client.change(f"101/{ticket.number}", {"State": "In Progress"})
        assert (ticket.values["Priority"], ticket.values["State"]) == (1, 3)


async def test_a_field_that_was_added_since_can_be_written(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim) as client:
        ticket = sim.create()
        await client.ticket_type()
        sim.ticket_kind.fields["Region"] = FieldKind("Region", "Text")
        await client.change(f"101/{ticket.number}", {"Region": "north"})
        assert ticket.values["Region"] == "north"


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("The ticket could not be found.", True),
        ("Ticket 101/7 does not exist", True),
        ("The DataMiner Agent of the ticket was not found.", False),
        ("The ticket type does not exist.", False),
        ("User not found", False),
    ],
)
def test_only_a_ticket_that_is_missing_counts_as_missing(words: str, missing: bool) -> None:
    assert _says_missing(words) is missing


async def test_a_page_of_more_than_a_megabyte_is_read_like_any_other(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim) as client:
        for number in range(40):
            sim.create(Name=f"{number} " + "x" * 30_000)
        assert len(await read(client.pages())) == 40
