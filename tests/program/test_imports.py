"""A command imports what it needs and nothing else: Python itself lists the imports, nothing is timed."""

import re
import signal
from typing import Any

import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

VERBOSE = {"PYTHONVERBOSE": "1"}
PROGRAM = ("aiohttp.web", "bridge.app", "bridge.cli.run", "bridge.web", "bridge.workers")
LINKS = ("jinja2", "jmespath")
"""What only a configuration with [links] needs."""
OTHERS = ("bridge.cli.check", "bridge.cli.dead_letters", "bridge.cli.demo", "bridge.cli.simulate", "bridge.simulator")


def imported(lines: list[str]) -> set[str]:
    """The modules that Python says it imported."""
    found = (re.match(r"import '([\w.]+)' #", line) for line in lines)
    return {one[1] for one in found if one}


def needless(modules: set[str], *listed: str) -> list[str]:
    """Those of `listed`, and what lies below them, that were imported all the same."""
    return sorted(name for name in modules if any(f"{name}.".startswith(f"{each}.") for each in listed))


async def test_sync_imports_neither_the_listener_nor_any_other_command(dsn: str, call: Any, configured: Any) -> None:
    async with Simulator(population=3) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        answer = await call("sync", "snow", "--full", "--config", config, env=VERBOSE)
    assert answer.status == 0, answer.err
    modules = imported(answer.err.splitlines())
    assert "bridge.cli.sync" in modules
    assert needless(modules, *PROGRAM, *OTHERS, *LINKS) == []


async def test_run_imports_no_other_command(dsn: str, start: Any, configured: Any) -> None:
    async with start("run", "--config", configured(dsn=dsn), env=VERBOSE) as bridge:
        await bridge.logged("ready")
        assert await bridge.stopped(signal.SIGTERM) == 0
    modules = imported(bridge.err)
    assert "bridge.cli.run" in modules
    assert needless(modules, "bridge.cli.sync", *OTHERS) == []


async def test_config_imports_neither_driver_nor_client(call: Any, configured: Any) -> None:
    answer = await call("config", "--config", configured(), env=VERBOSE)
    assert answer.status == 0, answer.err
    modules = imported(answer.err.splitlines())
    assert "bridge.cli.config" in modules
    assert (
        needless(
            modules, "aiohttp", "asyncpg", "bridge.ingest", "bridge.pull", "bridge.storage", *PROGRAM, *OTHERS, *LINKS
        )
        == []
    )
