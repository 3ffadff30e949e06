"""Under systemd (`Type=notify`): it says when it is ready, that it turns, and that it stops."""

import re
import signal
import socket
from pathlib import Path
from typing import Any

import anyio
import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
def manager(tmp_path: Path) -> Any:
    """The socket that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


async def message(manager: socket.socket) -> str:
    return (await anyio.to_thread.run_sync(manager.recv, 4096)).decode()


async def test_it_says_that_it_is_ready_turns_and_stops(
    dsn: str, start: Any, configured: Any, manager: socket.socket
) -> None:
    env = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "300000"}
    async with start("run", "--config", configured(dsn=dsn), env=env) as program:
        said = [await message(manager)]
        while not any("READY=1" in one for one in said) or said.count("WATCHDOG=1") < 3:
            said.append(await message(manager))
        states = [re.sub(r"http://[\d.:]+", "URL", one) for one in said if one != "WATCHDOG=1"]
        assert states == [
            "STATUS=listening at URL, waiting for Postgres",
            "READY=1\nSTATUS=listening at URL, following no source",
        ]
        assert await program.stopped(signal.SIGTERM) == 0
        while said[-1] != "STOPPING=1":
            said.append(await message(manager))


async def test_a_watchdog_meant_for_another_process_is_not_fed(
    dsn: str, start: Any, configured: Any, manager: socket.socket
) -> None:
    env = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"}
    async with start("run", "--config", configured(dsn=dsn), env=env) as program:
        assert (await message(manager)).startswith("STATUS=")
        assert (await message(manager)).startswith("READY=1")
        assert await program.stopped(signal.SIGTERM) == 0
        assert await message(manager) == "STOPPING=1"
