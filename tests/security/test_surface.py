"""Our HTTP does what its description says, tried by schemathesis with all its checks; and no answer tells too much."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge.app import RunningBridge
from bridge.web.ops.openapi import DOCUMENT

pytestmark = pytest.mark.anyio

SECRET = "surface-C4nary-0123456789a"
TOKEN = "surface-t0ken-0123456789"
EXAMPLES = "15"


@pytest.fixture
async def bridge(dsn: str, upstream: Any, open_bridge: Callable[..., Any]) -> AsyncIterator[RunningBridge]:
    source = {"url": f"{upstream.url}/snow", "push": False, "callback_secret": SECRET}
    greeting = {"callback_handshakes": ["cloudevents"]}
    sources = {"snow": source | greeting, "five": source | {"version": "5"}}
    async with open_bridge({"database": {"dsn": dsn}, "http": {"port": 0}, "sources": sources}) as running:
        yield running


@pytest.mark.parametrize("known", [True, False], ids=["a callback we serve", "any callback"])
async def test_every_operation_does_what_the_description_says(
    bridge: RunningBridge, tmp_path: Path, *, known: bool
) -> None:
    """All checks of schemathesis; in its own process, because it is not asynchronous."""
    configuration = tmp_path / "schemathesis.toml"
    parameters = f'[parameters]\n"path.source" = "snow"\n"path.secret" = "{SECRET}"\n'
    configuration.write_text(parameters if known else "")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run"]
    command += [f"{bridge.url}/openapi.json", "--checks", "all", "--phases", "examples,coverage,fuzzing"]
    command += ["--max-examples", EXAMPLES, "--seed", "656", "--no-color", "--request-timeout", "20"]
    with anyio.fail_after(120):
        ended = await anyio.run_process(command, check=False, cwd=tmp_path, stderr=subprocess.STDOUT)
    assert ended.returncode == 0, ended.stdout.decode()[-8000:]


async def test_the_description_names_every_path_and_method_that_is_served(
    bridge: RunningBridge, get: Callable[..., Any]
) -> None:
    described = (await get(f"{bridge.url}/openapi.json")).json()
    assert described == DOCUMENT
    for path in (await get(bridge.url)).json()["paths"]:
        assert path in described["paths"]


async def test_pages_can_be_had_on_a_port_of_their_own_and_metrics_behind_a_token(
    dsn: str, open_bridge: Callable[..., Any], get: Callable[..., Any], post: Callable[..., Any]
) -> None:
    http = {"port": 0, "metrics_port": 0, "metrics_token": TOKEN}
    async with open_bridge({"database": {"dsn": dsn}, "http": http, "sources": {}}) as running:
        assert running.pages_url != running.url
        for path in ("/", "/livez", "/readyz", "/metrics", "/openapi.json"):
            assert (await get(f"{running.url}{path}")).status == 404
        assert (await get(f"{running.pages_url}/livez")).status == 200
        assert (await get(f"{running.pages_url}/readyz")).status == 200
        refused = await get(f"{running.pages_url}/metrics")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert (await post(f"{running.pages_url}/listener/snow/{SECRET}", b"{}")).status == 404
        assert (await get(f"{running.pages_url}/metrics", Authorization=f"Bearer {TOKEN}")).status == 200


async def test_no_answer_tells_a_librarys_version_or_lets_a_browser_guess(
    bridge: RunningBridge, get: Callable[..., Any], post: Callable[..., Any], open_wire: Callable[..., Any]
) -> None:
    answers = [await get(f"{bridge.url}{path}") for path in ("/", "/livez", "/metrics", "/nowhere", "/listener/a/b")]
    answers += [await post(f"{bridge.url}/listener/snow/{one}", b"{}") for one in (SECRET, "wrong")]
    async with open_wire(bridge.url) as wire:
        await wire.send(b"no http\r\n\r\n")
        answers.append(await wire.answer())
    for answer in answers:
        assert (answer.headers["server"], answer.headers["x-content-type-options"]) == ("tmf656-bridge", "nosniff")
        assert "aiohttp" not in str(answer).lower()
        assert "python" not in str(answer.headers).lower()
