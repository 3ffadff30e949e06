"""Trying settings says whether they work, in words of ours and none of the other side's."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from bridge.bootstrap import client_for
from bridge.settings import load
from bridge.simulator import Simulator
from bridge.sources.connection_check import ConnectionFinding, check_connection
from bridge.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio


@pytest.fixture
def check(tmp_path: Any) -> Callable[..., Any]:
    """Try an address."""

    async def checked(url: str, **source: str) -> ConnectionFinding:
        overlay = {f"sources.noc.{key}": value for key, value in ({"url": url} | source).items()}
        settings = load(env={}, cwd=tmp_path, overlay=overlay)
        return await check_connection(client_for("noc", settings.sources["noc"], Metrics()))

    return checked


async def test_a_list_is_counted(check: Any) -> None:
    async with Simulator(population=7, seed=1) as sim:
        found = await check(sim.url)
        empty = await check(f"{sim.url}/nowhere")
    assert found.works
    assert found.words.endswith("7 of 7 problems on the first page")
    assert (empty.works, "API base path" in empty.words) == (False, True)


async def test_a_server_that_is_away_cannot_be_reached(check: Any) -> None:
    found = await check("http://127.0.0.1:9")
    assert (found.works, found.words.startswith("it cannot be reached")) == (False, True)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "refuses the login"), (403, "refuses the login"), (404, "no such list"), (400, "refuses"), (200, "no list")],
)
async def test_no_word_of_the_answer_is_repeated(check: Any, status: int, words: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text="c4nary-of-an-internal-page")

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found = await check(f"http://127.0.0.1:{runner.addresses[0][1]}", token="t0ken")
    finally:
        await runner.cleanup()
    assert not found.works
    assert words in found.words
    assert "c4nary" not in found.words
