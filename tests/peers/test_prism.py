"""TM Forum's own specifications, served by Prism: TMF656 servers that nobody here wrote.

Prism answers with the specification's examples. It is odd in ways that real servers are: every answer says
X-Total-Count 0, paging is ignored (each page is the first one again, without end), and version 5's hub refuses a body
without `@type`. It runs from `node_modules` beside this file (`npm ci --prefix tests/peers`) on the specifications in
the directory that TMF656_SPEC_DIR names; without one of these the tests are skipped.
"""

import json
import logging
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest
import structlog
import yaml

from bridge import cli
from bridge.app import Bridge, RunningBridge
from bridge.settings import Settings

HERE = Path(__file__).parent
PRISM = HERE / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
NODE = shutil.which("node")
SPEC_DIR = os.environ.get("TMF656_SPEC_DIR", "")
LISTENING = re.compile(r"Prism is listening on (http://127\.0\.0\.1:\d+)")
PATIENCE_SECONDS = 60.0

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(NODE is None, reason="node is not installed: Prism needs it"),
    pytest.mark.skipif(not PRISM.is_file(), reason="Prism is not installed: npm ci --prefix tests/peers"),
    pytest.mark.skipif(
        not SPEC_DIR, reason="TMF656_SPEC_DIR is not set: it names the directory with TM Forum's specifications"
    ),
]


@dataclass(frozen=True)
class Peer:
    """A server that runs, and the specification it serves."""

    url: str
    document: dict[str, Any]


async def eventually(holds: Callable[[], Any]) -> Any:
    """Poll until `holds()` (awaited when it is awaitable) is true; return it."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            value = holds()
            value = await value if isinstance(value, Awaitable) else value
            if value:
                return value
            await anyio.sleep(0.02)


@asynccontextmanager
async def prism(specification: Path, log: Path) -> AsyncIterator[str]:
    """Serve a specification on a free port; yield the address."""
    command = [str(NODE), str(PRISM), "mock", "-p", "0", "-h", "127.0.0.1", str(specification)]
    with log.open("wb") as output:
        process = await anyio.open_process(command, cwd=HERE, stdin=None, stdout=output, stderr=output)

        def address() -> str | None:
            assert process.returncode is None, log.read_text()
            found = LISTENING.search(log.read_text())
            return found and found[1]

        try:
            yield await eventually(address)
        finally:
            process.terminate()
            with anyio.move_on_after(PATIENCE_SECONDS, shield=True):
                await process.wait()
            await process.aclose()


@pytest.fixture(scope="module")
async def version_5(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Peer]:
    file = Path(SPEC_DIR) / "official" / "TMF656-Service_Problem_Management-v5.0.0.oas.yaml"
    async with prism(file, tmp_path_factory.mktemp("prism") / "log") as url:
        yield Peer(url, yaml.load(file.read_text(), Loader=yaml.CSafeLoader))


@pytest.fixture(scope="module")
async def version_4(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Peer]:
    file = Path(SPEC_DIR) / "official" / "TMF656-ServiceProblem-v4.0.0.swagger.json"
    async with prism(file, tmp_path_factory.mktemp("prism") / "log") as url:
        yield Peer(url, json.loads(file.read_text()))


@asynccontextmanager
async def following(dsn: str, url: str, **source: Any) -> AsyncIterator[RunningBridge]:
    """Run a bridge with one source until the block ends."""
    common = {"url": url, "poll_interval_seconds": 86_400, "reconcile_interval_seconds": 604_800}
    settings = {
        "database": {"dsn": dsn},
        "http": {"port": 0},
        "journal": {"max_bytes": 0},
        "sources": {"prism": common | source},
    }
    running: list[RunningBridge] = []
    bridge = Bridge(Settings.model_validate(settings), on_ready=running.append)
    async with anyio.create_task_group() as group:
        group.start_soon(bridge.run)
        try:
            await eventually(lambda: running)
            yield running[0]
        finally:
            bridge.stop()


async def rows(bridge: RunningBridge, statement: str) -> list[asyncpg.Record]:
    async with bridge.postgres.database.connection() as connection:
        return await connection.fetch(statement)


async def assert_registered(bridge: RunningBridge) -> None:
    """The registration that the hub gave is kept."""
    source = bridge.sources["prism"]
    await eventually(lambda: source.registered)
    (held,) = await rows(bridge, "select hub_id, state, url, callback from bridge.subscription")
    assert tuple(held) == ("string", "active", source.settings.url, source.callback)


async def assert_polled(bridge: RunningBridge) -> list[asyncpg.Record]:
    """Everything has been read, once more changes nothing, and the pages that never end did not keep us; return the
    problems.
    """
    source, registry = bridge.sources["prism"], bridge.metrics.registry

    def polls() -> float:
        labels = {"source": "prism", "kind": "poll", "outcome": "ok"}
        return registry.get_sample_value("tmf656_bridge_polls_total", labels) or 0.0

    with anyio.fail_after(PATIENCE_SECONDS):
        await source.first_pass.wait()
    problems = await rows(bridge, "select * from report.service_problem order by id")
    done = polls()
    source.poll_wake.call("test")
    await eventually(lambda: polls() > done)
    facts = await rows(bridge, "select problem_id from bridge.service_problem_version order by problem_id")
    assert [row["problem_id"] for row in facts] == [row["id"] for row in problems]
    assert await rows(bridge, "select 1 from bridge.dead_letter") == []
    assert await rows(bridge, "select 1 from bridge.refetch") == []
    return problems


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@pytest.mark.parametrize("version", ["auto", "5"])
async def test_the_example_problems_of_version_5_come_in_and_the_hub_is_registered_at(
    version: str, dsn: str, version_5: Peer
) -> None:
    examples = version_5.document["components"]["examples"]["ServiceProblem_list_example_response"]["value"]
    assert [example["id"] for example in examples] == ["sp_001", "sp_002"]
    async with following(dsn, version_5.url, version=version) as bridge:
        await assert_registered(bridge)
        problems = await assert_polled(bridge)
        assert bridge.sources["prism"].version == "5"
    assert len(problems) == len(examples)
    for row, example in zip(problems, examples, strict=True):
        party = example["originatorParty"]["partyOrPartyRole"]
        assert {name: row[name] for name in ("source", "id", "href", "name", "status", "status_raw")} == {
            "source": "prism",
            "id": example["id"],
            "href": example["href"],
            "name": None,
            "status": "closed",
            "status_raw": example["status"],
        }
        assert {name: row[name] for name in ("category", "priority", "description", "reason")} == {
            name: example[name] for name in ("category", "priority", "description", "reason")
        }
        assert (row["originator"], row["responsible"]) == (party["name"], None)
        assert row["affected_services"] == len(example["affectedService"])
        assert row["status_changed_at"] == instant(example["statusChangeDate"])
        assert (row["created_at"], row["updated_at"], row["deleted_at"]) == (None, None, None)
        assert row["last_changed_via"] == "reconcile"
        body = json.loads(row["body"])
        assert body["affectedService"] == example["affectedService"]
        assert body["originatorParty"] == {"role": "ServiceProvider"} | party


async def test_the_example_problem_of_version_4_comes_in_and_the_hub_is_registered_at(
    dsn: str, version_4: Peer
) -> None:
    """The examples of the specification stand at single attributes, and some are lists where a text belongs."""
    definitions = version_4.document["definitions"]
    attributes = definitions["ServiceProblem"]["properties"]
    async with following(dsn, version_4.url) as bridge:
        await assert_registered(bridge)
        (row,) = await assert_polled(bridge)
    body = json.loads(row["body"])
    assert body.keys() <= attributes.keys()
    assert (row["id"], row["name"], row["description"], row["reason"]) == ("string", "string", "string", "string")
    assert row["status"] == definitions["ServiceProblemStateType"]["enum"][0]
    assert json.loads(row["category"]) == body["category"] == attributes["category"]["example"]
    assert (row["priority"], body["priority"]) == (None, attributes["priority"]["example"])
    assert row["external_id"] == definitions["ExternalIdentifier"]["properties"]["id"]["example"]
    assert row["affected_services"] == 0
    assert row["updated_at"] == instant(body["lastUpdate"])
    assert row["created_at"] == instant(body["creationDate"])
    assert row["resolved_at"] == instant(body["resolutionDate"])


async def test_a_source_that_is_no_longer_to_push_is_deregistered(dsn: str, version_5: Peer) -> None:
    async with following(dsn, version_5.url) as bridge:
        await assert_registered(bridge)
    async with following(dsn, version_5.url, push=False) as bridge:

        async def gone() -> bool:
            return await rows(bridge, "select 1 from bridge.subscription where state = 'active'") == []

        await eventually(gone)
        labels = {"source": "prism", "operation": "deregister", "outcome": "ok"}
        assert bridge.metrics.registry.get_sample_value("tmf656_bridge_upstream_requests_total", labels) == 1


@pytest.fixture
def keep_logging() -> Iterator[None]:
    """Give back what a command that runs within this process does to logging."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configured)


