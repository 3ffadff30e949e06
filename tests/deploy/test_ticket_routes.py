"""The script for DataMiner compiles, and with tickets in memory it keeps routes.openapi.yaml.

The types of DataMiner are stand-ins (deploy/dataminer/stubs): that the real ones are like this is not shown here.
"""

import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
import yaml

from bridge.dataminer.api_client import TicketRoutesClient
from bridge.domain.ticket_system import VersionChangedError, WriteRefusedError
from bridge.settings import DataminerApiSettings

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy/dataminer/TicketRoutes.cs"
STUBS = ROOT / "deploy/dataminer/stubs/DataMiner.cs"
HOST = ROOT / "tests/deploy/dataminer/Host.cs"
DESCRIPTION = ROOT / "deploy/dataminer/routes.openapi.yaml"
JSON_LIBRARY = next(Path("/usr/lib/cli").glob("Newtonsoft.Json-*/Newtonsoft.Json.dll"), None)
TOKEN = "a-token-of-the-api"

needs_mono = pytest.mark.skipif(
    shutil.which("mcs") is None or JSON_LIBRARY is None,
    reason="mcs and Newtonsoft.Json (Debian: mono-mcs, libnewtonsoft-json5.0-cil) are not here",
)
Ask = Callable[..., Awaitable[tuple[int, Any]]]


