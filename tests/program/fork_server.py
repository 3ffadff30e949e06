"""Start the program without starting Python: a process that has imported it forks, once for each start.

Half of what a command costs is the start of Python and its imports, and a test session has hundreds of commands. From
the fork on `python -m bridge` runs from its first line, with arguments, environment, directory and standard streams of
its own; it gets the same signals and ends with the same status. What differs: modules are imported, and its command
line and memory are those of the process it was forked from. Tests of these start Python.

A request comes with four open files: the three standard streams, and a pipe that says the process id, and at the end
the exit status. When the tests are gone, the server ends and kills what it has forked.
"""

import asyncio
import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import ByteReceiveStream

_REQUEST_BYTES = 1 << 17
_FILES = 4
_OWN = ("COLUMNS", "PYTEST_CURRENT_TEST")
"""Variables that a start may set: nothing that is imported has read them. So may those of the bridge's settings."""


class _Pipe(ByteReceiveStream):
    """The reading end of a pipe."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        self._reader, self._transport = reader, transport

    @classmethod
    async def opened(cls, number: int) -> "_Pipe":
        reader = asyncio.StreamReader()
        file = os.fdopen(number, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        return cls(reader, transport)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        if data := await self._reader.read(max_bytes):
            return data
        raise anyio.EndOfStream

    async def aclose(self) -> None:
        self._transport.close()


@dataclass
class ForkedProcess:
    """Like `anyio.abc.Process`, of a process that is not our child."""

    pid: int
    stdout: _Pipe
    stderr: _Pipe
    _state: _Pipe
    returncode: int | None = None
    _ending: anyio.Lock = field(default_factory=anyio.Lock)

    async def wait(self) -> int:
        """Wait for the end; return the exit status, negative for a signal."""
        async with self._ending:
            if self.returncode is None:
                said = b""
                with suppress(anyio.EndOfStream):
                    while not said.endswith(b"\n"):
                        said += await self._state.receive()
                self.returncode = int(said or -signal.SIGKILL)  # without a word: the server itself was killed
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.send_signal(signal.SIGKILL)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.wait()
        except BaseException:
            self.kill()
            raise
        finally:
            for pipe in (self.stdout, self.stderr, self._state):
                await pipe.aclose()


class ForkServer:
    """The process that forks, while the context lasts."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment`: what a start may add to, not replace."""
        self._environment = environment

    def __enter__(self) -> Self:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, str(theirs.fileno())],
                env=dict(self._environment),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._control.close()
        self._process.wait()

    def can_start(self, environment: Mapping[str, str]) -> bool:
        """Does this environment differ from ours in nothing that was read before the fork?"""
        changed = {name for name, _ in environment.items() ^ self._environment.items()}
        return all(name in _OWN or name.startswith("BRIDGE_") for name in changed)

    async def start(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], start_new_session: bool = False
    ) -> ForkedProcess:
        """Start `python -m bridge` with these arguments."""
        request = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "session": start_new_session}
        with ExitStack() as ours, ExitStack() as theirs:
            reading, writing = zip(*(os.pipe() for _ in range(3)), strict=True)
            for number in writing:
                theirs.callback(os.close, number)
            null = os.open(os.devnull, os.O_RDONLY)
            theirs.callback(os.close, null)
            out, err, state = [await _Pipe.opened(number) for number in reading]
            for pipe in (out, err, state):
                ours.callback(pipe._transport.close)
            socket.send_fds(self._control, [json.dumps(request).encode()], [null, *writing])
            theirs.close()
            said = b""
            while not said.endswith(b"\n"):
                said += await state.receive(1)
            ours.pop_all()
        return ForkedProcess(int(said), out, err, state)


def _serve(control: socket.socket) -> dict[str, Any]:
    """Fork for each request, and say what became of each process. Returns in a process that was forked."""
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control, awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
            _say_who_ended(running)
        if control in ready:
            raw, files, _, _ = socket.recv_fds(control, _REQUEST_BYTES, _FILES)
            if not raw:
                break
            request: dict[str, Any] = json.loads(raw)
            *streams, state = files
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                for number in {*files, *running.values(), awake, wake, control.detach()}:
                    os.close(number)
                return request
            running[pid] = state
            os.write(state, b"%d\n" % pid)
            for stream in streams:
                os.close(stream)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    sys.exit()


def _say_who_ended(running: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            state = running.pop(pid)
            with suppress(BrokenPipeError):
                os.write(state, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(state)


def _run(request: dict[str, Any]) -> int:
    """Run the program as Python does; return the exit status."""
    if request["session"]:
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        before = getattr(sys, f"__{name}__")
        opened = os.fdopen(
            number, mode, encoding=before.encoding, errors=before.errors, buffering=1 if number == 2 else -1
        )
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)
    sys.argv = ["bridge", *request["arguments"]]
    try:
        runpy.run_module("bridge", run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if stop.code is not None and not isinstance(stop.code, int):
            print(stop.code, file=sys.stderr)  # noqa: T201 -- as Python does
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001 -- as Python does
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]  # inside `except` it is one
        return 1
    return 0


def _import_all() -> None:
    """Import all of the program, and so what it imports."""
    import bridge  # noqa: PLC0415 -- the tests that import this module need none of it

    for module in pkgutil.walk_packages(bridge.__path__, "bridge."):
        if not module.name.endswith("__main__"):
            __import__(module.name)
    gc.collect()
    gc.freeze()  # what is here is shared with what is forked


def main() -> None:
    """See the module docstring; the argument is the number of an open socket."""
    _import_all()
    status = _run(_serve(socket.socket(fileno=int(sys.argv[1]))))
    threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does at its end
    atexit._run_exitfuncs()
    with suppress(BrokenPipeError, ValueError):
        sys.stdout.flush()
    os._exit(status)  # no tidying up of all that was imported


if __name__ == "__main__":
    main()
