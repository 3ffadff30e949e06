"""SIGHUP: the configuration is read again, and never does it end the bridge."""

import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import asyncpg
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

SECRET = "a-callback-secret-for-tests"


async def ask(dsn: str, query: str, *values: Any) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


async def status_of(url: str, source: str) -> int:
    async with aiohttp.ClientSession() as session, session.post(f"{url}/listener/{source}/{SECRET}") as answer:
        return answer.status


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
async def test_e7_sources_are_added_changed_and_removed_while_it_runs(
    dsn: str, start: Any, configured: Any, eventually: Any, options: Sequence[str]
) -> None:
    async with Simulator(population=3, id_prefix="A-") as one, Simulator(population=4, id_prefix="B-") as two:
        sources = {
            "one": {"url": one.url, "callback_secret": SECRET},
            "gone": {"url": one.url, "callback_secret": SECRET},
        }
        config = configured(dsn=dsn, sources=sources)
        async with start("run", "--config", config, *options) as program:
            url = (await program.logged("all workers are ready" if options else "ready"))["url"]
            for name in sources:
                await program.logged("registered", source=name)
            configured(dsn=dsn, sources={"one": sources["one"] | {"push": False}, "two": {"url": two.url}})
            program.process.send_signal(signal.SIGHUP)
            reloaded = await program.logged("configuration reloaded")
            assert (reloaded["added"], reloaded["changed"], reloaded["removed"]) == (["two"], ["one"], ["gone"])
            await program.logged("registered", source="two")
            await eventually(lambda: ask(dsn, "select count(*) = 4 from report.service_problem where source = 'two'"))

            async def all_deregistered() -> bool:
                return one.subscriptions == {}

            await eventually(all_deregistered)
            problem = await two.create(description="no light")
            await eventually(lambda: ask(dsn, "select 1 from report.service_problem where id = $1", problem["id"]))

            async def not_found_anywhere() -> bool:
                return [await status_of(url, "gone") for _ in range(8)] == [404] * 8

            await eventually(not_found_anywhere)
            assert await program.stopped(signal.SIGTERM) == 0


async def test_e7_a_faulty_configuration_changes_nothing_and_names_every_fault(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=3) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        async with start("run", "--config", config) as program:
            await program.logged("registered", source="snow")
            good = config.read_text()
            config.write_text(f"{good}\npoll_intervall = 3\nenabled = 7\n")
            program.process.send_signal(signal.SIGHUP)
            refused = await program.logged("configuration not reloaded")
            assert ["poll_intervall" in fault or "enabled" in fault for fault in refused["faults"]] == [True, True]
            config.write_text(good.replace("[http]", '[log]\nlevel = "debug"\n[http]').replace("port = 0", "port = 9"))
            program.process.send_signal(signal.SIGHUP)
            assert (await program.logged("configuration needs a restart"))["keys"] == ["http.port"]
            assert (await program.logged("configuration reloaded"))["keys"] == ["log.level"]
            problem = await sim.create(description="no light")
            await eventually(lambda: ask(dsn, "select 1 from report.service_problem where id = $1", problem["id"]))
            assert await program.stopped(signal.SIGTERM) == 0


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
async def test_e7_sighup_in_every_phase_of_the_start_ends_nothing(
    start: Any, configured: Any, dsn: str, options: Sequence[str]
) -> None:
    """Signals from before its first line of Python on until it is ready."""
    async with Simulator(population=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url}})
        async with start("run", "--config", config, *options, fresh=True) as program:
            while not program.log:
                # the interpreter itself, before it runs anything of ours, may be killed: begin when it can ignore
                if ignores_hangup(program.pid):
                    program.process.send_signal(signal.SIGHUP)
                await anyio.sleep(0.005)
            for _ in range(20):
                program.process.send_signal(signal.SIGHUP)
                await anyio.sleep(0.01)
            await program.logged("all workers are ready" if options else "ready")
            await program.logged("registered", source="snow")
            program.process.send_signal(signal.SIGHUP)
            await program.logged("configuration reloaded")
            assert await program.stopped(signal.SIGTERM) == 0


async def test_e7_sighup_while_postgres_is_away_is_heeded(
    start: Any, configured: Any, held_port: socket.socket
) -> None:
    dsn = f"postgresql://postgres@127.0.0.1:{held_port.getsockname()[1]}/x"
    config = configured(dsn=dsn)
    async with start("run", "--config", config) as program:
        await program.logged("waiting for postgres")
        configured(dsn=dsn, sources={"snow": {"url": "http://127.0.0.1:9"}})
        program.process.send_signal(signal.SIGHUP)
        assert (await program.logged("configuration reloaded"))["added"] == ["snow"]
        assert await program.stopped(signal.SIGTERM) == 0


def ignores_hangup(pid: int) -> bool:
    """Does the process ignore or catch SIGHUP?"""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigIgn", "SigCgt"))]
    return any(mask & 1 << (signal.SIGHUP - 1) for mask in masks)
