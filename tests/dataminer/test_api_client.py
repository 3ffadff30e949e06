"""The client of the routes against the simulated DataMiner."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bridge.dataminer.api_client import SINCE
from bridge.domain.completeness import Gap
from bridge.domain.ticket_system import OutcomeUnknownError, TicketWriter, VersionChangedError, WriteRefusedError
from bridge.errors import PermanentError, TransientError
from bridge.http.errors import MalformedAnswerError, NotFoundError, UnauthorisedError
from bridge.simulator.dataminer.faults import DataminerFaults
from bridge.simulator.dataminer.simulator import DataminerSimulator
from bridge.sources.client import SourceClient

pytestmark = pytest.mark.anyio
Open = Callable[..., Any]


@pytest.fixture
def sim() -> DataminerSimulator:
    return DataminerSimulator("dataminer-api", token="dataminer-t0ken", seed=1)


async def read(pages: Any) -> list[dict[str, Any]]:
    return [row.read() async for page in pages for row in page.items]


async def test_it_is_what_sources_and_links_need(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim) as client:
        source: SourceClient = client
        writer: TicketWriter = client
        assert (source.hub, source.filters, writer.capabilities.keys_unique) == (None, ("since",), True)
        assert source.list_address.endswith("/tmf656-bridge/tickets")
        assert await source.elsewhere() == {}


async def test_a_pass_brings_every_ticket_and_is_complete(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim, page_size=3) as client:
        tickets = [sim.create() for _ in range(8)]
        pages = client.pages()
        assert pages.completeness.gap is Gap.UNFINISHED
        items = await read(pages)
        assert [item["id"] for item in items] == [ticket.guid for ticket in tickets]
        assert (pages.completeness.complete, pages.distinct) == (True, 8)
        assert pages.unseen([tickets[0].guid, "gone"]) == ["gone"]
        sim.change(tickets[2], name="changed")
        since = client.pages(changed_since=tickets[7].modified_at, filter_style=SINCE)
        assert [item["name"] for item in await read(since)] == [tickets[7].values["name"], "changed"]
        assert await read(client.pages()) == [(await client.get(ticket.guid)).item for ticket in sim.store.listed()]


async def test_a_page_that_failed_is_asked_for_again(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim, page_size=2) as client:
        tickets = [sim.create() for _ in range(5)]
        pages = client.pages()
        rows = [row.read()["id"] for row in (await anext(pages)).items]
        sim.faults.cut = 1
        with pytest.raises(TransientError):
            await anext(pages)
        sim.faults.cut = 0
        rows += [item["id"] for item in await read(pages)]
        assert rows == [ticket.guid for ticket in tickets]
        assert pages.completeness.complete


async def test_a_ticket_that_is_gone_is_told_from_a_route_that_is_not_there(
    sim: DataminerSimulator, routes: Open
) -> None:
    async with sim, routes(sim) as client, routes(sim, url=f"{sim.url}/wrong") as lost:
        ticket = sim.create()
        sim.delete(ticket)
        with pytest.raises(NotFoundError, match="no ticket with this id"):
            await client.get(ticket.guid)
        with pytest.raises(PermanentError, match=r"route .* defined in DataMiner, and sources\.dma2\.url") as wrong:
            await lost.get(ticket.guid)
        assert not isinstance(wrong.value, NotFoundError)


async def test_a_wrong_token_is_named_and_not_tried_for_ever(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim, token="dataminer-wr0ng-token") as client:
        for _ in range(4):
            with pytest.raises(UnauthorisedError, match=r"sources\.dma2|not sent"):
                await client.get("x")
        assert len(sim.requests) == 2


async def test_a_create_is_one_ticket_however_often_it_is_sent(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim) as client:
        fields = {"name": "line down", "state": "In Progress", "fields.Incident Number": "INC1"}
        made = await client.create(fields, "tb-1")
        again = await client.create(fields | {"name": "other"}, "tb-1")
        assert made.record == again.record
        assert (made.record["fields"], made.record["key"]) == ({"Incident Number": "INC1"}, "tb-1")
        assert made.item["externalIdentifier"][0]["id"] == "tb-1"
        for since in (None, made.updated_at - timedelta(hours=1)):
            assert [ticket.id for ticket in await client.find("tb-1", since=since)] == [made.id]
        assert await client.find("tb-2") == []


@pytest.mark.parametrize("fault", ["lose", "late"])
async def test_a_create_without_an_answer_may_have_been_done(sim: DataminerSimulator, routes: Open, fault: str) -> None:
    async with sim, routes(sim) as client:
        await client.about()
        setattr(sim.faults, f"{fault}_next", 1)
        with pytest.raises(OutcomeUnknownError):
            await client.create({"name": "line down"}, "tb-1")
        sim.carry_out_late()
        assert [ticket.id for ticket in await client.find("tb-1")] == list(sim.tickets)
        assert (await client.create({"name": "line down"}, "tb-1")).id in sim.tickets
        assert len(sim.tickets) == 1


async def test_a_change_compares_and_sets(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim) as client:
        ticket = sim.create(name="line down")
        seen = await client.fetch(ticket.guid)
        sim.change(ticket, assignee="eva")
        with pytest.raises(VersionChangedError) as conflict:
            await client.change(ticket.guid, {"state": "Resolved"}, version=seen.version)
        assert conflict.value.ticket is not None
        assert conflict.value.ticket.record["assignee"] == "eva"
        assert ticket.values["state"] != "Resolved"
        changed = await client.change(ticket.guid, {"state": "Resolved"}, version=conflict.value.ticket.version)
        assert (changed.record["state"], changed.item["status"]) == ("Resolved", "Resolved")
        assert changed.version == str(ticket.ticks)
        sim.delete(ticket)
        with pytest.raises(NotFoundError):
            await client.change(ticket.guid, {"state": "Closed"})


async def test_what_the_system_does_not_have_is_refused_before_anything_is_sent(
    sim: DataminerSimulator, routes: Open
) -> None:
    async with sim, routes(sim) as client:
        ticket = sim.create()
        for unknown in ({"colour": "red"}, {"fields.Colour": "red"}, {"lastModified": "2026-01-01T00:00:00Z"}):
            with pytest.raises(WriteRefusedError, match=r"source dma2: no such field .*fields\.Incident Number"):
                await client.change(ticket.guid, unknown)
        assert {request.method for request in sim.requests} == {"GET"}


async def test_a_refusal_has_the_words_of_the_system(sim: DataminerSimulator, routes: Open) -> None:
    sim.faults.refuse_ended = True
    async with sim, routes(sim) as client:
        ticket = sim.create(state="Closed")
        with pytest.raises(WriteRefusedError, match="A ticket that is Closed is read-only"):
            await client.change(ticket.guid, {"state": "In Progress"})
        with pytest.raises(WriteRefusedError, match="state must be one of Acknowledged"):
            await client.create({"name": "x", "state": "Solved"}, "tb-1")


async def test_too_many_requests_pause_as_long_as_the_system_says(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim) as client:
        await client.about()
        sim.faults.rate_limited_next, sim.faults.retry_after_seconds = 1, 7
        with pytest.raises(TransientError, match="1014") as limited:
            await client.create({"name": "x"}, "tb-1")
        assert not isinstance(limited.value, OutcomeUnknownError)
        assert limited.value.retry_after_seconds == 7
        assert sim.tickets == {}


async def test_notes_are_read_and_added_once(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim) as client:
        ticket = sim.create()
        sim.add_note(ticket, "by hand")
        for _ in range(2):
            await client.add_note(ticket.guid, "snow INC1 [n:k3]\ncopy", code="n:k3")
        assert ticket.notes[-1].code == "k3"
        notes = await client.notes(ticket.guid)
        assert [(note.author, note.text) for note in notes] == [
            ("dispatcher", "by hand"),
            ("tmf656-bridge", "snow INC1 [n:k3]\ncopy"),
        ]
        assert [note.at for note in notes] == [note.at for note in ticket.notes]
        assert len({note.id for note in notes}) == 2
        sim.delete(ticket)
        with pytest.raises(NotFoundError):
            await client.add_note(ticket.guid, "x", code="k4")
        with pytest.raises(NotFoundError):
            await client.notes(ticket.guid)


async def test_another_contract_is_refused(sim: DataminerSimulator, routes: Open, monkeypatch: Any) -> None:
    monkeypatch.setattr("bridge.simulator.dataminer.routes.CONTRACT", "2.0")
    async with sim, routes(sim) as client:
        with pytest.raises(PermanentError, match=r"contract 2\.0, this program knows 1\.x: install"):
            await client.create({"name": "x"}, "tb-1")


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ([], MalformedAnswerError),
        ({"tickets": 3}, MalformedAnswerError),
        ({"tickets": [], "next": 3}, MalformedAnswerError),
        ({"tickets": [{"id": "a"}], "next": "1_a"}, MalformedAnswerError),
    ],
)
async def test_an_answer_that_is_no_page_is_an_error_and_no_end(
    sim: DataminerSimulator, routes: Open, answering: Open, document: Any, error: type[Exception]
) -> None:
    """The last of these never comes to an end: it ignores `after`."""
    async with answering(document) as url, routes(sim, url=url) as client:
        pages = client.pages()
        with pytest.raises(error):
            await read(pages)
        assert not pages.completeness.complete


async def test_rows_that_are_no_tickets_are_passed_on_for_their_reader_to_say(
    sim: DataminerSimulator, routes: Open, answering: Open
) -> None:
    document = {"tickets": [3, {"name": "without id"}, {"id": "a", "name": "b"}], "next": None}
    async with answering(document) as url, routes(sim, url=url) as client:
        rows = await read(client.pages())
        assert [type(row) for row in rows] == [int, dict, dict]
        assert rows[2]["name"] == "b"


async def test_faults_of_a_read_are_transient(routes: Open) -> None:
    sim = DataminerSimulator("dataminer-api", faults=DataminerFaults(error_rate=1))
    async with sim, routes(sim) as client:
        with pytest.raises(TransientError, match="could not be executed"):
            await client.get("x")


async def test_nothing_is_written_where_the_settings_do_not_say_so(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim, write=False) as client:
        ticket = sim.create()
        before = len(sim.requests)
        with pytest.raises(WriteRefusedError, match=r"set sources\.dma2\.write = true"):
            await client.create({"name": "x"}, "tb-1")
        with pytest.raises(WriteRefusedError, match="write = true"):
            await client.change(ticket.guid, {"name": "x"})
        with pytest.raises(WriteRefusedError, match="write = true"):
            await client.add_note(ticket.guid, "x", code="k")
        assert len(sim.requests) == before


async def test_a_field_that_was_added_since_can_be_written(
    sim: DataminerSimulator, routes: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sim, routes(sim) as client:
        ticket = sim.create()
        await client.about()
        monkeypatch.setattr("bridge.simulator.dataminer.routes.CUSTOM", ("Region",))
        changed = await client.change(ticket.guid, {"fields.Region": "north"})
        assert changed.record["fields"] == {"Region": "north"}


async def test_a_create_at_a_route_that_is_not_there_is_no_ticket_that_is_gone(
    sim: DataminerSimulator, routes: Open
) -> None:
    async with sim, routes(sim, url=f"{sim.url}/wrong") as lost:
        with pytest.raises(PermanentError, match="is the route") as wrong:
            await lost.create({"name": "x"}, "tb-1")
        assert not isinstance(wrong.value, NotFoundError)


async def test_a_page_of_more_than_a_megabyte_is_read_like_any_other(sim: DataminerSimulator, routes: Open) -> None:
    async with sim, routes(sim) as client:
        for number in range(40):
            sim.create(name=f"{number} " + "x" * 30_000)
        assert len(await read(client.pages())) == 40
