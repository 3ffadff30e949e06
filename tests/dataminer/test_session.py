"""Sessions of Web Services v1: opened once, again when they end, and not at all when the login is refused."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from bridge.dataminer.session import ServiceRefusedError
from bridge.domain.ticket_system import OutcomeUnknownError, WriteRefusedError
from bridge.errors import TransientError
from bridge.http.errors import MalformedAnswerError, NotSentError, UnauthorisedError
from bridge.simulator.dataminer.simulator import DataminerSimulator

pytestmark = pytest.mark.anyio
Open = Callable[..., Any]


@pytest.fixture
def sim() -> DataminerSimulator:
    return DataminerSimulator("dataminer", username="bridge", password="dataminer-passw0rd", seed=1)


async def test_many_tasks_share_one_login_and_it_is_ended_at_the_end(sim: DataminerSimulator, services: Open) -> None:
    async with sim:
        async with services(sim) as client, anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(client.session.call, "types", "GetTicketTypes", {})
        assert sim.sessions.opened == 1
        assert len(sim.sessions) == 0


async def test_a_session_that_ended_is_replaced_and_the_call_is_sent_again(
    sim: DataminerSimulator, services: Open
) -> None:
    async with sim, services(sim) as client:
        await client.ticket_type()
        sim.sessions.close_all()
        made = await client.create({"Name": "line down"}, "tb-1")
        assert made.record["Name"] == "line down"
        assert (sim.sessions.opened, len(sim.tickets)) == (2, 1)


async def test_user_name_and_password_go_to_the_login_only(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim) as client:
        await client.ticket_type()
        with_password = [request.path for request in sim.requests if b"dataminer-passw0rd" in request.body]
        assert [path.rpartition("/")[2] for path in with_password] == ["ConnectApp"]
        assert client.http.settings.username == ""


async def test_a_refused_login_is_told_without_the_password_and_waits(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim, password="dataminer-wr0ng-password") as client:
        for _ in range(5):
            with pytest.raises(UnauthorisedError, match=r"sources\.dma\.username|not logged in") as refused:
                await client.ticket_type()
            assert "dataminer-wr0ng-password" not in str(refused.value)
        assert len(sim.requests) == 2


async def test_a_server_that_ends_each_session_at_once_has_carried_out_nothing(
    sim: DataminerSimulator, services: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sim, services(sim) as client:
        await client.ticket_type()
        monkeypatch.setattr(sim.sessions, "touch", lambda _: False)
        with pytest.raises(NotSentError, match="ends each session at once"):
            await client.session.call_to_write("create", "CreateTicket", {"ticket": {}})


async def test_refusals_of_dataminer_are_told_from_failures_of_its_server(
    sim: DataminerSimulator, services: Open
) -> None:
    async with sim, services(sim) as client:
        ask, write = client.session.call, client.session.call_to_write
        with pytest.raises(ServiceRefusedError, match="The ticket type does not exist"):
            await ask("types", "GetTicketType", {"ticketTypeID": "x"})
        with pytest.raises(TransientError, match="missing value for parameter"):
            await ask("types", "GetTicketType", {})
        with pytest.raises(WriteRefusedError, match="The ticket type does not exist"):
            await write("create", "CreateTicket", {"ticket": {"TicketTypeID": "x"}})
        sim.faults.fail_next = 1
        with pytest.raises(OutcomeUnknownError, match="may have been done"):
            await write("create", "CreateTicket", {"ticket": {}})
        sim.faults.rate_limited_next = 1
        with pytest.raises(TransientError) as limited:
            await write("create", "CreateTicket", {"ticket": {}})
        assert (type(limited.value), limited.value.retry_after_seconds) == (TransientError, 1)


@pytest.mark.parametrize("document", [{"x": 1}, [], {"d": None}, {"d": 3}])
async def test_an_answer_that_is_no_session_is_said(
    sim: DataminerSimulator, services: Open, answering: Open, document: Any
) -> None:
    async with answering(document) as url, services(sim, url=url) as client:
        with pytest.raises(MalformedAnswerError):
            await client.ticket_type()


async def test_a_login_that_cannot_be_sent_has_changed_nothing(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim) as client:
        sim.faults.down = True
        with pytest.raises(NotSentError):
            await client.session.call_to_write("create", "CreateTicket", {"ticket": {}})


async def test_the_address_may_name_the_service_itself(sim: DataminerSimulator, services: Open) -> None:
    async with sim, services(sim, url=f"{sim.url}/API/v1/Json.asmx") as client:
        assert (await client.ticket_type()).fields["State"].type == "State"
