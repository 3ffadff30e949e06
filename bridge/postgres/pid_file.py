"""Which server runs on a data directory, by its `postmaster.pid` and the command line of that process.

A bridge that is killed leaves a server that is shutting down, or a `postmaster.pid` whose number is another program's
by now; `settle` waits for the first and removes the second.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import structlog

from bridge.errors import PermanentError

log = structlog.get_logger(__name__)

_ORPHAN_LIMITS_SECONDS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 20.0))


def pauses_seconds() -> Iterator[float]:
    """Yield the pauses between checks on another process: short at first, then constant, without end."""
    return itertools.chain((0.005, 0.01, 0.02, 0.04, 0.08, 0.16), itertools.repeat(0.25))


def mark(path: Path) -> str:
    """Return a setting that the server ignores; on its command line it shows that the server is ours, and its data.

    As root the command line does not name the directory otherwise, and its working directory may be hidden from us.
    """
    return f"tmf656_bridge.cluster={path}"


async def settle(path: Path) -> None:
    """Return when no earlier server runs on this cluster and no stale `postmaster.pid` would stop the next one.

    A server whose bridge was killed is already shutting down; it gets the signal again, then the one for an immediate
    shutdown (it recovers at the next start). A server that another program started is never stopped: PermanentError.
    """
    for death_signal, limit_seconds in _ORPHAN_LIMITS_SECONDS:
        running = await anyio.to_thread.run_sync(_running, path)
        if running is None:
            break
        pid, ours = running
        if not ours:
            raise PermanentError(
                f"A Postgres that the bridge did not start runs on {path} (process {pid}). Stop it: kill -INT {pid}"
            )
        log.info("waiting for the Postgres of a killed bridge", postgres_pid=pid, signal=death_signal.name)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # ended, or owned by another user
            os.kill(pid, death_signal)
        with anyio.move_on_after(limit_seconds):
            for pause_seconds in pauses_seconds():
                if _running(path) != running:
                    break
                await anyio.sleep(pause_seconds)
    else:
        running = _running(path)
        if running is not None:
            pid = running[0]
            raise PermanentError(
                f"The Postgres of a killed bridge does not stop (process {pid}). Stop it: kill -KILL {pid}"
            )
    _drop_misleading_pid_file(path)


def pid_file_lines(path: Path) -> list[str]:
    try:
        return (path / "postmaster.pid").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _pid_in_file(path: Path) -> int | None:
    lines = pid_file_lines(path)
    return int(lines[0]) if lines and lines[0].strip().isdecimal() else None


def _running(path: Path) -> tuple[int, bool] | None:
    """Return the process that `postmaster.pid` names, if that really is a Postgres on this directory, and whether it is
    ours. Both in one look: a process that dies meanwhile has no command line any more.
    """
    pid = _pid_in_file(path)
    if pid is None:
        return None
    words = _command_line(pid)
    if mark(path) in " ".join(words):
        return pid, True
    return (pid, False) if Path(words[0]).name == "postgres" and _works_in(pid, path) else None


def _command_line(pid: int) -> list[str]:
    """Return the words of a process' command line (outside Linux: cut at blanks); one empty word if it is gone."""
    if sys.platform == "linux":
        try:
            words = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
        except OSError:
            words = [""]
    else:
        ps = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
        shown = subprocess.run(ps, capture_output=True, text=True, check=False)  # noqa: S603 -- words of ours, no shell
        words = shown.stdout.split(" ")
    return words


def _works_in(pid: int, path: Path) -> bool:
    """Whether `path` is the working directory of a Postgres that we did not start; yes when we may not know."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(path)
    except PermissionError:
        return True
    except OSError:
        return False


def _drop_misleading_pid_file(path: Path) -> None:
    """Remove a `postmaster.pid` whose number is another program's now: the server would take that for a second server.

    When the process is gone altogether the file stays, because the server itself then looks in shared memory for
    survivors before it removes the file.
    """
    pid = _pid_in_file(path)
    if pid is None:
        return
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    except PermissionError:
        pass
    (path / "postmaster.pid").unlink(missing_ok=True)
