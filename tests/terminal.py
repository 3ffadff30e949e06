"""A program on a terminal of its own, as a person sees it."""

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

SILENCE_SECONDS = 60
"""A program that writes nothing for so long waits for an answer."""


def on_terminal(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stop_at: str = "",
    answers: Sequence[tuple[str, str]] = (),
    seconds: float = 60,
) -> tuple[int, str]:
    """Run a command with all three streams on a terminal; return its exit status and all that it wrote there.

    `stop_at`: the command is stopped by SIGTERM once it has written that. `answers`: what is typed when each question,
    in this order, has been written.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    hidden = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")
    around = {name: value for name, value in env.items() if name not in hidden} | {"TERM": "xterm-256color"}
    around |= {name: env[name] for name in ("NO_COLOR",) if env.get(name)}
    try:
        with subprocess.Popen(
            command, cwd=cwd, env=around, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        ) as process:  # in a session of its own, so that /dev/tty is not the terminal the tests are run on
            os.close(theirs)
            written = _all_of(ours, process, stop_at.encode(), list(answers))
            return process.wait(timeout=seconds), written.decode(errors="replace")
    finally:
        os.close(ours)


def _all_of(terminal: int, process: subprocess.Popen[bytes], stop_at: bytes, answers: list[tuple[str, str]]) -> bytes:
    """Read until nobody has the other end open."""
    written = b""
    seen = 0
    stopped = not stop_at
    while True:
        if not select.select([terminal], [], [], SILENCE_SECONDS)[0]:
            process.kill()
            raise TimeoutError(f"it waits for something; written so far: {written.decode(errors='replace')}")
        try:
            part = os.read(terminal, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return written
        if not part:
            return written
        written += part
        if not stopped and stop_at in written:
            process.terminate()
            stopped = True
        while answers and (place := written.find(answers[0][0].encode(), seen)) >= 0:
            seen = place + len(answers[0][0].encode())
            os.write(terminal, answers.pop(0)[1].encode() + b"\n")
