"""TM Forum's own events, posted as they are published, and its own problems in the envelopes of their versions: each
ends applied, or fetched by id, or makes the source be polled.

They are not part of this repository; without the directory that TMF656_SPEC_DIR names these tests are skipped.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from bridge.app import RunningBridge

SPEC_DIR = os.environ.get("TMF656_SPEC_DIR", "")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not SPEC_DIR, reason="TMF656_SPEC_DIR is not set: it names the directory with TM Forum's samples"
    ),
]

SECRET = "official-secret-0123456789"
V5, V4, V3 = "examples-v5", "samples-v4", "samples-v3"
WORDS = ("Create", "StateChange", "AttributeValueChange", "InformationRequired")
POSTED_AT = "2026-11-23T09:59:00+00:00"


def spec(folder: str, file: str) -> Any:
    return json.loads((Path(SPEC_DIR) / folder / file).read_bytes())


def files(folder: str, pattern: str) -> list[str]:
    return sorted(file.name for file in (Path(SPEC_DIR) / folder).glob(pattern)) if SPEC_DIR else []


EVENTS = [
    file
    for file in files(V5, "*_request.json")
    if "_create_example_" not in file and "_partialupdate_example_" not in file
]
"""The bodies of POST /listener/…; the others are those of POST and PATCH."""

OF_41_42_43 = {"41": "task", "42": "task", "43": "task"}
EXPECTED: dict[str, tuple[str, str | None, dict[str, str], bool]] = {
    "Create": ("applied", "sp_001", {}, False),
    "StateChange": ("applied", "sp_001", {"sp_001": "partial"}, False),
    "AttributeValueChange": ("unchanged", None, {}, True),
    "InformationRequired": ("unchanged", "sp_001", {"sp_001": "information_required"}, False),
    "Delete": ("applied", "sp_001", {}, False),
    "ProblemAcknowledgementCreateEvent": ("unchanged", None, OF_41_42_43, False),
    "ProblemAcknowledgementStateChangeEvent": ("unchanged", None, {}, True),
    "ProblemAcknowledgementDeleteEvent": ("unchanged", None, {}, True),
    "ProblemUnacknowledgementCreateEvent": ("unchanged", None, OF_41_42_43, False),
    "ProblemUnacknowledgementStateChangeEvent": ("unchanged", None, OF_41_42_43, False),
    "ProblemUnacknowledgementDeleteEvent": ("unchanged", None, OF_41_42_43, False),
    "ProblemGroupCreateEvent": ("unchanged", None, OF_41_42_43, False),
    "ProblemGroupStateChangeEvent": ("unchanged", None, {}, True),
    "ProblemGroupDeleteEvent": ("unchanged", None, {}, True),
    "ProblemUngroupCreateEvent": ("unchanged", None, OF_41_42_43, False),
    "ProblemUngroupStateChangeEvent": ("unchanged", None, {}, True),
    "ProblemUngroupDeleteEvent": ("unchanged", None, {}, True),
}
"""Event → outcome, problem, what is fetched by id with the reason, whether the source is polled. The attribute value
change has no id, and some tasks name no problem.
"""

SAMPLES = {
    (V3, "ServiceProblem_retrieve_1_response.sample.json"): True,
    (V3, "ServiceProblem_create_1_response.sample.json"): False,
    (V3, "ServiceProblem_list_1_response.sample.json"): False,
    (V3, "ServiceProblem_partialupdate_1_response.sample.json"): False,
    (V3, "ServiceProblem_partialupdate_2_response.sample.json"): False,
    (V4, "ServiceProblem.example.json"): True,
}
"""Sample → whether it has all that makes a whole problem, status included."""


def source_name(*parts: str) -> str:
    return "-".join(parts).lower().replace(".", "-")


@pytest.fixture(scope="module")
async def bridge(shared_dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> AsyncIterator[RunningBridge]:
    """A bridge with a source for each case, all of which have been read once."""
    names = [source_name(file) for file in EVENTS]
    names += [source_name(file, word) for _, file in SAMPLES for word in WORDS]
    names += ["records"]
    async with open_bridge(configuration(shared_dsn, upstream.url, names)) as running:
        with anyio.fail_after(30):
            for source in running.sources.values():
                await source.first_pass.wait()
        yield running


def configuration(dsn: str, url: str, names: list[str]) -> dict[str, Any]:
    common = {
        "callback_secret": SECRET,
        "push": False,
        "poll_interval_seconds": 86_400,
        "reconcile_interval_seconds": 604_800,
    }
    sources = {name: {"url": f"{url}/{name}"} | common for name in names}
    return {"database": {"dsn": dsn}, "http": {"port": 0}, "sources": sources}


class StoredTables:
    """What the tables hold of one source."""

    def __init__(self, bridge: RunningBridge, source: str) -> None:
        self._bridge = bridge
        self.source = source

    async def rows(self, statement: str) -> list[asyncpg.Record]:
        async with self._bridge.postgres.database.connection() as connection:
            return await connection.fetch(statement, self.source)

    async def notifications(self) -> list[asyncpg.Record]:
        return await self.rows("select * from report.notification where source = $1")

    async def problems(self) -> list[asyncpg.Record]:
        return await self.rows("select * from report.service_problem where source = $1 order by id")

    async def refetches(self) -> dict[str, str]:
        rows = await self.rows(
            """select r.problem_id, r.reason from bridge.refetch as r join bridge.source as s on s.id = r.source_id
            where s.name = $1"""
        )
        return {row["problem_id"]: row["reason"] for row in rows}


def test_every_official_event_has_its_expectation() -> None:
    assert {file.removesuffix("_request.json") for file in EVENTS} == EXPECTED.keys()


@pytest.mark.parametrize("file", EVENTS)
async def test_official_version_5_events_posted_verbatim(
    file: str,
    bridge: RunningBridge,
    upstream: Any,
    post: Callable[..., Any],
    eventually: Callable[..., Any],
) -> None:
    outcome, problem_id, refetched, polled = EXPECTED[file.removesuffix("_request.json")]
    tables = StoredTables(bridge, source_name(file))
    document = spec(V5, file)
    polls = upstream.lists[f"/{tables.source}"]
    name = document["eventType"]
    path = f"/listener/{tables.source}/{SECRET}/listener/{name[0].lower()}{name[1:]}"
    answer = await post(bridge.url + path, (Path(SPEC_DIR) / V5 / file).read_bytes())
    assert answer.status in (201, 204)

    (logged,) = await tables.notifications()
    assert (logged["outcome"], logged["problem_id"], logged["event_type"]) == (outcome, problem_id, name)
    assert logged["event_id"] == document["eventId"]
    assert logged["event_time"] == datetime.fromisoformat(document["eventTime"])
    assert json.loads(logged["body"]) == document
    assert await tables.refetches() == refetched
    if polled:
        await eventually(lambda: upstream.lists[f"/{tables.source}"] > polls)
    problems = await tables.problems()
    assert [row["id"] for row in problems] == (["sp_001"] if outcome == "applied" else [])
    for problem in problems:
        stated = {} if name == "ServiceProblemDeleteEvent" else document["event"]["serviceProblem"]
        assert (problem["status"], problem["description"]) == (
            stated.get("status", "unknown"),
            stated.get("description"),
        )
        assert problem["deleted_at"] == (None if stated else logged["event_time"])
        assert problem["last_changed_via"] == "push"


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(("folder", "file"), SAMPLES)
async def test_official_version_3_and_4_problems_in_their_envelopes(
    folder: str, file: str, word: str, bridge: RunningBridge, post: Callable[..., Any]
) -> None:
    tables = StoredTables(bridge, source_name(file, word))
    suffix = "Notification" if folder == V3 else "Event"
    whole = SAMPLES[folder, file] or word == "Create"
    answer = spec(folder, file)
    problems = answer if isinstance(answer, list) else [answer]
    for problem in problems:
        event = {
            "eventId": f"{word}-{problem['id']}",
            "eventTime": POSTED_AT,
            "eventType": f"ServiceProblem{word}{suffix}",
            "event": {"serviceProblem": problem},
        }
        assert (await post(f"{bridge.url}/listener/{tables.source}/{SECRET}", event)).status == 201

    logged = await tables.notifications()
    assert {(row["outcome"], row["event_type"]) for row in logged} == {("applied", f"ServiceProblem{word}Event")}
    assert await tables.refetches() == ({} if whole else {problem["id"]: "partial" for problem in problems})
    stored = await tables.problems()
    assert [row["id"] for row in stored] == [problem["id"] for problem in problems]
    for row, problem in zip(stored, problems, strict=True):
        body = json.loads(row["body"])
        assert (row["status_raw"], row["description"]) == (problem.get("status"), problem.get("description"))
        assert row["priority"] == (int(problem["priority"]) if "priority" in problem else None)
        assert not body.keys() & {"timeRaised", "timeChanged", "comment", "extensionInfo", "correlationId"}
        updated_at = problem.get("lastUpdate", problem.get("timeChanged"))
        assert row["updated_at"] == (datetime.fromisoformat(updated_at) if updated_at else None)


async def test_events_within_official_event_records(
    bridge: RunningBridge, upstream: Any, post: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    tables = StoredTables(bridge, "records")
    callback = f"{bridge.url}/listener/records/{SECRET}"
    record = spec(V5, "ServiceProblemEventRecord_retrieve_example_response.json")
    assert (await post(callback, record["notification"])).status in (201, 204)
    (alarm,) = spec(V4, "ServiceProblemEventRecord.example.json")
    polls = upstream.lists["/records"]
    assert (await post(callback, alarm["notification"])).status in (201, 204)
    outcomes = [(row["outcome"], row["problem_id"]) for row in await tables.notifications()]
    assert sorted(outcomes) == [("applied", "sp_001"), ("dead_letter", None)]
    await eventually(lambda: upstream.lists["/records"] > polls)


async def test_what_official_events_do_not_say_is_fetched_and_polled(
    dsn: str,
    open_upstream: Callable[..., Any],
    open_bridge: Callable[..., Any],
    post: Callable[..., Any],
    eventually: Callable[..., Any],
) -> None:
    """The status change says a status only, the attribute value change not even which problem."""
    listed = spec(V5, "ServiceProblem_list_example_response.json")
    async with open_upstream() as server, open_bridge(configuration(dsn, server.url, ["a", "b"])) as bridge:
        for source in bridge.sources.values():
            with anyio.fail_after(30):
                await source.first_pass.wait()
        server.problems |= {problem["id"]: problem for problem in listed}

        async def settled(source: str, ids: list[str], via: str) -> bool:
            tables = StoredTables(bridge, source)
            rows = await tables.problems()
            return [row["id"] for row in rows] == ids and {row["last_changed_via"] for row in rows} == {via}

        for source, file in (("a", "StateChange_request.json"), ("b", "AttributeValueChange_request.json")):
            await post(f"{bridge.url}/listener/{source}/{SECRET}", (Path(SPEC_DIR) / V5 / file).read_bytes())
        await eventually(lambda: settled("a", ["sp_001"], "refetch"))
        await eventually(lambda: settled("b", ["sp_001", "sp_002"], "poll"))
        (fetched,) = await StoredTables(bridge, "a").problems()
        assert (fetched["status"], fetched["description"]) == (listed[0]["status"], listed[0]["description"])
        assert await StoredTables(bridge, "a").refetches() == {}
