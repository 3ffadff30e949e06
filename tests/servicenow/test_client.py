"""Pages and single tickets of an instance, and what is said of answers that are none."""

from typing import Any

import pytest
from aiohttp import web

from bridge.errors import PermanentError, TransientError
from bridge.http.errors import MalformedAnswerError, NotFoundError, UnauthorisedError
from bridge.servicenow.client import TableClient
from bridge.settings import ServiceNowSettings
from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from tests.servicenow.conftest import Reading

pytestmark = pytest.mark.anyio


async def items(client: TableClient, **how: Any) -> dict[str, Any]:
    return {row.id: row.read() async for page in client.pages(**how) for row in page.items}


@pytest.mark.parametrize("source", [{}, {"display_values": False}, {"fields": "u_source"}, {"page_size": 1}])
async def test_pages_and_single_tickets_say_the_same(reading: Reading, source: dict[str, Any]) -> None:
    async with ServiceNowSimulator(population=7, seed=1) as sim, reading(sim, **source) as client:
        listed = await items(client)
        assert listed.keys() == sim.incidents.keys()
        for sys_id, item in listed.items():
            assert (await client.get(sys_id)).item == item
            assert item["externalIdentifier"][0]["id"] == sim.incidents[sys_id]["number"]
        assert all("sysparm_fields" in each.query for each in sim.requests) is bool(source.get("fields"))


async def test_a_large_page_is_read_like_a_small_one(reading: Reading) -> None:
    async with ServiceNowSimulator(population=3, seed=1) as sim, reading(sim) as client:
        sim.create(description="long " * 300_000)
        listed = await items(client)
        assert listed.keys() == sim.incidents.keys()
        for sys_id, record in sim.incidents.items():
            assert listed[sys_id]["description"] == record["description"]


async def test_only_tickets_that_meet_the_query_are_read(reading: Reading) -> None:
    async with ServiceNowSimulator(population=7, seed=1) as sim, reading(sim, query="state=2^impact=1") as client:
        assert await items(client) == {}
        mine = sim.create(impact="1")
        sim.change(mine, state="2")
        assert list(await items(client)) == [mine["sys_id"]]


@pytest.mark.parametrize("mode", ["sys_journal_field", "display"])
async def test_notes_come_with_the_pages_and_by_id(reading: Reading, mode: str) -> None:
    async with ServiceNowSimulator(population=3, seed=1) as sim, reading(sim, journals=mode, page_size=2) as client:
        for text in ("first\nline two", "second"):
            record = sim.change(next(iter(sim.incidents.values())), work_notes=text)
        notes = await client.notes(record["sys_id"])
        assert sorted(note.text for note in notes) == ["first\nline two", "second"]
        assert {note.author.casefold().replace(" ", ".") for note in notes} == {"beth.anglin"}
        listed = await items(client)
        assert [note["id"] for note in listed[record["sys_id"]]["note"]] == [note.id for note in notes]
        assert sum("note" in item for item in listed.values()) == 1
        assert (await client.get(record["sys_id"])).item == listed[record["sys_id"]]


async def test_without_journals_notes_are_refused_with_the_key_to_set(reading: Reading) -> None:
    async with ServiceNowSimulator(population=1) as sim, reading(sim) as client:
        assert client.capabilities.notes == "none"
        with pytest.raises(PermanentError, match=r"set sources\.snow\.journals to sys_journal_field or display"):
            await client.notes(next(iter(sim.incidents)))


async def test_a_ticket_that_is_gone_or_hidden_is_not_found(reading: Reading) -> None:
    async with ServiceNowSimulator(population=2) as sim, reading(sim) as client:
        gone, hidden = list(sim.incidents.values())
        sim.delete(gone)
        sim.faults.hidden = {hidden["sys_id"]}
        for record in (gone, hidden):
            with pytest.raises(NotFoundError, match="No Record found"):
                await client.get(record["sys_id"])


@pytest.mark.parametrize("sys_id", ["", ".", "..", " "])
async def test_what_no_address_holds_is_not_requested(reading: Reading, sys_id: str) -> None:
    async with ServiceNowSimulator() as sim, reading(sim) as client:
        with pytest.raises(PermanentError, match="cannot be requested"):
            await client.get(sys_id)
        assert not sim.requests


async def test_a_page_that_ran_out_of_time_is_no_page(reading: Reading) -> None:
    async with ServiceNowSimulator(population=4) as sim, reading(sim) as client:
        sim.faults.cancelled_next = 1
        pages = client.pages()
        with pytest.raises(TransientError, match=r"maximum execution time exceeded.*page_size"):
            await anext(pages)
        assert len((await anext(pages)).items) == 4


