"""A worker gets its settings on its line, keeps to them, and ends when its parent is gone."""

import os
import socket
import sys
from pathlib import Path

import anyio
import pytest

from bridge.settings import Settings
from bridge.workers import channel
from bridge.workers.channel import Message
from bridge.workers.child import Task

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 60.0


def settings(dsn: str, place: Path) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": str(place),
            "database": {"dsn": dsn if "://" in dsn else dsn.replace(":/", ":///", 1)},
            "http": {"port": 0},
            "journal": {"max_bytes": 0},
        }
    )


def test_what_the_parent_packs_is_what_the_worker_runs_by(tmp_path: Path) -> None:
    task = Task(3, settings("postgresql://u:C4nary@h/d", tmp_path), unsubscribe=True)
    assert Task.unpacked(task.packed()) == task
    assert Task.unpacked(task.packed()).settings.database.dsn.get_secret_value() == "postgresql://u:C4nary@h/d"
    assert task.packed().isascii()


async def test_a_worker_says_that_it_is_ready_answers_and_ends_with_its_parent(dsn: str, tmp_path: Path) -> None:
    task = Task(2, settings(dsn, tmp_path), unsubscribe=False)
    ready = anyio.Event()

    async def answer(question: Message) -> Message:
        if question["what"] == "ready":
            ready.set()
        return {"task": task.packed()} if question["what"] == "task" else {}

    ours, theirs = socket.socketpair()
    with theirs:
        process = await anyio.open_process(
            [sys.executable, "-m", "bridge", "worker"],
            stdin=theirs.fileno(),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stderr=None,
        )
    async with process:
        with anyio.fail_after(LIMIT_SECONDS):
            async with channel.opened(ours, answer) as line, anyio.create_task_group() as running:
                running.start_soon(line.run)
                await ready.wait()
                said = await line.ask(what="samples")
                running.cancel_scope.cancel()
            assert any(str(each).count("tmf656_bridge_build_info") for each in said["samples"])
            assert await process.wait() == 0
