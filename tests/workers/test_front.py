"""The front process is there while the bridge is: started, replaced, ended."""

import os
import signal
import socket
from pathlib import Path

import aiohttp
import anyio
import psutil
import pytest

from bridge.settings import Settings
from bridge.workers.front import FrontProcess, FrontTask, WithFront

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 60.0


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def settings(dsn: str, place: Path) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": str(place),
            "database": {"dsn": dsn if "://" in dsn else dsn.replace(":/", ":///", 1)},
            "console": {"enabled": True, "port": 0},
        }
    )


def test_what_the_parent_packs_is_what_the_process_runs_by(tmp_path: Path) -> None:
    task = FrontTask(settings("postgresql://u:C4nary@h/d", tmp_path), demo=True, dsn="postgresql:///x")
    assert FrontTask.unpacked(task.packed()) == task


async def test_a_killed_front_is_replaced_and_the_last_one_ends_with_us(dsn: str, tmp_path: Path) -> None:
    given = settings(dsn, tmp_path)
    send, receive = anyio.create_memory_object_stream[str](5)
    front = FrontProcess(given, demo=True, on_ready=send.send_nowait)
    with anyio.fail_after(LIMIT_SECONDS):
        async with send, receive, anyio.create_task_group() as tasks, aiohttp.ClientSession() as session:
            tasks.start_soon(front.run, given.database.dsn.get_secret_value())
            first = await receive.receive()
            async with session.get(f"{first}/about") as answer:
                assert answer.status == 200
            killed = front.pid
            assert killed is not None
            while not requests_of(front):  # noqa: ASYNC110 -- asked for every few seconds
                await anyio.sleep(0.05)
            os.kill(killed, signal.SIGKILL)
            second = await receive.receive()
            async with session.get(f"{second}/about") as answer:
                assert answer.status == 200
            last = front.pid
            assert last not in (None, killed)
            assert psutil.Process(last).nice() == min(19, psutil.Process().nice() + 10)  # senders come first
            slower = {"noc": {"url": "http://127.0.0.1:9/v4", "poll_interval_seconds": 77}}
            await front.update(Settings.model_validate(given.model_dump() | {"sources": slower}))
            status, text = 503, ""
            while status == 503:  # until Postgres is reached
                async with session.get(f"{second}/configuration") as answer:
                    status, text = answer.status, await answer.text()
            assert "sources.noc.poll_interval_seconds" in text
            assert requests_of(front) >= 1  # of the process that ended
            tasks.cancel_scope.cancel()
        assert not psutil.pid_exists(last or 0)


async def test_the_console_is_switched_on_moved_and_switched_off_by_a_reload(
    dsn: str, tmp_path: Path, unused_port: int
) -> None:
    given = settings(dsn, tmp_path)

    def console(**values: object) -> Settings:
        return given.model_copy(update={"console": given.console.model_copy(update=values)})

    send, receive = anyio.create_memory_object_stream[str](5)
    front = FrontProcess(console(enabled=False), on_ready=send.send_nowait)
    with anyio.fail_after(LIMIT_SECONDS):
        async with send, receive, anyio.create_task_group() as tasks, aiohttp.ClientSession() as session:
            tasks.start_soon(front.run, given.database.dsn.get_secret_value())
            await anyio.wait_all_tasks_blocked()
            assert front.pid is None
            await front.update(given)
            first, process = await receive.receive(), front.pid
            await front.update(console(port=unused_port))
            assert await receive.receive() == f"http://127.0.0.1:{unused_port}"
            assert front.pid != process
            async with session.get(f"http://127.0.0.1:{unused_port}/login") as answer:
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(first)
            last = psutil.Process(front.pid)
            await front.update(console(enabled=False))
            while last.is_running():  # noqa: ASYNC110 -- seen from outside only
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()


def requests_of(front: FrontProcess) -> float:
    """How many requests the metrics of the console say there were."""
    return sum(
        value
        for family in front.families()
        for name, _, value, _ in family.samples
        if name == "tmf656_bridge_console_requests_total"
    )


class Stopped:
    """A bridge that ends as soon as it runs."""

    async def run(self) -> None:
        await anyio.lowlevel.checkpoint()

    def stop(self) -> None:
        """Nothing to do."""

    async def reload(self) -> None:
        """Nothing to do."""


async def test_the_front_ends_with_its_bridge(dsn: str, tmp_path: Path) -> None:
    front = FrontProcess(settings(dsn, tmp_path))
    with anyio.fail_after(LIMIT_SECONDS):
        await WithFront(Stopped(), front).run()
    assert front.pid is None