async def test_an_instance_that_sleeps_is_said_so(reading: Reading) -> None:
    async with ServiceNowSimulator(faults=ServiceNowFaults(asleep=True)) as sim, reading(sim) as client:
        with pytest.raises(MalformedAnswerError, match="Hibernating"):
            await client.get("1")


async def test_a_quota_says_how_long_to_wait(reading: Reading) -> None:
    async with ServiceNowSimulator(population=1, hourly_limit=1) as sim, reading(sim) as client:
        sys_id = next(iter(sim.incidents))
        await client.get(sys_id)
        with pytest.raises(TransientError, match="Rate limit") as limited:
            await client.get(sys_id)
        assert 3500 < (limited.value.retry_after_seconds or 0) <= 3600


async def test_a_login_by_name_or_by_token(reading: Reading) -> None:
    account = {"username": "bridge", "password": "p:w d", "client_id": "c", "client_secret": "s"}
    async with ServiceNowSimulator(population=1, **account) as sim:
        sys_id = next(iter(sim.incidents))
        async with reading(sim, username="bridge", password="p:w d") as client:
            await client.get(sys_id)
        token = {"oauth2_token_url": f"{sim.url}/oauth_token.do", "oauth2_client_id": "c", "oauth2_client_secret": "s"}
        person = {"grant_type": "password", "username": "bridge", "password": "p:w d"}
        for more in ({}, {"oauth2_parameters": person}):
            async with reading(sim, **token, **more) as client:
                await client.get(sys_id)
                sim.accounts.tokens.clear()
                await client.get(sys_id)
        async with reading(sim, username="bridge", password="wrong") as client:
            with pytest.raises(UnauthorisedError, match="User Not Authenticated"):
                await client.get(sys_id)


async def test_tickets_are_found_by_their_key(reading: Reading) -> None:
    async with ServiceNowSimulator(population=3) as sim, reading(sim) as client:
        made = sim.create(correlation_id="tb-1")
        assert [ticket.id for ticket in await client.find("tb-1")] == [made["sys_id"]]
        assert await client.find("tb-2") == []
        with pytest.raises(PermanentError, match="cannot stand in an encoded query"):
            await client.find("tb^1")


async def test_a_key_column_that_the_instance_does_not_have_is_said(reading: Reading) -> None:
    async with ServiceNowSimulator(population=3) as sim, reading(sim, key_field="u_key") as client:
        with pytest.raises(PermanentError, match=r"sources\.snow\.key_field a column of incident"):
            await client.find("tb-1")


async def test_a_ticket_has_its_record_version_and_address(reading: Reading) -> None:
    async with ServiceNowSimulator(population=1) as sim, reading(sim) as client:
        record = sim.change(next(iter(sim.incidents.values())), state="2")
        ticket = await client.fetch(record["sys_id"])
        assert ticket.version == "1"
        assert ticket.record == {name: value for name, value in record.items() if value}
        assert ticket.updated_at is not None
        assert ticket.url == f"{sim.url}/nav_to.do?uri=incident.do%3Fsys_id%3D{record['sys_id']}"


async def test_an_id_that_no_query_can_hold_blocks_no_notes_of_its_neighbours(reading: Reading) -> None:
    async with ServiceNowSimulator(seed=1) as sim, reading(sim, journals="sys_journal_field") as client:
        for odd in ("a,b", "c^ORsys_idISNOTEMPTY"):
            record = sim.create(short_description="odd")
            sim.incidents[odd] = sim.incidents.pop(record["sys_id"]) | {"sys_id": odd}
        plain = sim.create(short_description="plain")
        sim.change(plain, comments="hello")
        listed = await items(client)
        assert listed.keys() == {"a,b", "c^ORsys_idISNOTEMPTY", plain["sys_id"]}
        assert [note["text"] for note in listed[plain["sys_id"]]["note"]] == ["hello"]


async def test_notes_that_are_repeated_for_ever_are_an_error_and_those_of_others_are_not_kept() -> None:
    entry = {"element_id": "t1", "element": "comments", "value": "x", "sys_created_on": "2026-11-30 10:00:00"}
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        rows = [entry | {"sys_id": "n1"}, entry | {"sys_id": "n2", "element_id": "other"}]
        return web.json_response({"result": rows}, headers={"Link": '</x?sysparm_offset=5000>;rel="next"'})

    application = web.Application()
    application.router.add_get("/api/now/table/sys_journal_field", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        settings = ServiceNowSettings(url=f"http://127.0.0.1:{runner.addresses[0][1]}", journals="sys_journal_field")
        async with TableClient("snow", settings) as client:
            with pytest.raises(TransientError, match="without a new note for ever"):
                await client.notes("t1")
        assert asked == 11
    finally:
        await runner.cleanup()
