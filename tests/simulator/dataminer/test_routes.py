"""The ticket routes keep what their description says, tried by schemathesis too."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from bridge.simulator.dataminer.faults import DataminerFaults
from bridge.simulator.dataminer.routes import METHODS
from bridge.simulator.dataminer.simulator import DataminerSimulator

pytestmark = pytest.mark.anyio
DESCRIPTION = Path(__file__).resolve().parents[3] / "deploy/dataminer/routes.openapi.yaml"
Ask = Callable[..., Awaitable[Any]]


async def schemathesis(url: str, place: Path, examples: int) -> None:
    """All checks against the routes; in its own process, because it is not asynchronous."""
    # only the links that the description states: the `id` of a note is not that of a ticket
    (place / "schemathesis.toml").write_text("[phases.stateful.inference]\nalgorithms = []\n")
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(DESCRIPTION), "--url", url, "--checks", "all"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(examples), "--seed", "656"]
    command += ["--no-color", "--header", "Authorization: Bearer a-token", "--request-timeout", "20"]
    with anyio.fail_after(600):
        ended = await anyio.run_process(command, check=False, cwd=place, stderr=subprocess.STDOUT)
    assert ended.returncode == 0, ended.stdout.decode()[-8000:]


@pytest.mark.parametrize("examples", [3, pytest.param(100, marks=pytest.mark.long)])
async def test_every_answer_keeps_the_description(tmp_path: Path, examples: int) -> None:
    async with DataminerSimulator("dataminer-api", token="a-token", population=3, seed=1) as sim:
        await schemathesis(sim.url, tmp_path, examples)


def test_the_description_names_every_route_and_method() -> None:
    described = yaml.safe_load(DESCRIPTION.read_text())["paths"]
    verbs = {"get", "post", "put"}
    assert {
        path.strip("/"): tuple(verb.upper() for verb in route if verb in verbs) for path, route in described.items()
    } == (METHODS)


async def test_a_key_makes_one_ticket(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api") as sim:
        wanted = {"key": "tb-1", "fields": {"name": "line down", "fields": {"Location": "Oslo"}}}
        first = await ask("POST", f"{sim.url}/tickets", json=wanted)
        again = await ask("POST", f"{sim.url}/tickets", json=wanted | {"fields": {"name": "other"}})
        assert (first.status, again.status) == (201, 200)
        assert first.body == again.body
        assert first.body["state"] == "Acknowledged"
        assert first.body["fields"] == {"Location": "Oslo"}
        found = (await ask("GET", f"{sim.url}/tickets?key=tb-1")).body
        assert found["tickets"] == [first.body]
        assert (await ask("GET", f"{sim.url}/tickets?key=tb-2")).body["tickets"] == []


async def test_a_change_needs_the_version_it_expects_and_answers_the_ticket_beside_the_conflict(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api") as sim:
        ticket = sim.create(name="line down", priority="Low", custom={"Location": "Oslo", "Incident Number": "1"})
        old = ticket.ticks
        sim.change(ticket, priority="High")
        url = f"{sim.url}/ticket?id={ticket.guid}"
        refused = await ask("PUT", f"{url}&ifVersion={old}", json={"state": "Resolved"})
        assert refused.status == 409
        assert refused.body["errors"][0]["detail"]
        assert refused.body["ticket"] == (await ask("GET", url)).body
        assert refused.body["ticket"]["state"] == "Acknowledged"
        taken = await ask(
            "PUT", f"{url}&ifVersion={ticket.ticks}", json={"state": "Resolved", "fields": {"Location": "Rome"}}
        )
        assert taken.status == 200
        assert (taken.body["state"], taken.body["priority"]) == ("Resolved", "High")
        assert taken.body["fields"] == {"Location": "Rome", "Incident Number": "1"}
        same = await ask("PUT", url, json={"state": "Resolved"})
        assert same.body["version"] == taken.body["version"]


async def test_a_note_with_a_known_code_is_not_doubled_and_moves_the_ticket(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api") as sim:
        ticket = sim.create()
        sim.add_note(ticket, "by hand")
        before = ticket.ticks
        note = {"code": "k3", "author": "snow", "text": "copy"}
        answers = [await ask("POST", f"{sim.url}/notes?id={ticket.guid}", json=note) for _ in range(2)]
        assert [answer.status for answer in answers] == [201, 200]
        assert answers[0].body == answers[1].body
        read = (await ask("GET", f"{sim.url}/ticket?id={ticket.guid}")).body
        assert [(each["code"], each["text"]) for each in read["notes"]] == [(None, "by hand"), ("k3", "copy")]
        assert (await ask("GET", f"{sim.url}/notes?id={ticket.guid}")).body["notes"] == read["notes"]
        assert int(read["version"]) > before


async def test_pages_follow_the_order_of_changes_and_since_is_inclusive(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api", population=7, seed=3) as sim:
        moved = next(iter(sim.tickets.values()))
        sim.move(moved, "In Progress")
        seen, after = [], ""
        while True:
            page = (await ask("GET", f"{sim.url}/tickets?limit=3{after}")).body
            seen += page["tickets"]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert [each["id"] for each in seen] == [ticket.guid for ticket in sim.store.listed()]
        assert seen[-1]["id"] == moved.guid
        since = seen[-2]["lastModified"]
        last = (await ask("GET", f"{sim.url}/tickets", params={"since": since})).body["tickets"]
        assert [each["id"] for each in last] == [each["id"] for each in seen[-2:]]


async def test_the_endpoint_refuses_as_dataminer_does(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api", token="a-token") as sim:
        good = {"Authorization": "Bearer a-token"}

        async def code(*request: Any, **options: Any) -> tuple[int, int | None]:
            answer = await ask(*request, **options)
            return answer.status, answer.body["errors"][0].get("errorCode")

        about = f"{sim.url}/about"
        assert await code("GET", about) == (401, 1008)
        assert await code("GET", about, headers={"Authorization": "Bearer other"}) == (401, 1010)
        assert await code("GET", f"{sim.url}/nothing", headers=good) == (404, 5)
        assert await code("DELETE", about, headers=good) == (405, 3)
        assert await code("GET", f"{about}?x={'y' * 3000}", headers=good) == (414, 1011)
        assert await code("POST", f"{sim.url}/tickets", data=b"{}", headers=good | {"Content-Type": "image/png"}) == (
            415,
            1003,
        )
        assert await code("GET", f"{sim.url}/ticket?id=none", headers=good) == (404, None)
        sim.faults.rate_limited_next = 1
        limited = await ask("GET", about, headers=good)
        assert (limited.status, limited.headers["Retry-After"]) == (429, "1")
        assert limited.body["errors"][0]["errorCode"] == 1014


@pytest.mark.parametrize(
    "wanted",
    [
        {"state": "Solved"},
        {"colour": "red"},
        {"fields": {"Colour": "red"}},
        {"name": 3},
        {"name": ""},
        {"fields": 3},
        {"lastModified": "2026-01-01T00:00:00Z"},
        {"severity": "Major"},
    ],
)
async def test_what_cannot_be_written_is_refused_and_changes_nothing(ask: Ask, wanted: dict[str, Any]) -> None:
    faults = DataminerFaults(refuse={"severity"})
    async with DataminerSimulator("dataminer-api", faults=faults) as sim:
        ticket = sim.create()
        before = sim.routes.said(ticket)
        answer = await ask("PUT", f"{sim.url}/ticket?id={ticket.guid}", json={"priority": "High"} | wanted)
        assert answer.status in (400, 422)
        assert answer.body["errors"][0]["detail"]
        made = await ask("POST", f"{sim.url}/tickets", json={"key": "k", "fields": {"name": "n"} | wanted})
        assert made.status in (400, 422)
        assert list(sim.said()) == [before]


async def test_an_ended_ticket_can_be_read_only(ask: Ask) -> None:
    async with DataminerSimulator("dataminer-api", faults=DataminerFaults(refuse_ended=True)) as sim:
        ticket = sim.create(state="Closed")
        answer = await ask("PUT", f"{sim.url}/ticket?id={ticket.guid}", json={"state": "In Progress"})
        assert answer.status == 422
        assert "read-only" in answer.body["errors"][0]["detail"]
