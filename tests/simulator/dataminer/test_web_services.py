"""Web Services v1 answers as Skyline's pages say, with both behaviours where they say nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.simulator.dataminer.simulator import DataminerSimulator
from bridge.simulator.dataminer.web_services import NO_CONNECTION

pytestmark = pytest.mark.anyio
Ask = Callable[..., Awaitable[Any]]

LOGIN = {
    "host": "",
    "login": "bridge",
    "password": "secret",
    "clientAppName": "tmf656-bridge",
    "clientAppVersion": "1",
    "clientComputerName": "here",
}


@pytest.fixture
def legacy() -> DataminerSimulator:
    return DataminerSimulator("dataminer", username="bridge", password="secret", seed=1)


@pytest.fixture
def calling(ask: Ask, legacy: DataminerSimulator) -> Callable[..., Awaitable[Any]]:
    """Call a method and return what stands in `d`, or the whole error."""
    connection = ""

    async def call(method: str, **arguments: Any) -> Any:
        nonlocal connection
        url = f"{legacy.url}/API/v1/Json.asmx"
        if not connection:
            connection = (await ask("POST", f"{url}/ConnectApp", json=LOGIN)).body["d"]
        answer = await ask("POST", f"{url}/{method}", json={"connection": connection} | arguments)
        return answer.body["d"] if answer.status == 200 else answer.body

    return call


async def test_a_session_is_needed_and_ends(ask: Ask, legacy: DataminerSimulator, calling: Any) -> None:
    async with legacy:
        url = f"{legacy.url}/API/v1/Json.asmx"
        for wrong in (LOGIN | {"password": "x"}, {**LOGIN, "login": "x"}):
            answer = await ask("POST", f"{url}/ConnectApp", json=wrong)
            assert (answer.status, "user name" in answer.body["Message"]) == (500, True)
        short = {name: value for name, value in LOGIN.items() if name != "host"}
        assert "'host'" in (await ask("POST", f"{url}/ConnectApp", json=short)).body["Message"]
        assert await calling("IsConnectionAlive")
        legacy.sessions.close_all()
        assert not await calling("IsConnectionAlive")
        lost = await calling("GetTicketTypes")
        assert (lost["ExceptionType"], lost["Message"]) == (NO_CONNECTION, "No connection available")


async def test_tickets_are_made_found_and_paged(legacy: DataminerSimulator, calling: Any) -> None:
    async with legacy:
        [kind] = await calling("GetTicketTypes")
        fields = (await calling("GetTicketFields", ticketTypeID=kind["ID"]))["DataMinerFields"]
        [state] = [field for field in fields if field["Type"] == "State"]
        new = [
            {"Name": "Name", "DisplayValue": "line down", "Type": "Text"},
            {"Name": "Bridge Key", "DisplayValue": "tb-1", "Type": "Text"},
        ]
        refused = await calling("CreateTicket", ticket={"Fields": new, "LinkFields": [], "TicketTypeID": kind["ID"]})
        assert "State" in refused["Message"]
        new.append({"Name": state["Name"], "Value": state["PossibleValues"][0]["Value"], "Type": "State"})
        agent, number, guid = await calling(
            "CreateTicket", ticket={"Fields": new, "LinkFields": [], "TicketTypeID": kind["ID"]}
        )
        assert legacy.tickets[guid].values == {"Name": "line down", "Bridge Key": "tb-1", "State": 1}
        read = await calling("GetTicketV2", ticketID=int(number), includeHistory=False)
        assert (read["UID"], str(read["DataMinerID"]), read["IsClosed"]) == (guid, agent, False)
        for _ in range(4):
            legacy.create()
        first = await calling("GetActiveTicketsV2", pageNumber=0, count=3, filter={"TicketTypeID": kind["ID"]})
        rest = await calling("GetActiveTicketsV2", pageNumber=1, count=3, filter={"TicketTypeID": kind["ID"]})
        assert (first["HasNextPage"], rest["HasNextPage"]) == (True, False)
        assert [each["ID"] for each in first["Tickets"] + rest["Tickets"]] == [5, 4, 3, 2, 1]
        wanted = {"Filters": [{"Name": "Bridge Key", "DisplayValue": "tb-1"}]}
        found = await calling("GetActiveTicketsV2", pageNumber=0, count=3, filter=wanted)
        assert [each["ID"] for each in found["Tickets"]] == [1]


async def test_closed_tickets_leave_the_active_list_and_stay_in_the_history(
    legacy: DataminerSimulator, calling: Any
) -> None:
    async with legacy:
        legacy.move(legacy.create(), "Closed")
        active = await calling("GetActiveTicketsV2", pageNumber=0, count=10, filter={})
        history = await calling(
            "GetHistoryTicketsV2", utcStartTime=0, utcEndTime=4102444800000, pageNumber=0, count=10, filter={}
        )
        assert (len(active["Tickets"]), len(history["Tickets"])) == (0, 1)
        before = await calling("GetHistoryTicketsV2", utcStartTime=0, utcEndTime=1, pageNumber=0, count=10, filter={})
        assert before["Tickets"] == []


@pytest.mark.parametrize("style", ["whole", "changed"])
async def test_an_update_replaces_all_fields_or_changes_some(
    legacy: DataminerSimulator, calling: Any, style: str
) -> None:
    legacy.services.update = style
    async with legacy:
        ticket = legacy.create(Name="line down", Owner="eva")
        changed = [{"Name": "State", "Value": 3, "Type": "State"}]
        head = {"DataMinerID": 101, "ID": ticket.number, "TicketTypeID": legacy.ticket_kind.id, "LinkFields": []}
        assert await calling("UpdateTicket", ticket=head | {"Fields": changed}) is None
        assert ticket.values["State"] == 3
        assert ticket.values.get("Owner") == ("eva" if style == "changed" else None)
        answer = await calling("UpdateTicket", ticket=head | {"Fields": [{"Name": "Name", "DisplayValue": "x"}]})
        assert (answer is None) is (style == "changed")


async def test_a_ticket_that_is_gone_is_an_error_or_nothing(legacy: DataminerSimulator, calling: Any) -> None:
    async with legacy:
        ticket = legacy.create()
        assert await calling("RemoveTicketV2", ticketID=ticket.number) is None
        gone = await calling("GetTicketV2", ticketID=ticket.number, includeHistory=False)
        assert "could not be found" in gone["Message"]
        legacy.services.missing = "null"
        assert await calling("GetTicketV2", ticketID=ticket.number, includeHistory=False) is None
