"""The real program: processes started, listened to, signalled and reaped.

Everything a process writes is kept; waiting is for a line of its log, for its end, or for a condition in a database.
Whatever a test leaves running is killed by its process id when the test ends.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import orjson
import pytest
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.text import TextReceiveStream

from bridge.simulator.tmf656.background import background
from tests.program.fork_server import ForkedProcess, ForkServer

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 90.0
STOP_SECONDS = 5.0
"""What a stop may take: a promise to operators."""


@dataclass
class Program:
    """A running `tmf656-bridge`. `err` and `out` are its lines so far, `log` those of `err` that are JSON."""

    process: Process | ForkedProcess
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    open_streams: int = 2
    _news: anyio.Event = field(default_factory=anyio.Event)

    @property
    def pid(self) -> int:
        return self.process.pid

    async def logged(self, event: str, **facts: Any) -> dict[str, Any]:
        """Wait for a line of the log with this message and these facts."""

        def found() -> dict[str, Any] | None:
            wanted = {"event": event, **facts}
            return next((line for line in self.log if wanted.items() <= line.items()), None)

        return await self._until(found, f"log {event!r}")

    async def said(self, text: str) -> str:
        """Wait for a line of standard output that has `text` in it."""
        return await self._until(lambda: next((line for line in self.out if text in line), None), f"output {text!r}")

    async def matched(self, pattern: str) -> str:
        """Wait for a line of standard output that matches `pattern` somewhere."""
        found = re.compile(pattern)
        return await self._until(lambda: next((line for line in self.out if found.search(line)), None), f"{pattern!r}")

    async def ended(self, *, limit_seconds: float = LIMIT_SECONDS) -> int:
        """Wait for the end of the process and of what it writes; return its exit status."""
        with anyio.fail_after(limit_seconds):
            status = await self.process.wait()
            while self.open_streams:
                await self._news.wait()
        return status

    async def stopped(self, number: signal.Signals) -> int:
        """Send a signal; return the exit status, which must be there within the time that is promised."""
        self.process.send_signal(number)
        return await self.ended(limit_seconds=STOP_SECONDS)

    async def killed(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await self.ended()

    async def _until(self, found: Callable[[], Any], what: str) -> Any:
        with anyio.move_on_after(LIMIT_SECONDS):
            while True:
                news = self._news
                result = found()
                if result is not None or not self.open_streams:
                    break
                await news.wait()
        result = found()
        assert result is not None, f"no {what}; standard error: {self.err}; standard output: {self.out}"
        return result

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def read(self, stream: ByteReceiveStream | None, lines: list[str]) -> None:
        """Take in what the process writes until it writes no more."""
        assert stream is not None
        rest = ""
        async for text in TextReceiveStream(stream, errors="backslashreplace"):
            *whole, rest = (rest + text).replace("\r", "\n").split("\n")
            for line in whole:
                self._take(line, lines)
        self._take(rest, lines)
        self.open_streams -= 1
        self._tell()

    def _take(self, line: str, lines: list[str]) -> None:
        lines.append(line)
        if lines is self.err:
            with suppress(orjson.JSONDecodeError):
                self.log.append(orjson.loads(line))
        self._tell()


@dataclass(frozen=True)
class Answer:
    """What a command that ended by itself said."""

    status: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """The environment of this process without settings of the bridge; the package is found from any directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "PG"))}
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "120"} | more


@asynccontextmanager
async def _started(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str],
    command: Sequence[str],
    **options: Any,
) -> AsyncIterator[Program]:
    process = await anyio.open_process([*command, *arguments], cwd=cwd, env=env, stdin=subprocess.DEVNULL, **options)
    async with _listened_to(process) as program:
        yield program


@asynccontextmanager
async def _listened_to(process: Process | ForkedProcess) -> AsyncIterator[Program]:
    program = Program(process)
    async with process, background() as readers:
        readers.start_soon(program.read, process.stdout, program.out)
        readers.start_soon(program.read, process.stderr, program.err)
        try:
            yield program
        finally:
            if process.returncode is None:
                process.kill()


@pytest.fixture
def dsn(dsn: str) -> str:
    """As libpq wants it: an empty host, but both slashes."""
    return re.sub("^postgresql:/(?!/)", "postgresql:///", dsn)


@pytest.fixture
def empty_dsn(empty_dsn: str) -> str:
    """As libpq wants it."""
    return re.sub("^postgresql:/(?!/)", "postgresql:///", empty_dsn)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """What starts the program in a tenth of the time that Python takes."""
    with ForkServer(environment()) as server:
        yield server


