"""Writing by TMF621: four columns and notes; the key is the first work note."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.domain.ticket_system import OutcomeUnknownError, TicketWriter, WriteRefusedError
from bridge.servicenow.trouble_ticket import TroubleTicketWriter
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from tests.servicenow.conftest import Reading

pytestmark = pytest.mark.anyio
KEY = "tb-aaaaaaaaaaaaaaaaaaaaaaaaaa"
NEW = {"short_description": "line down", "description": "no light", "priority": "2", "state": "2"}


@pytest.fixture
def writing(reading: Reading) -> Any:
    """Open a writer: `async with writing(table="incident") as (sim, writer)`."""

    @asynccontextmanager
    async def opened(**source: Any) -> AsyncIterator[tuple[ServiceNowSimulator, TicketWriter]]:
        settings = {"write": True, "write_by": "trouble_ticket", "journals": "sys_journal_field"} | source
        async with ServiceNowSimulator(population=2, seed=3) as sim, reading(sim, **settings) as client:
            yield sim, TroubleTicketWriter(client)

    return opened


@pytest.mark.parametrize(("table", "state"), [("incident", "2"), ("sn_sprb_mgmt_case", "10")])
async def test_a_ticket_is_made_found_changed_and_noted(writing: Any, table: str, state: str) -> None:
    async with writing(table=table) as (sim, writer):
        made = await writer.create(NEW | {"state": state}, KEY)
        said = {name: made.record.get(name) for name in NEW}
        assert said == NEW | {"state": state}
        assert [each.id for each in await writer.find(KEY)] == [made.id]
        assert await writer.find("tb-other") == []
        changed = await writer.change(made.id, {"description": "light again", "priority": "5"})
        assert (changed.record["description"], changed.record["priority"]) == ("light again", "5")
        for _ in range(2):
            await writer.add_note(made.id, "dma 4/17 [n:k3v9x2qa]\nCalled.", code="n:k3v9x2qa")
        texts = [note.text.partition("\n")[0] for note in await writer.notes(made.id)]
        assert texts == [f"[{KEY}] created by tmf656-bridge", "dma 4/17 [n:k3v9x2qa]"]
        assert len(sim.store.tables[table]) == (3 if table == "incident" else 1)


@pytest.mark.parametrize(
    ("source", "fields", "words"),
    [
        ({"write": False}, NEW, r"set sources\.snow\.write = true"),
        ({"journals": "display"}, NEW, r"set sources\.snow\.journals"),
        ({"table": "problem"}, NEW, "TMF621 makes no problem"),
        ({}, NEW | {"impact": "1"}, "TMF621 takes no impact, only short_description"),
        ({}, {"short_description": "x", "priority": "2"}, "Missing body field: description"),
        ({}, NEW | {"state": "6"}, "mandatory: Resolution code"),
    ],
)
async def test_a_refusal_says_why(writing: Any, source: dict[str, Any], fields: dict[str, str], words: str) -> None:
    async with writing(**source) as (sim, writer):
        with pytest.raises(WriteRefusedError, match=words):
            await writer.create(fields, KEY)
        assert len(sim.incidents) == 2


async def test_a_create_without_an_answer_is_found_by_its_note(writing: Any) -> None:
    async with writing() as (sim, writer):
        sim.faults.lose_next = 1
        with pytest.raises(OutcomeUnknownError):
            await writer.create(NEW, KEY)
        assert len(await writer.find(KEY)) == 1
