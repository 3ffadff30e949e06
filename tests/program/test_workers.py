"""`run --workers`: several processes on one port, one of which may die; one page of metrics."""

import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
import asyncpg
import orjson
import psutil
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

SECRET = "w" * 32
ANSWERED = re.compile(r'^tmf656_bridge_notifications_total\{.*outcome="applied".*\} ([\d.e+]+)$', re.MULTILINE)


def event(number: int) -> bytes:
    problem = {"id": f"SP-{number}", "status": "acknowledged", "lastUpdate": "2026-06-01T12:00:00Z"}
    return orjson.dumps(
        {
            "eventId": f"e-{number}",
            "eventType": "ServiceProblemCreateEvent",
            "eventTime": "2026-06-01T12:00:00Z",
            "event": {"serviceProblem": problem | {"description": "no light"}},
        }
    )


class Senders:
    """Sends notifications over as many connections as there are sessions."""

    def __init__(self, url: str, sessions: list[aiohttp.ClientSession]) -> None:
        self.url, self.sessions = url, sessions
        self.answered: list[str] = []
        self.sent = 0

    async def send(self, number: int) -> None:
        """Send so many; what breaks off or is refused is sent again, as senders do."""
        async with anyio.create_task_group() as sending:
            for place in range(number):
                self.sent += 1
                sending.start_soon(self._send, self.sent, self.sessions[place % len(self.sessions)])

    async def _send(self, number: int, session: aiohttp.ClientSession) -> None:
        while True:
            try:
                async with session.post(f"{self.url}/listener/snow/{SECRET}", data=event(number)) as answer:
                    if answer.status == 201:
                        self.answered.append(f"e-{number}")
                        return
            except aiohttp.ClientError:
                pass
            await anyio.sleep(0.05)


@asynccontextmanager
async def senders(url: str, connections: int = 32) -> AsyncIterator[Senders]:
    sessions = [aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) for _ in range(connections)]
    try:
        yield Senders(url, sessions)
    finally:
        for session in sessions:
            await session.close()


