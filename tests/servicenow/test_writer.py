"""Tickets are created, changed and annotated; what an instance refuses comes back in its words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.domain.ticket_system import OutcomeUnknownError, TicketWriter, WriteRefusedError
from bridge.errors import TransientError
from bridge.http.errors import NotFoundError
from bridge.servicenow.writer import TableWriter
from bridge.simulator.servicenow.faults import ServiceNowFaults
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from tests.servicenow.conftest import Reading

pytestmark = pytest.mark.anyio
KEY = "tb-aaaaaaaaaaaaaaaaaaaaaaaaaa"
NEW = {"short_description": "line down", "impact": "1", "urgency": "2"}


@pytest.fixture
def writing(reading: Reading) -> Any:
    """Open a writer: `async with writing(journals="display") as (sim, writer)`."""

    @asynccontextmanager
    async def opened(
        faults: ServiceNowFaults | None = None, population: int = 1, **source: Any
    ) -> AsyncIterator[tuple[ServiceNowSimulator, TicketWriter]]:
        async with (
            ServiceNowSimulator(population=population, seed=3, faults=faults) as sim,
            reading(sim, write=True, **source) as client,
        ):
            yield sim, TableWriter(client)

    return opened


@pytest.mark.parametrize("source", [{}, {"import_set": "u_import_incident"}])
async def test_a_ticket_is_made_with_its_key_changed_and_read(writing: Any, source: dict[str, Any]) -> None:
    async with writing(**source) as (sim, writer):
        made = await writer.create(NEW, KEY)
        assert (made.record["priority"], made.record["correlation_id"], made.version) == ("2", KEY, "0")
        changed = await writer.change(made.id, {"state": "2", "urgency": None})
        assert (changed.record["state"], changed.version) == ("2", "1")
        assert "urgency" not in changed.record
        assert [each.id for each in await writer.find(KEY)] == [made.id]
        assert writer.capabilities.keys_unique is bool(source)
        assert len(sim.incidents) == 2


async def test_an_import_set_makes_no_second_ticket_with_a_key(writing: Any) -> None:
    async with writing(import_set="u_import_incident") as (sim, writer):
        first, second = await writer.create(NEW, KEY), await writer.create(NEW | {"impact": "3"}, KEY)
        assert first.id == second.id == (await writer.create(NEW | {"impact": "3"}, KEY)).id
        assert second.record["impact"] == "3"
        with pytest.raises(WriteRefusedError, match="did not take it: Data Policy Exception"):
            await writer.create(NEW | {"state": "6"}, "tb-2")
        assert len(sim.incidents) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "6"}, "Data Policy Exception: The following fields are mandatory: Resolution code"),
        ({"description": "poison"}, "aborted by Business Rule 'Refused texts"),
        ({"u_nothing": "1"}, "incident has no column u_nothing"),
        ({"work_notes": "x"}, "work_notes is a journal"),
        ({"sys_id": "x"}, "sys_id is written by the instance alone"),
    ],
)
async def test_a_refusal_says_why(writing: Any, changes: dict[str, str], words: str) -> None:
    async with writing(ServiceNowFaults(refused_text="poison")) as (sim, writer):
        before = dict(next(iter(sim.incidents.values())))
        with pytest.raises(WriteRefusedError, match=words):
            await writer.change(before["sys_id"], changes)
        assert next(iter(sim.incidents.values())) == before


async def test_without_write_nothing_is_sent(reading: Reading) -> None:
    async with ServiceNowSimulator(population=1) as sim, reading(sim, journals="display") as client:
        writer, sys_id = TableWriter(client), next(iter(sim.incidents))
        for sending in (
            writer.create(NEW, KEY),
            writer.change(sys_id, {"state": "2"}),
            writer.add_note(sys_id, "[n:k] x", code="n:k"),
        ):
            with pytest.raises(WriteRefusedError, match=r"set sources\.snow\.write = true"):
                await sending
        assert not sim.requests


async def test_a_ticket_that_is_gone_is_not_found(writing: Any) -> None:
    async with writing() as (_, writer):
        with pytest.raises(NotFoundError):
            await writer.change("0" * 32, {"state": "2"})


@pytest.mark.parametrize("fault", ["lose_next", "late_next", "cut_next", "fail_next"])
async def test_a_write_without_an_answer_may_have_been_done(writing: Any, fault: str) -> None:
    async with writing() as (sim, writer):
        await writer.change(next(iter(sim.incidents)), {"description": "first"})  # the columns are known from now on
        setattr(sim.faults, fault, 1)
        with pytest.raises(OutcomeUnknownError, match="may have been done"):
            await writer.create(NEW, KEY)
        assert len(await writer.find(KEY)) == (fault in ("lose_next", "cut_next"))
        sim.carry_out_late()
        assert len(await writer.find(KEY)) == (fault != "fail_next")


async def test_a_quota_says_that_nothing_was_done(writing: Any) -> None:
    async with writing() as (sim, writer):
        await writer.change(next(iter(sim.incidents)), {"description": "first"})
        sim.faults.rate_limited_next, sim.faults.retry_after_seconds = 1, 7
        with pytest.raises(TransientError) as limited:
            await writer.create(NEW, KEY)
        assert not isinstance(limited.value, OutcomeUnknownError)
        assert limited.value.retry_after_seconds == 7
        assert len(sim.incidents) == 1


@pytest.mark.parametrize("mode", ["sys_journal_field", "display"])
async def test_a_note_stands_once_however_often_it_is_added(writing: Any, mode: str) -> None:
    async with writing(journals=mode, notes_field="comments") as (sim, writer):
        sys_id = next(iter(sim.incidents))
        for _ in range(2):
            await writer.add_note(sys_id, "dma 4/17 [n:k3v9x2qa]\nCalled.", code="n:k3v9x2qa")
        await writer.add_note(sys_id, "other [n:other000]\nn:k3v9x2qa", code="n:other000")
        notes = await writer.notes(sys_id)
        assert sorted(note.text.partition("\n")[0] for note in notes) == [
            "dma 4/17 [n:k3v9x2qa]",
            "other [n:other000]",
        ]
        assert len(sim.store.journal(sys_id, "comments")) == 2


async def test_the_state_of_a_problem_needs_an_endpoint_of_its_own(writing: Any) -> None:
    async with writing(table="problem") as (sim, writer):
        made = sim.create("problem")
        with pytest.raises(WriteRefusedError, match="does not move the state of a problem: set state_path"):
            await writer.change(made["sys_id"], {"state": "102"})
        assert (await writer.change(made["sys_id"], {"description": "x"})).record["description"] == "x"
    path = "/api/x_acme/problem/{number}/new_state/{state}"
    async with writing(table="problem", state_path=path) as (sim, writer):
        made = sim.create("problem")
        person = next(iter(sim.store.tables["sys_user"]))
        with pytest.raises(WriteRefusedError, match="Assigned to"):
            await writer.change(made["sys_id"], {"state": "102"})
        moved = await writer.change(made["sys_id"], {"state": "102", "assigned_to": person})
        assert (moved.record["state"], moved.record["assigned_to"]) == ("102", person)


async def test_in_an_empty_table_no_column_is_refused_before_it_is_sent(writing: Any) -> None:
    async with writing(population=0) as (_, writer):
        assert (await writer.create(NEW | {"u_nothing": "1"}, KEY)).record["short_description"] == "line down"
