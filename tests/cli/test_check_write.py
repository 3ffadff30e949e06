"""`check --write`: one probe ticket, what is found out by it, and that it is ended whatever happens."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from bridge.cli.check_write import check_write
from bridge.cli.finding import Finding
from bridge.settings import Settings
from bridge.simulator import Faults, Simulator
from bridge.simulator.dataminer.simulator import DataminerSimulator
from bridge.simulator.servicenow.simulator import ServiceNowSimulator

pytestmark = pytest.mark.anyio

ENDED = {"cancelled", "8", "Cancelled", "Closed"}


async def probed(url: str, **source: Any) -> dict[str, Finding]:
    """The findings by aspect."""
    settings = Settings.model_validate({"sources": {"there": {"url": url, "write": True} | source}})
    return {one.aspect: one for one in await check_write("there", settings.sources["there"])}


def works(found: dict[str, Finding]) -> dict[str, bool | None]:
    return {aspect: one.works for aspect, one in found.items()}


@pytest.mark.parametrize("version", ["2", "3", "4", "5"])
async def test_a_tmf656_server_is_written_to_from_end_to_end(version: str) -> None:
    async with Simulator(version=version, population=1, seed=1) as sim:
        before = set(sim.problems)
        found = await probed(sim.url)
        [probe] = [sim.problems[ticket] for ticket in sim.problems.keys() - before]
    assert {works(found)[aspect] for aspect in ("create", "find", "change", "status", "notes", "end")} == {True}, found
    assert probe["status"] == "cancelled"
    assert "Probe of tmf656-bridge" in orjson.dumps(probe).decode()


async def test_a_servicenow_instance_is_written_to_from_end_to_end() -> None:
    async with ServiceNowSimulator(population=1, seed=1) as sim:
        before = set(sim.incidents)
        found = await probed(sim.url, kind="servicenow")
        [probe] = [sim.incidents[ticket] for ticket in sim.incidents.keys() - before]
    assert {works(found)[aspect] for aspect in ("create", "find", "change", "versions", "status", "end")} == {True}, (
        found
    )
    assert probe["state"] in {"7", "8"}


@pytest.mark.parametrize("kind", ["dataminer", "dataminer-api"])
async def test_a_dataminer_is_written_to_from_end_to_end(kind: Any) -> None:
    login = {"token": "t0ken"} if kind == "dataminer-api" else {"username": "bridge", "password": "w0rd"}
    extra = {} if kind == "dataminer-api" else {"ticket_type": "SES"}
    async with DataminerSimulator(kind, population=1, seed=1, **login) as sim:
        found = await probed(sim.url, kind=kind, **login, **extra)
        assert len(sim.tickets) == 2
    assert {works(found)[aspect] for aspect in ("create", "find", "change", "status", "end")} == {True}, found
    assert works(found)["notes"] is (True if kind == "dataminer-api" else None)


async def test_nothing_is_sent_without_the_right_to() -> None:
    async with Simulator(population=1) as sim:
        [refused] = (await probed(sim.url, write=False)).values()
        assert sim.request_counts.total() == 0
    assert refused.works is False
    assert refused.remedy == "set sources.there.write = true to try"


def refuses_texts(faults: Faults) -> None:
    faults.writes.refuse = lambda what, values: (403, "rule") if what == "patch" and "description" in values else None


def refuses_notes(faults: Faults) -> None:
    faults.writes.refuse = lambda what, values: (403, "rule") if what == "patch" and "note" in values else None
    faults.writes.takes_json_patch = False


def refuses_work(faults: Faults) -> None:
    faults.writes.refuse = lambda _, values: (403, "rule") if values.get("status") == "inProgress" else None


FAULTS: dict[str, Callable[[Faults], None]] = {"change": refuses_texts, "note": refuses_notes, "move": refuses_work}


@pytest.mark.parametrize("aspect", FAULTS)
async def test_a_step_that_fails_is_told_and_the_probe_ends_all_the_same(aspect: str) -> None:
    async with Simulator(population=0) as sim:
        FAULTS[aspect](sim.faults)
        found = await probed(sim.url, version="4")
        assert found[aspect].works is False
        assert "rule" in found[aspect].found
        assert works(found)["end"] is True
        assert {problem["status"] for problem in sim.problems.values()} == {"cancelled"}


async def test_what_cannot_be_ended_is_named() -> None:
    ends = {"cancelled", "closed", "resolved"}
    async with Simulator(population=0) as sim:
        sim.faults.writes.refuse = lambda _, values: (409, "not so") if values.get("status") in ends else None
        found = await probed(sim.url, version="4")
        [probe] = sim.problems
    assert found["left open"].works is False
    assert "not so" in found["left open"].found
    assert f"end ticket {probe} by hand" in found["left open"].remedy


@pytest.mark.parametrize("fate", ["lose_answer", "lose_request"])
async def test_a_lost_answer_to_the_creation_leaves_nothing_unsaid(fate: Any) -> None:
    async with Simulator(population=0) as sim:
        sim.faults.writes.fates.append(fate)
        found = await probed(sim.url, version="4")
        assert found["create"].works is False
        if fate == "lose_answer":
            assert {problem["status"] for problem in sim.problems.values()} == {"cancelled"}
            assert works(found)["end"] is True
        else:
            assert sim.problems == {}
            assert "tb-" in found["left open"].found


def rewritten(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        yield name, value.upper() if name == "description" else value


async def test_a_server_that_rewrites_texts_is_found_out() -> None:
    async with Simulator(population=0) as sim:
        sim.faults.writes.rewrite = lambda values: dict(rewritten(values))
        found = await probed(sim.url, version="4")
    assert found["change"].works is False
    assert "CHANGED ONCE" in found["change"].found


async def test_the_command_prints_it_and_fails_where_something_does(call: Any, configured: Any) -> None:
    async with Simulator(population=0) as sim:
        source = {"url": sim.url, "version": "4"}
        answer = await call(
            "check", "--write", "snow", "--config", configured(sources={"snow": source | {"write": True}})
        )
        assert answer.status == 0, answer
        assert "may be deleted" not in answer.out
        assert "each note stands once" in answer.out
        answer = await call("check", "--write", "snow", "--json", "--config", configured(sources={"snow": source}))
        assert answer.status == 1
        [refused] = orjson.loads(answer.out)["findings"]
        assert "write = true" in refused["remedy"]