@pytest.fixture
def start(tmp_path: Path, fork_server: ForkServer) -> Callable[..., Any]:
    """Start the program: `async with start("run", "--config", …) as program`.

    `fresh`: by starting Python, for tests of the start, of the process's memory or of its command line. So does a
    `command`, and an environment that Python or a library reads while it starts.
    """

    def starting(
        *arguments: str,
        cwd: Path = tmp_path,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        fresh: bool = False,
        **options: Any,
    ) -> Any:
        around, given = environment(**(env or {})), [str(one) for one in arguments]
        if fresh or command or options.keys() - {"start_new_session"} or not fork_server.can_start(around):
            command = command or (sys.executable, "-m", "bridge")
            return _started(*given, cwd=cwd, env=around, command=command, **options)
        return _forked(fork_server, given, cwd=cwd, env=around, **options)

    return starting


@asynccontextmanager
async def _forked(server: ForkServer, arguments: Sequence[str], **options: Any) -> AsyncIterator[Program]:
    async with _listened_to(await server.start(arguments, **options)) as program:
        yield program


@pytest.fixture
def call(start: Callable[..., Any]) -> Callable[..., Awaitable[Answer]]:
    """Run a command to its end."""

    async def calling(*arguments: str, **options: Any) -> Answer:
        async with start(*arguments, **options) as program:
            status = await program.ended()
        return Answer(status, "\n".join(program.out), "\n".join(program.err))

    return calling


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Path]:
    """Write a configuration: tables by name, `sources` by name within; returns the path of the file."""

    def write(*, dsn: str = "", sources: Mapping[str, Mapping[str, Any]] | None = None, **http: Any) -> Path:
        lines = [f"data_dir = {_toml(str(tmp_path / 'data'))}", "[database]", f"dsn = {_toml(dsn)}"]
        lines += ["[http]", *(f"{key} = {_toml(value)}" for key, value in ({"port": 0} | http).items())]
        for name, source in (sources or {}).items():
            lines += [f"[sources.{name}]", *(f"{key} = {_toml(value)}" for key, value in source.items())]
        path = tmp_path / "bridge.toml"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def _toml(value: object) -> str:
    return orjson.dumps(value).decode()


@pytest.fixture
async def get() -> AsyncIterator[Callable[[str], Awaitable[tuple[int, str, Mapping[str, str]]]]]:
    """GET an address: (status, text, headers)."""
    async with aiohttp.ClientSession() as session:

        async def getting(url: str) -> tuple[int, str, Mapping[str, str]]:
            async with session.get(url) as answer:
                return answer.status, await answer.text(), answer.headers

        yield getting


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    """Wait until an awaited condition is true; return what it returned."""

    async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
        with anyio.fail_after(LIMIT_SECONDS):
            while not (result := await holds()):  # noqa: ASYNC110 -- another process makes it true
                await anyio.sleep(0.02)
        return result

    return until


@pytest.fixture
def processes_naming() -> Callable[[Path], list[str]]:
    """Command lines of all processes on this machine, but ourselves, that have this path in them."""

    def look(path: Path) -> list[str]:
        found = []
        for entry in _processes():
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found += [line] if str(path) in line and int(entry.name) != os.getpid() else []
        return found

    return look


@pytest.fixture
def family_of() -> Callable[[int], set[tuple[int, str]]]:
    """A process and all that descends from it; take it while it lives, and ask `living` about it later."""
    return _family


@pytest.fixture
def living() -> Callable[[set[tuple[int, str]]], set[tuple[int, str]]]:
    """Which of a family are still there."""
    return lambda family: family & {(pid, born) for pid, (_, born) in _parents().items()}


def _family(pid: int) -> set[tuple[int, str]]:
    parents = _parents()
    family, grown = {pid}, True
    while grown:
        more = {child for child, (parent, _) in parents.items() if parent in family}
        grown = not more <= family
        family |= more
    return {(one, parents[one][1]) for one in family if one in parents}


def _parents() -> dict[int, tuple[int, str]]:
    """Process id → parent and time of birth, of all that are no zombies."""
    found = {}
    for entry in _processes():
        with suppress(OSError):
            state, parent, *rest = (entry / "stat").read_text().rpartition(")")[2].split()
            if state != "Z":
                found[int(entry.name)] = (int(parent), rest[17])
    return found


def _processes() -> list[Path]:
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]


@pytest.fixture
def held_port() -> Any:
    """A TCP port of 127.0.0.1 that is ours and refuses connections until somebody listens on the socket."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held
