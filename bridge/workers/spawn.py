"""Start a process of this program with a channel to it."""

import os
import signal
import socket
import sys
from contextlib import ExitStack, suppress

import anyio
from anyio.abc import Process

from bridge.telemetry import systemd


async def started(command: str) -> tuple[socket.socket, Process]:
    """Start `tmf656-bridge COMMAND` with the other end of a channel as its standard input; return our end and the
    process. It has a session of its own, so that Ctrl-C in a terminal reaches us only. OSError when the system has no
    process or file left.
    """
    ours, theirs = socket.socketpair()
    with theirs, ExitStack() as unless_started:
        unless_started.enter_context(ours)
        process = await anyio.open_process(
            [sys.executable, "-P", "-m", "bridge", command],  # -P: nothing from the current directory
            stdin=theirs.fileno(),
            stdout=None,
            stderr=None,
            env=_environment(),
            start_new_session=True,
        )
        unless_started.pop_all()
    return ours, process


def signalled(process: Process, number: signal.Signals) -> None:
    """Send a signal, if the process has not ended."""
    with suppress(ProcessLookupError):
        process.send_signal(number)


def _environment() -> dict[str, str]:
    """Return our environment without the variables of systemd: only the first process notifies it."""
    return {name: value for name, value in os.environ.items() if name not in systemd.VARIABLES}
