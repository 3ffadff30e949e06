"""The real program while the clock of its machine is set: libfaketime (Debian package faketime) sets it."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.simulator import Faults, Simulator

pytestmark = pytest.mark.anyio

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@pytest.fixture
def faked(tmp_path: Path) -> tuple[dict[str, str], Callable[[str], None]]:
    """An environment, and what sets the clock of all that runs in it: `+1h`, `-1d`; the monotonic clock goes on."""
    if not _LIBRARIES:
        pytest.skip("libfaketime is missing (Debian: apt install faketime)")
    file = tmp_path / "clock"

    def set_to(offset: str) -> None:
        whole = tmp_path / "clock.new"
        whole.write_text(offset)
        whole.rename(file)

    set_to("+0")
    env = {
        "LD_PRELOAD": str(_LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return env, set_to


async def ask(dsn: str, query: str, *values: Any) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


@pytest.mark.parametrize("jump", ["+1h", "+3d"])
async def test_polls_bring_the_tables_home_after_the_clock_was_set_ahead_and_back(
    dsn: str, start: Any, configured: Any, eventually: Any, faked: Any, jump: str
) -> None:
    env, set_to = faked
    description = "select 1 from report.service_problem where id = $1 and description = $2"
    async with Simulator(population=5) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "poll_interval_seconds": 1}})
        async with start("run", "--config", config, env=env) as program:
            await program.logged("registered", source="snow")
            await eventually(lambda: ask(dsn, "select count(*) = 5 from report.service_problem"))
            set_to(jump)
            await program.logged("our clock was set ahead")
            problem = await sim.create(description="received by the later clock")
            await eventually(lambda: ask(dsn, description, problem["id"], "received by the later clock"))
            late = "select max(received_at) > now() + interval '30 minutes' from report.notification"
            await eventually(lambda: ask(dsn, late))

            set_to("+0")
            await program.logged(
                "our clock was set back (or that of another process ran ahead): what was observed is dated to now"
            )
            sim.faults = Faults(lose=1.0)
            await sim.patch(problem["id"], description="known only by polling", lastUpdate=problem["lastUpdate"])
            await eventually(lambda: ask(dsn, description, problem["id"], "known only by polling"))
            # libfaketime takes its shared memory away when a process ends in order
            assert await program.stopped(signal.SIGTERM) == 0
        async with start("run", "--config", config, env=env) as again:
            await again.logged("ready")
            await sim.patch(problem["id"], description="after a restart")
            await eventually(lambda: ask(dsn, description, problem["id"], "after a restart"))
            assert await again.stopped(signal.SIGTERM) == 0
