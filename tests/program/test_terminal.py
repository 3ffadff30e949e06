"""What a person sees on a terminal: colours, progress; and that NO_COLOR and pipes get neither."""

import json
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from bridge.simulator import Simulator
from bridge.storage import lease
from tests.program.conftest import environment
from tests.terminal import on_terminal

pytestmark = pytest.mark.anyio

See = Callable[..., Any]
COLOUR = re.compile(r"\x1b\[(?:\d+;)*3[0-7]m")
SGR = re.compile(r"\x1b\[[\d;]*m")
"""Any style at all; what moves the cursor is another thing."""


@pytest.fixture
def see(tmp_path: Path) -> See:
    """Run a command of the program on a terminal; return exit status and what was seen."""

    async def seeing(*arguments: object, stop_at: str = "", **env: str) -> tuple[int, str]:
        around = environment(**env)
        if "NO_COLOR" not in env:
            del around["NO_COLOR"]
        command = [sys.executable, "-m", "bridge", *map(str, arguments)]
        return await anyio.to_thread.run_sync(lambda: on_terminal(command, cwd=tmp_path, env=around, stop_at=stop_at))

    return seeing


async def test_sync_full_shows_a_bar_that_fills(dsn: str, see: See, configured: Any) -> None:
    async with Simulator(population=40) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "page_size": 10}})
        status, seen = await see("sync", "snow", "--full", "--config", config)
    assert status == 0, seen
    plain = SGR.sub("", seen)
    assert "reconciling snow" in plain
    assert "40/40" in plain
    assert "━" in plain
    assert "\x1b[?25l" in seen, "the bar is redrawn in its place"
    assert "\x1b[?25h" in seen, "the cursor is back at the end"
    assert "40 new" in plain


async def test_check_colours_what_works_and_what_does_not(dsn: str, see: See, configured: Any, held_port: Any) -> None:
    nobody = f"http://127.0.0.1:{held_port.getsockname()[1]}/v4"
    config = configured(dsn=dsn, sources={"snow": {"url": nobody, "request_timeout_seconds": 2}})
    status, seen = await see("check", "--config", config)
    assert status == 1
    assert "\x1b[32mworks" in seen
    assert "\x1b[31mfails" in seen
    status, plain = await see("check", "--config", config, NO_COLOR="1")
    assert status == 1
    assert not COLOUR.search(plain)
    assert "works" in plain


async def test_status_colours_the_mode(dsn: str, see: See, configured: Any) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "a leader"})
    await connection.execute("insert into bridge.source (name, mode) values ('oss', 'fallback'), ('snow', 'push')")
    taken = await lease.take(connection, lease.LEADER, "a leader", seconds=600)
    assert taken is not None
    config = configured(dsn=dsn)
    status, seen = await see("status", "--config", config)
    assert status == 0
    assert "\x1b[33mfallback" in seen
    assert "\x1b[32mpush" in seen
    _, plain = await see("status", "--config", config, NO_COLOR="1")
    assert not COLOUR.search(plain)
    await connection.close()


async def test_the_log_of_run_is_for_people_on_a_terminal_and_json_in_a_pipe(
    dsn: str, see: See, start: Any, configured: Any
) -> None:
    config = configured(dsn=dsn)
    status, seen = await see("run", "--config", config, stop_at="listening")
    assert status == 0, seen
    assert COLOUR.search(seen)
    lines = SGR.sub("", seen).splitlines()
    assert any(re.match(r"\d{4}-\d\d-\d\d.* \[\w+ *\] ", line) for line in lines), seen
    _, plain = await see("run", "--config", config, stop_at="listening", NO_COLOR="1")
    assert not SGR.search(plain)
    async with start("run", "--config", config) as program:
        await program.logged("listening")
        assert await program.stopped(signal.SIGTERM) == 0
    assert all(json.loads(line)["event"] for line in program.err if line)