async def applied(url: str) -> float:
    """Notifications that came to be changes, as one scrape over a connection of its own tells."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        return sum(map(float, ANSWERED.findall(await answer.text())))


async def scraped(url: str, accept: bytes) -> bytes:
    """A scrape whose Accept header is these bytes, as it is answered."""
    parts = urlsplit(url)
    answer = b""
    async with await anyio.connect_tcp(parts.hostname or "", parts.port or 80) as stream:
        await stream.send(
            b"GET /metrics HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\nAccept: " + accept + b"\r\n\r\n"
        )
        async for part in stream:
            answer += part
    return answer


def registered(sim: Simulator) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return bool(sim.subscriptions)

    return holds


def workers_of(pid: int) -> list[psutil.Process]:
    return [each for each in psutil.Process(pid).children() if "worker" in each.cmdline()]


async def ask(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_all_of_them_answer_and_any_of_them_has_the_whole_page(
    dsn: str, start: Any, configured: Any, get: Any
) -> None:
    async with Simulator(population=3, seed=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "callback_secret": SECRET}})
        async with start("run", "--workers", "2", "--config", config) as program:
            url = (await program.logged("all workers are ready", workers=2))["url"]
            async with senders(url) as sending:
                await sending.send(200)
                sharing = [len(each.net_connections("tcp")) for each in workers_of(program.pid)]
                assert len(sharing) == 2
                assert min(sharing) > 2  # beside the listening socket, and those to Postgres
                assert {await applied(url) for _ in range(12)} == {200}
            assert await ask(dsn, "select count(*) from report.notification where outcome = 'applied'") == 200
            assert len(sim.subscriptions) == 1
            status, text, _ = await get(f"{url}/readyz")
            assert (status, orjson.loads(text)["state"]) == (200, "ready")
            assert await program.stopped(signal.SIGTERM) == 0


async def test_one_that_is_killed_is_replaced_while_the_others_answer_and_no_count_falls(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=3, seed=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "callback_secret": SECRET}})
        async with start("run", "--workers", "2", "--config", config) as program:
            url = (await program.logged("all workers are ready"))["url"]
            async with senders(url) as sending:
                await sending.send(100)
                assert await applied(url) == 100
                leading = (await program.logged("leading"))["worker"]
                assert leading == 1
                first, second = workers_of(program.pid)
                async with anyio.create_task_group() as more:
                    more.start_soon(sending.send, 100)
                    first.kill()
                await program.logged("a worker ended, starting another", worker=1)

                async def led_again() -> bool:
                    assert await applied(url) >= 100
                    return [line["event"] for line in program.log].count("leading") == 2

                await eventually(led_again)
                assert len(workers_of(program.pid)) == 2
                assert second.is_running()
                await sending.send(50)
                events = await ask(
                    dsn, "select array_agg(event_id) from report.notification where outcome <> 'duplicate'"
                )
                assert set(sending.answered) <= set(events)
                assert len(set(events)) == len(events)
                assert len(sending.answered) == 250
            assert await program.stopped(signal.SIGTERM) == 0


async def test_while_no_worker_can_be_started_the_others_go_on(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with start("run", "--workers", "2", "--config", configured(dsn=dsn)) as program:
        url = (await program.logged("all workers are ready"))["url"]
        parent = psutil.Process(program.pid)
        first, second = workers_of(program.pid)
        limits = parent.rlimit(psutil.RLIMIT_NOFILE)
        parent.rlimit(psutil.RLIMIT_NOFILE, (3, limits[1]))
        second.kill()
        said = await program.logged("a worker cannot be started, trying again later", worker=2)
        assert "Too many open files" in said["error"]
        assert await applied(url) == 0
        parent.rlimit(psutil.RLIMIT_NOFILE, limits)

        async def ready_again() -> bool:
            return [line.get("worker") for line in program.log if line["event"] == "ready"].count(2) == 2

        await eventually(ready_again)
        assert first in workers_of(program.pid)
        assert await program.stopped(signal.SIGTERM) == 0


async def test_no_accept_header_ends_anything(dsn: str, start: Any, configured: Any) -> None:
    async with start("run", "--workers", "2", "--config", configured(dsn=dsn)) as program:
        url = (await program.logged("all workers are ready"))["url"]
        workers = workers_of(program.pid)
        for accept in (b"text/plain;version=x", b"application/openmetrics-text;version=x", b"text/\xff\xfe"):
            assert (await scraped(url, accept)).startswith(b"HTTP/1.1 200 OK")
        assert workers_of(program.pid) == workers
        assert await program.stopped(signal.SIGTERM) == 0


async def test_a_worker_that_does_not_stop_is_killed_and_another_still_deregisters(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=3, seed=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "callback_secret": SECRET}})
        async with start("run", "--workers", "2", "--unsubscribe", "--config", config) as program:
            await program.logged("all workers are ready")
            await eventually(registered(sim))
            workers_of(program.pid)[1].suspend()
            program.process.send_signal(signal.SIGTERM)
            assert await program.ended() == 1
            await program.logged("a worker does not stop, killing it", worker=2)
            assert [line["worker"] for line in program.log if line["event"] == "stopping" and "worker" in line] == [1]
            assert any("1 of 2 workers did not stop" in line for line in program.err)
            assert not sim.subscriptions


async def test_ctrl_c_comes_to_the_parent_alone_which_keeps_the_order(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    async with Simulator(population=3, seed=1) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "callback_secret": SECRET}})
        run = ("run", "--workers", "3", "--unsubscribe", "--config", config)
        async with start(*run, start_new_session=True) as program:
            await program.logged("all workers are ready")
            await eventually(registered(sim))
            os.killpg(program.pid, signal.SIGINT)
            assert await program.ended() == 0
            signals = {line.get("worker"): line["signal"] for line in program.log if line["event"] == "stopping"}
            assert signals == {None: "SIGINT", 1: "SIGTERM", 2: "SIGTERM", 3: "SIGTERM"}
            assert not sim.subscriptions


async def test_a_scrape_that_the_parent_does_not_answer_is_told_so(
    dsn: str, start: Any, configured: Any, get: Any
) -> None:
    async with start("run", "--workers", "2", "--config", configured(dsn=dsn)) as program:
        url = (await program.logged("all workers are ready"))["url"]
        parent = psutil.Process(program.pid)
        parent.suspend()
        status, text, _ = await get(f"{url}/metrics")
        parent.resume()
        assert (status, orjson.loads(text)["reason"]) == (503, "unavailable")
        assert (await get(f"{url}/metrics"))[0] == 200
        assert await program.stopped(signal.SIGTERM) == 0


async def test_workers_whose_parent_is_killed_stop(dsn: str, start: Any, configured: Any) -> None:
    async with start("run", "--config", configured(dsn=dsn, workers=3)) as program:
        await program.logged("all workers are ready", workers=3)
        workers = workers_of(program.pid)
        assert len(workers) == 3
        await program.killed()  # returns when nobody has its standard error open any more
        gone, alive = await anyio.to_thread.run_sync(lambda: psutil.wait_procs(workers, timeout=30))
        assert (len(gone), alive) == (3, [])
        assert [line["worker"] for line in program.log if line["event"] == "the parent is gone, stopping"]


async def test_an_embedded_postgres_belongs_to_the_parent(
    tmp_path: Path, start: Any, call: Any, configured: Any
) -> None:
    async with start("run", "--workers", "2", "--config", configured()) as program:
        await program.logged("all workers are ready")
        answer = await call(
            "psql", "--config", tmp_path / "bridge.toml", "-Atc", "select count(*) from report.notification"
        )
        assert (answer.status, answer.out.strip()) == (0, "0")
        assert await program.stopped(signal.SIGINT) == 0


async def test_no_worker_takes_its_modules_from_the_directory_it_is_started_in(
    dsn: str, start: Any, configured: Any, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("bridge", "typer", "socket"):
        (elsewhere / f"{name}.py").write_text("raise SystemExit(7)")
    command = (sys.executable, "-P", "-m", "bridge")  # as the installed program is: without the current directory
    config = configured(dsn=dsn)
    async with start("run", "--workers", "2", "--config", config, cwd=elsewhere, command=command) as program:
        await program.logged("all workers are ready")
        assert await program.stopped(signal.SIGTERM) == 0


async def test_a_port_that_somebody_has_is_noticed(dsn: str, start: Any, call: Any, configured: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = await call("run", "--workers", "2", "--config", configured(dsn=dsn, port=port))
        assert answer.status == 1
        assert f"127.0.0.1:{port}" in answer.err
        assert "http.port" in answer.err
    config = configured(dsn=dsn)
    async with start("run", "--workers", "2", "--config", config) as program:
        url = (await program.logged("all workers are ready"))["url"]
        answer = await call("run", "--config", configured(dsn=dsn, port=int(url.rpartition(":")[2]), workers=2))
        assert answer.status == 1
        assert "http.port" in answer.err
        assert await program.stopped(signal.SIGTERM) == 0


async def test_what_keeps_the_first_from_running_is_said_once(empty_dsn: str, call: Any, configured: Any) -> None:
    answer = await call("run", "--workers", "3", "--config", configured(dsn=empty_dsn))
    assert answer.status == 1
    assert answer.err.count("tmf656-bridge migrate") == 1
    assert "first of 3 workers" in answer.err


async def test_systemd_hears_of_all_of_them_at_once(dsn: str, start: Any, configured: Any, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        env = {"NOTIFY_SOCKET": listening.getsockname()}
        async with start("run", "--workers", "2", "--config", configured(dsn=dsn), env=env) as program:
            said = (await anyio.to_thread.run_sync(listening.recv, 4096)).decode()
            assert said.startswith("READY=1\nSTATUS=2 workers listening at http://127.0.0.1:")
            assert await program.stopped(signal.SIGTERM) == 0
            assert (await anyio.to_thread.run_sync(listening.recv, 4096)).decode() == "STOPPING=1"