async def test_check_finds_all_well(
    dsn: str,
    version_4: Peer,
    version_5: Peer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    keep_logging: None,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    config = tmp_path / "bridge.toml"
    config.write_text(
        f"""
        [database]
        dsn = "{dsn}"
        [http]
        port = 0
        [sources.four]
        url = "{version_4.url}"
        [sources.five]
        url = "{version_5.url}"
        """
    )
    status = await anyio.to_thread.run_sync(cli.main, ["check", "--config", str(config)])
    table = capsys.readouterr().out
    assert status == 0, table
    assert "fails" not in table
    for said in ("configured database, Postgres", "four", "five", "version 5"):
        assert said in table
    assert table.count("registers and deregisters") == 2

    status = await anyio.to_thread.run_sync(cli.main, ["check", "--json", "--config", str(config)])
    answer = json.loads(capsys.readouterr().out)
    assert (status, answer["ok"]) == (0, True)
    assert {(finding["subject"], finding["aspect"]) for finding in answer["findings"]} == {
        ("configuration", "read"),
        *(("database", aspect) for aspect in ("reach", "schema", "connections")),
        ("journal", "directory"),
        ("listener", "port"),
        ("callback", "address"),
        ("four", "priority"),
        *((source, aspect) for source in ("four", "five") for aspect in ("reach", "list", "get by id", "hub")),
    }
    hints = {(finding["subject"], finding["aspect"]) for finding in answer["findings"] if finding["works"] is not True}
    assert hints == {("callback", "address"), ("four", "priority")}, "any free port is no lasting address"
