"""A gateway before ServiceNow as a source: encoded queries to read, a key of its own and notes that append to write."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from bridge.domain.ticket_system import Ticket, WriteRefusedError
from bridge.settings import Tmf656Settings
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from bridge.tmf656.client import Client
from bridge.tmf656.facade_writer import FacadeWriter

pytestmark = pytest.mark.anyio
KEY = "tb-aaaaaaaaaaaaaaaaaaaaaaaaaa"
NEW: dict[str, Any] = {
    "name": "Line down",
    "description": "no light",
    "category": "network",
    "reason": "cut",
    "priority": "2",
    "originatorParty": {"id": "dma", "role": "originator", "@referredType": "Organization"},
    "u_source": "dataminer",
}


@asynccontextmanager
async def writing(sim: ServiceNowSimulator, **source: Any) -> AsyncIterator[FacadeWriter]:
    given = {"url": sim.facade_url, "profile": "servicenow-facade", "write": True, "query": "u_source=dataminer"}
    settings = Tmf656Settings.model_validate(given | source)
    async with Client("snow", settings) as client:
        yield FacadeWriter(client, settings)


def asked(sim: ServiceNowSimulator) -> str:
    return unquote(sim.requests[-1].query)


async def test_a_list_asks_by_an_encoded_query_and_pages_by_sysparm() -> None:
    async with ServiceNowSimulator(seed=1) as sim:
        for number in range(7):
            sim.create(short_description=f"ours {number}", u_source="dataminer")
            sim.create(short_description=f"theirs {number}")
        settings = Tmf656Settings(
            url=sim.facade_url, profile="servicenow-facade", query="u_source=dataminer", page_size=3
        )
        async with Client("snow", settings) as client:
            pages = client.pages()
            names = [row.read()["name"] async for page in pages for row in page.items]
            assert sorted(set(names)) == [f"ours {number}" for number in range(7)]
            assert pages.complete
            assert {"sysparm_limit", "sysparm_query"} <= {part.partition("=")[0] for part in asked(sim).split("&")}

            since = datetime.now(UTC) + timedelta(hours=1)
            assert client.filters == ("sysparm",)
            later = client.pages(changed_since=since, filter_style="sysparm")
            assert [page async for page in later if len(page.items)] == []
            bound = since.strftime("sys_updated_on>=%Y-%m-%d %H:%M:%S")
            assert f"u_source=dataminer^{bound}" in asked(sim)
            assert "limit=3" in asked(sim)


@pytest.mark.parametrize("field", ["", "u_external_id"])
async def test_a_key_stands_in_the_column_that_keeps_it_and_is_found_there(field: str) -> None:
    async with ServiceNowSimulator(seed=1) as sim, writing(sim, key_field=field) as writer:
        made = await writer.create(NEW, KEY)
        assert sim.incidents[made.id][field or "correlation_id"] == KEY
        assert made.record["number"].startswith("INC")
        found: list[Ticket] = await writer.find(KEY)
        assert [ticket.id for ticket in found] == [made.id]
        assert f"u_source=dataminer^{field or 'correlation_id'}={KEY}" in asked(sim)
        assert await writer.find(KEY.replace("a", "b")) == []


async def test_a_key_may_be_a_characteristic() -> None:
    settings = Tmf656Settings(
        url="https://gw.example", profile="servicenow-facade", key_field="characteristic.u_external_id"
    )
    async with Client("snow", settings) as client:
        writer = FacadeWriter(client, settings)
        draft = writer.keyed({"characteristic": [{"name": "a", "value": 1}]}, KEY, "4")
        assert draft["characteristic"] == [{"name": "a", "value": 1}, {"name": "u_external_id", "value": KEY}]
        assert writer.carries(draft, KEY)
        assert not writer.carries({"characteristic": [{"name": "a", "value": KEY}, None]}, KEY)
        assert "u_external_id" in writer.key_query(KEY, "4")


async def test_a_note_is_sent_alone_and_once() -> None:
    async with ServiceNowSimulator(seed=1) as sim, writing(sim) as writer:
        made = await writer.create(NEW, KEY)
        sim.change(sim.incidents[made.id], comments="From a person.")
        for _ in range(2):
            await writer.add_note(made.id, "noc 1 [n:abcdefgh]\nhello", code="n:abcdefgh")
        texts = [entry["value"] for entry in sim.store.journal(made.id, "comments")]
        assert texts == ["From a person.", "noc 1 [n:abcdefgh]\nhello"]
        assert [note.text for note in await writer.notes(made.id)] == texts


async def test_a_gateway_that_does_not_say_its_notes_gets_one_and_is_then_refused_as_a_target() -> None:
    async with ServiceNowSimulator(seed=1) as sim, writing(sim) as writer:
        made = await writer.create(NEW, KEY)
        sim.faults.unreadable_columns = {"comments"}
        with pytest.raises(WriteRefusedError, match="did not keep the note"):
            await writer.add_note(made.id, "noc 1 [n:abcdefgh]\nhello", code="n:abcdefgh")
        assert len(sim.store.journal(made.id, "comments")) == 1


async def test_a_change_moves_the_record_and_what_a_rule_refuses_is_told_in_its_words() -> None:
    async with ServiceNowSimulator(seed=1) as sim, writing(sim) as writer:
        made = await writer.create(NEW, KEY)
        changed = await writer.change(made.id, {"status": "resolved", "priority": "4"})
        assert (changed.record["status"], sim.incidents[made.id]["state"]) == ("resolved", "6")
        assert (sim.incidents[made.id]["impact"], sim.incidents[made.id]["urgency"]) == ("2", "3")
        sim.faults.refused_text = "forbidden"
        with pytest.raises(WriteRefusedError, match="Business Rule"):
            await writer.change(made.id, {"name": "forbidden"})


async def test_nothing_is_sent_without_the_right_to_write() -> None:
    async with ServiceNowSimulator(seed=1) as sim, writing(sim, write=False) as writer:
        with pytest.raises(WriteRefusedError, match="write = true"):
            await writer.add_note("x", "text", code="n:abcdefgh")
        assert len(sim.requests) == 0
