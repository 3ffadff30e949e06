"""The write side of a TMF656 server of each version, against the simulator over real HTTP."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.domain.observation import Via
from bridge.domain.ticket_system import OutcomeUnknownError, TicketWriter, VersionChangedError, WriteRefusedError
from bridge.errors import TransientError
from bridge.http.errors import NotFoundError
from bridge.settings import Tmf656Settings
from bridge.simulator import Faults, Simulator
from bridge.tmf656.client import Client
from bridge.tmf656.problem_writer import ProblemWriter
from bridge.tmf656.wire import read_problem

pytestmark = pytest.mark.anyio

VERSIONS = ("2", "3", "r18.5", "4", "5")
ALL = pytest.mark.parametrize("version", VERSIONS)
KEY = "tb-aaaaaaaaaaaaaaaaaaaaaaaaaa"
NEW: dict[str, Any] = {
    "description": "no light",
    "category": "serviceProvider.declarer",
    "reason": "cut",
    "priority": "2",
    "originatingSystem": "dma",
    "originatorParty": {"id": "dma", "role": "originator", "@referredType": "Organization"},
}


def new(version: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in (NEW | more).items() if version != "2" or name != "originatorParty"}


@asynccontextmanager
async def writing(
    version: str = "4", population: int = 3, **settings: Any
) -> AsyncIterator[tuple[Simulator, TicketWriter]]:
    async with Simulator(version=version, population=population, seed=7, faults=Faults()) as sim:
        read = Tmf656Settings.model_validate({"url": sim.url, "request_timeout_seconds": 30, "write": True, **settings})
        async with Client("sim", read) as client:
            yield sim, ProblemWriter(client, read)


@ALL
async def test_a_problem_is_made_found_changed_and_read(version: str) -> None:
    async with writing(version) as (sim, writer):
        made = await writer.create(new(version, status="held"), KEY)
        truth = sim.problems[made.id]
        assert (truth["description"], truth["priority"], truth["status"]) == ("no light", 2, "held")
        assert [each.id for each in await writer.find(KEY)] == [made.id]
        assert await writer.find("tb-other") == []
        changed = await writer.change(made.id, {"status": "inProgress", "statusChangeReason": "on it"})
        assert (changed.record["status"], changed.record["description"]) == ("inProgress", "no light")
        assert sim.problems[made.id]["statusChangeReason"] == "on it"
        assert (await writer.fetch(made.id)).record == changed.record
        assert changed.version != made.version


@ALL
async def test_a_note_is_added_once_and_keeps_the_others(version: str) -> None:
    async with writing(version) as (sim, writer):
        made = await writer.create(new(version), KEY)
        await sim.patch(made.id, note=[{"text": "from a person", "author": "Eve"}])
        for _ in range(2):
            await writer.add_note(made.id, "noc 7 [n:abcd2345]\nhello", code="n:abcd2345")
        await writer.add_note(made.id, "noc 7 [n:zzzz2345]\nhello", code="n:zzzz2345")
        texts = [note.text.partition("\n")[0] for note in await writer.notes(made.id)]
        assert texts == ["from a person", "noc 7 [n:abcd2345]", "noc 7 [n:zzzz2345]"]


async def test_without_json_patch_a_note_is_written_with_the_list() -> None:
    async with writing("5") as (sim, writer):
        sim.faults.writes.takes_json_patch = False
        made = await writer.create(NEW, KEY)
        await sim.patch(made.id, note=[{"text": "from a person", "id": "1"}])
        await writer.add_note(made.id, "noc 7 [n:abcd2345]", code="n:abcd2345")
        assert [note.text for note in await writer.notes(made.id)] == ["from a person", "noc 7 [n:abcd2345]"]


async def test_a_server_that_adds_lists_is_sent_one_note_from_then_on() -> None:
    async with writing() as (sim, writer):
        sim.faults.writes.append_lists = True
        made = await writer.create(NEW, KEY)
        await sim.patch(made.id, note=[{"text": "a", "id": "1"}])
        await writer.add_note(made.id, "x [n:1]", code="n:1")
        assert [note.text for note in await writer.notes(made.id)] == ["a", "a", "x [n:1]"]
        await writer.add_note(made.id, "x [n:2]", code="n:2")
        assert [note.text for note in await writer.notes(made.id)] == ["a", "a", "x [n:1]", "x [n:2]"]


async def test_a_note_that_the_server_drops_is_refused() -> None:
    async with writing() as (sim, writer):
        made = await writer.create(NEW, KEY)
        sim.faults.writes.rewrite = lambda changes: {name: each for name, each in changes.items() if name != "note"}
        with pytest.raises(WriteRefusedError, match="did not keep the note n:1"):
            await writer.add_note(made.id, "x [n:1]", code="n:1")


@ALL
async def test_what_a_version_forbids_is_refused_before_it_is_sent(version: str) -> None:
    async with writing(version) as (sim, writer):
        (first, *_) = sim.problems
        with pytest.raises(WriteRefusedError, match="originatingSystem can only be set"):
            await writer.change(first, {"originatingSystem": "x"})
        with pytest.raises(WriteRefusedError, match="description is mandatory"):
            await writer.create({"category": "a"}, KEY)
        assert sim.request_counts["create"] == sim.request_counts["patch"] == 0


@pytest.mark.parametrize("types", [["application/json"], ["application/merge-patch+json"]])
@ALL
async def test_the_media_type_that_the_server_takes_is_found(version: str, types: list[str]) -> None:
    async with writing(version) as (sim, writer):
        sim.faults.writes.media_types = types
        (first, *_) = sim.problems
        await writer.change(first, {"reason": "a"})
        asked = sim.request_counts["patch"]
        await writer.change(first, {"reason": "b"})
        assert sim.request_counts["patch"] == asked + 1
        assert sim.problems[first]["reason"] == "b"


@pytest.mark.parametrize("status", [400, 403, 409, 422])
async def test_a_refusal_has_the_words_of_the_server(status: int) -> None:
    async with writing() as (sim, writer):
        sim.faults.writes.refuse = lambda operation, _: (status, f"aborted by the {operation} rule")
        (first, *_) = sim.problems
        with pytest.raises(WriteRefusedError, match="aborted by the patch rule") as refused:
            await writer.change(first, {"reason": "a"})
        assert refused.value.status == status
        with pytest.raises(WriteRefusedError, match="aborted by the create rule"):
            await writer.create(NEW, KEY)


@ALL
async def test_an_answer_without_a_problem_is_followed_by_a_read(version: str) -> None:
    async with writing(version) as (sim, writer):
        sim.faults.writes.no_content = True
        made = await writer.create(new(version), KEY)
        assert made.record["description"] == "no light"
        assert (await writer.change(made.id, {"reason": "b"})).record["reason"] == "b"


async def test_a_write_without_an_answer_is_unknown_and_found_afterwards() -> None:
    async with writing() as (sim, writer):
        sim.faults.writes.fates = deque(["lose_request", "lose_answer"])
        with pytest.raises(OutcomeUnknownError):
            await writer.create(NEW, KEY)
        assert await writer.find(KEY) == []
        with pytest.raises(OutcomeUnknownError):
            await writer.create(NEW, KEY)
        assert len(await writer.find(KEY)) == 1


async def test_a_write_that_is_done_late_is_unknown_until_then() -> None:
    async with writing() as (sim, writer):
        sim.faults.writes.late_seconds = None
        sim.faults.writes.accept = True
        with pytest.raises(OutcomeUnknownError, match="202"):
            await writer.create(NEW, KEY)
        assert await writer.find(KEY) == []
        assert await sim.finish_late() == 1
        (found,) = await writer.find(KEY)
        with pytest.raises(OutcomeUnknownError, match="202"):
            await writer.change(found.id, {"reason": "b"})


async def test_a_key_is_found_by_reading_everything_where_no_filter_works() -> None:
    async with writing(population=30, page_size=10) as (sim, writer):
        made = await writer.create(NEW, KEY)
        sim.faults.ignore_filter = True
        assert [each.id for each in await writer.find(KEY)] == [made.id]
        assert await writer.find("tb-other") == []
        sim.faults.fail_next = 1
        sim.faults.operations = {"list"}
        with pytest.raises(TransientError):
            await writer.find("tb-other")


async def test_an_empty_answer_is_believed_once_the_filter_was_seen_to_work() -> None:
    async with writing(population=30, page_size=10) as (sim, writer):
        await writer.create(NEW, KEY)
        await writer.find("tb-other")
        asked = sim.request_counts["list"]
        assert asked > 1
        await writer.find(KEY)
        await writer.find("tb-other")
        assert sim.request_counts["list"] == asked + 2


async def test_several_with_one_key_come_oldest_first() -> None:
    async with writing() as (_, writer):
        made = [await writer.create(NEW, KEY) for _ in range(3)]
        assert [each.id for each in await writer.find(KEY)] == [each.id for each in made]


async def test_what_is_gone_is_not_found() -> None:
    async with writing() as (_, writer):
        with pytest.raises(NotFoundError):
            await writer.change("nothing", {"reason": "a"})


async def test_too_many_requests_are_a_pause_and_no_doubt() -> None:
    async with writing() as (sim, writer):
        sim.faults.operations, sim.faults.rate_limited, sim.faults.retry_after_seconds = {"create"}, 1, 9
        with pytest.raises(TransientError) as paused:
            await writer.create(NEW, KEY)
        assert not isinstance(paused.value, OutcomeUnknownError)
        assert paused.value.retry_after_seconds == 9


@ALL
async def test_the_answer_to_a_write_is_what_a_poll_reads(version: str) -> None:
    async with writing(version) as (sim, writer):
        made = await writer.create(new(version), KEY)
        polled = read_problem(sim.shown()[made.id], asked_at=made.asked_at, via=Via.WRITE)
        assert read_problem(made.item, asked_at=made.asked_at, via=Via.WRITE).content_hash == polled.content_hash


async def test_nothing_is_written_to_a_source_that_may_only_be_read() -> None:
    async with writing(write=False) as (sim, writer):
        (first, *_) = sim.problems
        attempts = (
            lambda: writer.create(NEW, KEY),
            lambda: writer.change(first, {"reason": "a"}),
            lambda: writer.add_note(first, "x [n:1]", code="n:1"),
        )
        for attempt in attempts:
            with pytest.raises(WriteRefusedError, match=r"set sources\.sim\.write = true"):
                await attempt()
        assert {request.method for request in sim.requests} <= {"GET"}


async def test_version_5_writes_nothing_once_somebody_else_has_written() -> None:
    async with writing("5") as (sim, writer):
        made = await writer.create(NEW, KEY)
        await sim.patch(made.id, description="by a person")
        with pytest.raises(VersionChangedError, match="was changed at") as changed:
            await writer.change(made.id, {"description": "ours"}, version=made.version)
        assert sim.problems[made.id]["description"] == "by a person"
        assert changed.value.ticket is not None
        assert changed.value.ticket.record["description"] == "by a person"
        written = await writer.change(made.id, {"description": "ours"}, version=changed.value.ticket.version)
        assert written.record["description"] == "ours"
        assert writer.capabilities.compare_and_set


@pytest.mark.parametrize("version", ["2", "3", "4"])
async def test_an_older_version_cannot_compare(version: str) -> None:
    async with writing(version) as (sim, writer):
        made = await writer.create(new(version), KEY)
        await sim.patch(made.id, description="by a person")
        await writer.change(made.id, {"description": "ours"}, version=made.version)
        assert not writer.capabilities.compare_and_set


async def test_a_server_without_json_patch_is_written_to_by_merge_patch() -> None:
    async with writing("5") as (sim, writer):
        sim.faults.writes.takes_json_patch = False
        made = await writer.create(NEW, KEY)
        written = await writer.change(made.id, {"description": "ours"}, version=made.version)
        asked = sim.request_counts["patch"]
        await writer.change(made.id, {"description": "again"}, version=written.version)
        assert sim.request_counts["patch"] == asked + 1
        assert not writer.capabilities.compare_and_set


async def test_a_value_that_is_refused_is_no_reason_to_stop_comparing() -> None:
    async with writing("5") as (sim, writer):
        made = await writer.create(NEW, KEY)
        sim.faults.writes.refuse = lambda _, changes: (422, "no") if changes.get("description") == "bad" else None
        with pytest.raises(WriteRefusedError):
            await writer.change(made.id, {"description": "bad"}, version=made.version)
        assert writer.capabilities.compare_and_set
