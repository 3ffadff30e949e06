"""The process that is kept: what it said when it ended, started again when it was ready once, and stopped.

A small program stands in the place of `postgres`: what is tested is the keeping, not the database.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
import structlog

from bridge.postgres import postmaster as module
from bridge.postgres.cluster import Cluster
from bridge.postgres.postmaster import Postmaster

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 30.0


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A shell cannot trap a signal that was ignored when it started, as it is for what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def keeping(tmp_path: Path) -> Callable[[str], Postmaster]:
    """Make the keeper of a program of this text."""

    def make(text: str) -> Postmaster:
        program = tmp_path / "postgres"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        return Postmaster(Cluster(tmp_path, tmp_path, None), ["port=1"], tmp_path / "server.log")

    return make


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(LIMIT_SECONDS):
        while not holds():  # noqa: ASYNC110 -- another process makes it true
            await anyio.sleep(0.01)


async def test_one_that_ends_before_it_was_ready_is_not_started_again_and_says_why(
    keeping: Callable[[str], Postmaster],
) -> None:
    postmaster = keeping('echo "started with $*"; exit 1')
    postmaster.start()
    await until(lambda: postmaster.ended)
    [line] = postmaster.failure().splitlines()
    assert line.endswith("-c port=1")


async def test_one_that_was_ready_is_started_again_until_it_is_stopped(
    keeping: Callable[[str], Postmaster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RESTART_DELAYS_SECONDS", (0.01,))
    postmaster = keeping("echo again; read line < /dev/null")
    postmaster.keep_running()
    postmaster.start()
    await until(lambda: postmaster._log_path.exists() and postmaster.log_tail().count("again") >= 2)
    await postmaster.stop()
    assert postmaster.ended


async def test_one_whose_files_are_gone_is_started_again_when_they_are_back(
    keeping: Callable[[str], Postmaster], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The defect: what was deleted, or away with its mount, or had no descriptor left, was never started again."""
    monkeypatch.setattr(module, "_RESTART_DELAYS_SECONDS", (0.01,))
    postmaster = keeping("echo again; read line < /dev/null")
    postmaster._log_path = tmp_path / "there" / "server.log"
    postmaster._log_path.parent.mkdir()
    postmaster.keep_running()
    with structlog.testing.capture_logs() as logged:
        postmaster.start()
        await until(lambda: postmaster._log_path.exists() and "again" in postmaster.log_tail())
        (tmp_path / "there").rename(tmp_path / "away")
        await until(lambda: any("No such file" in str(each.get("reason")) for each in logged))
        (tmp_path / "away").rename(tmp_path / "there")
        before = postmaster.log_tail().count("again")
        await until(lambda: postmaster.log_tail().count("again") > before)
    await postmaster.stop()
    said = [each for each in logged if "No such file" in str(each.get("reason"))]
    assert said[0]["event"] == "the files of the embedded Postgres are gone"
    assert "restart the bridge" in str(said[0]["remedy"])


async def test_it_is_asked_to_stop_by_a_signal(keeping: Callable[[str], Postmaster]) -> None:
    postmaster = keeping('trap "echo asked; exit 0" INT\necho ready\nwhile :; do sleep 0.02; done')
    postmaster.start()
    await until(lambda: postmaster._log_path.exists() and "ready" in postmaster.log_tail())
    await postmaster.stop()
    assert postmaster.ended
    assert postmaster.log_tail().splitlines() == ["ready", "asked"]


async def test_a_log_that_has_grown_too_long_is_moved_aside(
    keeping: Callable[[str], Postmaster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOG_LIMIT_BYTES", 10)
    postmaster = keeping("echo new")
    postmaster._log_path.write_text("old " * 10)
    postmaster.start()
    await until(lambda: postmaster.ended)
    assert postmaster.log_tail() == "new"
    assert postmaster._log_path.with_name("server.log.1").read_text() == "old " * 10
    assert postmaster._log_path.stat().st_mode & 0o777 == 0o600
