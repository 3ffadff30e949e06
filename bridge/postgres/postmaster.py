"""The server process of the embedded Postgres, and the thread that runs it.

The kernel ends the server when the *thread* that started it ends (see `bridge.postgres.child_process`). So a separate
thread starts the server, waits for it, and restarts it when it ends by itself after it was ready once (mostly killed
for lack of memory). The thread is a daemon: when our process ends without `stop`, the thread ends with it and the
kernel sends Postgres the signal to shut down.

`stop` runs in the event loop and communicates with the thread by an event, a lock around the start of a process, and a
future.
"""

import asyncio
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import anyio
import structlog

from bridge.postgres.cluster import Cluster

log = structlog.get_logger(__name__)

_LOG_LIMIT_BYTES = 8 * 1024 * 1024
_LOG_TAIL_BYTES = 4096
_STOP_LIMITS_SECONDS = ((signal.SIGINT, 4.0), (signal.SIGQUIT, 6.0), (signal.SIGKILL, 5.0))
_RESTART_DELAYS_SECONDS = (0.1, 0.5, 2.0, 8.0, 30.0)
_HEALTHY_SECONDS = 60.0


class Postmaster:
    """One Postgres on one cluster: from `start` until `stop`, which must both be called from the same event loop."""

    def __init__(self, cluster: Cluster, settings: Sequence[str], log_path: Path) -> None:
        """Take what to start: `settings` are `name=value`; the server's log goes to `log_path`."""
        self._cluster = cluster
        self._arguments = [word for setting in settings for word in ("-c", setting)]
        self._log_path = log_path
        self._log_start_bytes = 0
        self._birth = threading.Lock()
        self._stopping = threading.Event()
        self._restarting = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._start_fault = ""
        self._ended: Future[None] = Future()

    def start(self) -> None:
        """Start the thread, which starts the server; blocks only to check the log file."""
        self._log_start_bytes = _rotated(self._log_path)
        threading.Thread(target=self._keep, name="embedded-postgres", daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether the server has ended and will not be restarted."""
        return self._ended.done()

    def failure(self) -> str:
        """Return why it ended: the error of the thread, else the last lines of this run's log."""
        return self._start_fault or self.log_tail()

    def log_tail(self) -> str:
        """Return the last lines that the server logged since `start`."""
        with self._log_path.open("rb") as lines:
            size = lines.seek(0, os.SEEK_END)
            lines.seek(max(self._log_start_bytes, size - _LOG_TAIL_BYTES))
            return "\n".join(lines.read().decode(errors="replace").strip().splitlines()[-15:])

    def keep_running(self) -> None:
        """Restart the server from now on when it ends by itself: it was ready, so its configuration is valid."""
        self._restarting.set()

    async def stop(self) -> None:
        """Shut down fast, or at once when that takes too long; return when the process is reaped. Call it shielded."""
        self._stopping.set()
        for stop_signal, limit_seconds in _STOP_LIMITS_SECONDS:
            with self._birth:
                process = self._process
            if process is not None:
                process.send_signal(stop_signal)
            with anyio.move_on_after(limit_seconds):
                await asyncio.wait([asyncio.wrap_future(self._ended)])
            if self.ended:
                return
            log.warning("embedded Postgres does not stop", signal=stop_signal.name, limit_seconds=limit_seconds)

    def _keep(self) -> None:
        self._ended.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        try:
            self._run_with_restarts()
        except OSError as error:
            self._start_fault = str(error)
            log.error("embedded Postgres cannot be started", error=str(error))  # noqa: TRY400 -- the text says it all
        finally:
            self._ended.set_result(None)

    def _run_with_restarts(self) -> None:
        failures = 0
        while True:
            born_at = time.monotonic()
            try:
                process = self._spawn()
                if process is None:
                    return
                wrong = f"status {process.wait()}"
            except OSError as error:  # no memory or descriptor for a process, or its files are gone
                if not self._restarting.is_set():
                    raise
                wrong = str(error)
            if self._stopping.is_set() or not self._restarting.is_set():
                return
            failures = 0 if time.monotonic() - born_at > _HEALTHY_SECONDS else failures + 1
            delay_seconds = _RESTART_DELAYS_SECONDS[min(failures, len(_RESTART_DELAYS_SECONDS) - 1)]
            self._complain(wrong, delay_seconds)
            self._stopping.wait(delay_seconds)

    def _complain(self, wrong: str, delay_seconds: float) -> None:
        """Say why the server does not run. What was deleted is not made again here: a mount may only be away, and an
        empty database would take its place.
        """
        if (self._cluster.path / "PG_VERSION").exists():
            log.error("embedded Postgres ended by itself", reason=wrong, again_in_seconds=delay_seconds)
            return
        log.error(
            "the files of the embedded Postgres are gone",
            path=str(self._cluster.path),
            reason=wrong,
            again_in_seconds=delay_seconds,
            remedy="mount or restore them; or restart the bridge, which makes an empty database that polls fill again",
        )

    def _spawn(self) -> "subprocess.Popen[bytes] | None":
        """Start the server, unless `stop` was called; the lock keeps `stop` from missing one that is being started."""
        with self._birth, self._log_path.open("ab") as output:
            self._log_path.chmod(0o600)  # statements that failed are quoted in it, with their data
            if self._stopping.is_set():
                return None
            self._process = self._cluster.popen(
                "postgres", *self._arguments, death_signal=signal.SIGINT, output=output.fileno()
            )
            return self._process


def _rotated(log_path: Path) -> int:
    """Move a log that has grown too long aside (one old one is kept); return where this run's lines begin, in bytes."""
    size_bytes = log_path.stat().st_size if log_path.exists() else 0
    if size_bytes <= _LOG_LIMIT_BYTES:
        return size_bytes
    log_path.replace(log_path.with_name(f"{log_path.name}.1"))
    return 0