def compiled(place: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["mcs", "-langversion:7", "-warn:4", "-warnaserror", f"-r:{JSON_LIBRARY}", *more, str(SCRIPT), str(STUBS)]
    return subprocess.run(command, cwd=place, check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("routes")
    built = compiled(place, "-out:host.exe", str(HOST))
    assert built.returncode == 0, built.stdout + built.stderr
    return place / "host.exe"


@pytest.fixture
async def url(host: Path) -> AsyncIterator[str]:
    """Where the script is served; its tickets begin with none."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with await anyio.open_process(["mono", str(host), str(port), TOKEN], stderr=sys.stderr) as process:
        assert process.stdout is not None
        with anyio.fail_after(60):
            async with aclosing(process.stdout):
                assert await process.stdout.receive() == b"ready\n"
                yield f"http://127.0.0.1:{port}/api/custom/tmf656-bridge"
                process.kill()


@pytest.fixture
async def ask(url: str) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        async def asking(method: str, route: str, **options: Any) -> tuple[int, Any]:
            async with session.request(method, f"{url}/{route}", **options) as response:
                return response.status, await response.json()

        yield asking


@needs_mono
async def test_it_keeps_the_description(url: str, ask: Ask, tmp_path: Path) -> None:
    """All checks of schemathesis. The description allows what `about` lists, so what it does not list is taken out."""
    _, about = await ask("GET", "about")
    description = yaml.safe_load(DESCRIPTION.read_text())
    fields = description["components"]["schemas"]["TicketChange"]["properties"]
    for name in set(fields) - {*about["writable"], "fields"}:
        del fields[name]
    fields["type"]["enum"] = about["types"]
    fields["fields"]["properties"] = {name: {} for name in about["fields"]}
    for path, method in (("/tickets", "post"), ("/ticket", "put")):
        del description["paths"][path][method]["requestBody"]["content"]["application/json"]["examples"]
    (tmp_path / "routes.yaml").write_text(yaml.safe_dump(description))
    # only the links that the description states: the `id` of a note is not that of a ticket
    (tmp_path / "schemathesis.toml").write_text("[phases.stateful.inference]\nalgorithms = []\n")
    command = [sys.executable, "-m", "schemathesis.cli", "run", "routes.yaml", "--url", url, "--checks", "all"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "3", "--seed", "656", "--no-color"]
    command += ["--header", f"Authorization: Bearer {TOKEN}"]
    with anyio.fail_after(50):
        ended = await anyio.run_process(command, check=False, cwd=tmp_path, stderr=subprocess.STDOUT)
    assert ended.returncode == 0, ended.stdout.decode()[-8000:]


@needs_mono
async def test_requests_with_one_key_at_once_make_one_ticket(ask: Ask) -> None:
    made = []

    async def create(number: int) -> None:
        made.append(await ask("POST", "tickets", json={"key": "tb-1", "fields": {"name": f"number {number}"}}))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(create, number)
    assert sorted(status for status, _ in made) == [200] * 19 + [201]
    assert len({ticket["id"] for _, ticket in made}) == 1
    _, page = await ask("GET", "tickets?key=tb-1")
    assert [ticket["key"] for ticket in page["tickets"]] == ["tb-1"]


@needs_mono
async def test_pages_bring_each_ticket_once_in_the_order_of_changes(ask: Ask) -> None:
    for number in range(7):
        await ask("POST", "tickets", json={"key": f"tb-{number}", "fields": {"name": f"number {number}"}})
    _, first = await ask("GET", "tickets?limit=1")
    changed = first["tickets"][0]
    _, moved = await ask("PUT", f"ticket?id={changed['id']}", json={"state": "In Progress"})
    seen, after = [], ""
    while True:
        _, page = await ask("GET", f"tickets?limit=2{after}")
        seen += page["tickets"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert [ticket["name"] for ticket in seen] == [f"number {number}" for number in (*range(1, 7), 0)]
    _, since = await ask("GET", f"tickets?since={moved['lastModified']}")
    assert [ticket["id"] for ticket in since["tickets"]] == [changed["id"]]


@needs_mono
async def test_a_change_expects_a_version_and_a_note_is_added_once(ask: Ask) -> None:
    _, ticket = await ask("POST", "tickets", json={"key": "tb-1", "fields": {"name": "line down"}})
    put = f"ticket?id={ticket['id']}&ifVersion="
    status, changed = await ask("PUT", put + ticket["version"], json={"state": "On Hold"})
    assert (status, changed["state"]) == (200, "On Hold")
    assert changed["version"] != ticket["version"]
    status, conflict = await ask("PUT", put + ticket["version"], json={"state": "Resolved"})
    assert (status, conflict["ticket"]) == (409, changed)
    note = {"code": "k3v9x2qa", "author": "snow", "text": "snow INC1 [n:k3v9x2qa]\nhello"}
    answers = [await ask("POST", f"notes?id={ticket['id']}", json=note) for _ in range(2)]
    assert [status for status, _ in answers] == [201, 200]
    _, read = await ask("GET", f"ticket?id={ticket['id']}")
    assert [(each["code"], each["text"]) for each in read["notes"]] == [("k3v9x2qa", note["text"])]
    assert read["version"] != changed["version"]


@needs_mono
async def test_the_client_reads_and_writes_by_the_script(url: str) -> None:
    settings = DataminerApiSettings.model_validate({"url": url, "token": TOKEN, "write": True, "page_size": 2})
    async with TicketRoutesClient("dma", settings) as client:
        made = [
            await client.create({"name": f"line {number}", "type": "Incident Report"}, f"tb-{number}")
            for number in range(5)
        ]
        assert [ticket.id for ticket in await client.find("tb-3")] == [made[3].id]
        changed = await client.change(made[0].id, {"state": "In Progress"}, version=made[0].version)
        with pytest.raises(VersionChangedError) as conflict:
            await client.change(made[0].id, {"state": "Resolved"}, version=made[0].version)
        assert conflict.value.ticket is not None
        assert conflict.value.ticket.record == changed.record
        for _ in range(2):
            await client.add_note(made[0].id, "snow INC1 [n:k3v9x2qa]\nSpare part ordered.", code="n:k3v9x2qa")
        assert [note.text for note in await client.notes(made[0].id)] == ["snow INC1 [n:k3v9x2qa]\nSpare part ordered."]
        listed = [row.id async for page in client.pages() for row in page.items]
        assert listed == [ticket.id for ticket in (*made[1:], made[0])]
        with pytest.raises(WriteRefusedError, match="type must be one of Incident Report"):
            await client.create({"name": "x", "type": "Other"}, "tb-9")
