"""Processes of the bench: started, waited for, weighed, and ended by their id.

Servers are tied to the life of this process, so that a bench that is killed leaves none behind. What they write goes to
a file, which is shown when they do not come up.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import anyio
import psutil

from bridge.postgres import child_process

ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 60.0
_STOP_SECONDS = 8.0


class BenchError(Exception):
    """A slice could not be measured, or what it measured is not worth anything."""


class LostError(Exception):
    """The bridge answered what it did not keep: no figure counts any more."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process that runs; `said` is what was found in its output when it came up."""

    pid: int
    said: re.Match[str]

    def cpu_seconds(self) -> float:
        """Processor time of it and all that descend from it, so far."""
        try:
            return tree_cpu_seconds(self.pid)
        except psutil.NoSuchProcess as error:
            raise BenchError(f"process {self.pid} has ended") from error

    def rss_bytes(self) -> int:
        """Memory of it and all that descend from it, now."""
        return sum(each.memory_info().rss for each in _tree(self.pid))


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ran to its end: wall and processor seconds, and the most memory one of its processes had."""

    out: str
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int


def environment(**more: str) -> dict[str, str]:
    """The environment of this process without settings of the bridge or of libpq, and with compiled modules kept, as
    they are where something is installed.
    """
    apart = ("BRIDGE_", "PG", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(apart)}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | more


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module with the Python that runs this."""
    return [sys.executable, "-m", module, *map(str, arguments)]


@asynccontextmanager
async def running(
    command: Sequence[str], ready: str, log: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """Run a server until the block ends. It is up when its output matches `ready`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            child_process.command(Path(command[0]), *command[1:], death_signal=signal.SIGTERM),
            cwd=ROOT,
            env=dict(env or environment()),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Child(process.pid, await _said(process, ready, log))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_stop, process)


async def _said(process: "subprocess.Popen[bytes]", ready: str, log: Path) -> re.Match[str]:
    ends = monotonic() + _READY_SECONDS
    while monotonic() < ends:
        text = log.read_text(errors="replace")
        if found := re.search(ready, text):
            return found
        if process.poll() is not None:
            break
        await anyio.sleep(0.01)
    raise BenchError(f"{log.parent.name} did not come up:\n{log.read_text(errors='replace')[-3000:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def finished(command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> Finished:
    """Run a command to its end; BenchError unless it ends with status 0."""
    return await anyio.to_thread.run_sync(_finished, command, log, env, abandon_on_cancel=True)


def _finished(command: Sequence[str], log: Path, env: Mapping[str, str] | None) -> Finished:
    with log.open("wb") as output:
        started = monotonic()
        process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env=dict(env or environment()),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    out = log.read_text(errors="replace")
    if process.returncode:
        raise BenchError(f"{' '.join(map(str, command[:6]))} ended with status {process.returncode}:\n{out[-3000:]}")
    return Finished(out, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def tree_cpu_seconds(pid: int) -> float:
    """Processor time of a process, of its children that ended, and of those that live."""
    total = 0.0
    for each in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _tree(pid: int) -> list[psutil.Process]:
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]
