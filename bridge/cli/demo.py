"""`demo`: an embedded Postgres, simulated servers and the bridge with its console, with a line of figures.

The data stay in a directory of the demo's own, `.bridge-demo` beside `data_dir`, so that no problem made up here ever
stands beside real ones. A configuration in it leads `psql`, `status` and `report` there, also while the demo runs.
The simulators start with new tickets each time. `--links` shows another scene, `bridge.cli.demo_links`.
"""

import os
import shlex
import shutil
import socket
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time
from types import TracebackType
from typing import Annotated, Any, Final, Protocol, Self

import anyio
import orjson
import typer
from anyio.streams.memory import MemoryObjectReceiveStream
from rich.console import Console

from bridge.app import Bridge, RunningBridge
from bridge.bootstrap import run_until_signal
from bridge.cli.demo_links import PairOfDesks
from bridge.cli.options import Config, on_loop, settings_for
from bridge.errors import DatabaseUnavailableError, PermanentError
from bridge.postgres.embedded import LOCK_FILE, clear
from bridge.settings import Settings
from bridge.settings.read import assemble
from bridge.simulator import Simulator
from bridge.telemetry.metrics import Metrics
from bridge.web.server import bind
from bridge.workers.front import FrontProcess, WithFront

_SOURCE = "demo"
_POPULATION = 200
_MOST = 2_000
_FIRST_SECONDS = 10
_MARK: Final = "# written by `tmf656-bridge demo`"
_LOOPBACK = "127.0.0.1"
"""Nobody is asked who they are there, so it is for this machine only."""


def demo(
    config: Config = None,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Events a second in the simulated server.")] = 5,
    for_: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=1, help="Stop by itself after so long.")
    ] = None,
    version: Annotated[
        str, typer.Option("--version", help="Version of TMF656 the simulated server speaks: 2 to 5.")
    ] = "4",
    links: Annotated[
        bool,
        typer.Option("--links", metavar="", help="A DataMiner and a ServiceNow kept in step while both are edited."),
    ] = False,
) -> None:
    """See it work: starts Postgres, a simulated TMF656 server and the bridge with its web console, and shows what to
    look at. Ctrl-C stops everything.

    `--links` shows two-way synchronisation instead: a simulated DataMiner and a simulated ServiceNow with a rule
    between them. People edit both sides, write notes, and now and then change a title on both at once, which waits as a
    conflict. Nothing outside this machine is asked or written to.
    """
    settings = settings_for(config, quiet=True)
    name = f"{settings.data_dir.name}-demo{'-links' if links else ''}"
    settings = settings.model_copy(update={"data_dir": settings.data_dir.with_name(name)})
    if settings.database.dsn.get_secret_value():
        raise PermanentError(
            "the demo runs on an embedded Postgres: leave database.dsn empty, or use `simulate` and `run`"
        )
    if links:
        on_loop(lambda: _Demo(settings, PairOfDesks(), seconds=for_).run())
        return
    try:
        simulator = Simulator(
            version=version,
            rate=rate,
            population=_POPULATION,
            max_problems=_MOST,
            id_prefix=f"SP-{int(time()):x}-",
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    on_loop(lambda: _Demo(settings, _OneServer(simulator), seconds=for_).run())


class DemoScene(Protocol):
    """What a demo shows; used within `async with`."""

    def tables(self) -> dict[str, Any]:
        """Return the configuration: sources and rules, as tables of a file."""
        ...

    def places(self) -> list[tuple[str, str]]:
        """Return what runs where, for people."""
        ...

    def tries(self) -> list[tuple[str, str]]:
        """Return commands to try, each with what it shows."""
        ...

    async def line(self, running: RunningBridge) -> str:
        """Return figures in less than 80 columns, always as many, so that each line covers the one before."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...


@dataclass(slots=True)
class _OneServer:
    """A TMF656 server with problems that live."""

    simulator: Simulator
    _before: tuple[float, float] | None = None

    def tables(self) -> dict[str, Any]:
        return {"sources": {_SOURCE: {"url": self.simulator.url, "poll_interval_seconds": 10}}}

    def places(self) -> list[tuple[str, str]]:
        return [("simulator", f"TMF656 version {self.simulator.version} at {self.simulator.url}")]

    def tries(self) -> list[tuple[str, str]]:
        sql = "select id, status, priority, updated_at from report.service_problem order by updated_at desc limit 10"
        return [
            (f'psql -c "{sql}"', "what changed last"),
            ("status", "how the source is followed"),
            ("report backlog", "one of the ready queries"),
        ]

    async def line(self, running: RunningBridge) -> str:
        source = running.sources[_SOURCE]
        async with running.postgres.database.connection() as connection:
            problems = await connection.fetchval("select count(*) from report.service_problem where deleted_at is null")
        pushed = source.last_push_at
        lag = "none yet" if pushed is None else f"{(datetime.now(UTC) - pushed).total_seconds():.1f} s"
        at, count = monotonic(), _notifications(running.metrics)
        before_at, before = self._before or (at - 1, count)
        self._before = (at, count)
        per_second = (count - before) / max(at - before_at, 0.1)
        return f"{problems:>7,} problems  {per_second:7.1f} notifications/s  mode {source.mode.value:<8}  lag {lag:<9}"

    async def __aenter__(self) -> Self:
        await self.simulator.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self.simulator.__aexit__(kind, error, trace)


@dataclass(slots=True)
class _Demo:
    settings: Settings
    scene: DemoScene
    seconds: float | None

    async def run(self) -> None:
        """Run until Ctrl-C, SIGTERM or the time is up."""
        console = Console(highlight=False, markup=False, soft_wrap=True)
        async with self.scene:
            await self._begin_afresh()
            with ExitStack() as ports:
                await self._run(console, await self._settings(ports))
        console.print(
            f"\nstopped; the data stay in {self.settings.data_dir} until the next demo begins, and may be deleted"
        )

    async def _begin_afresh(self) -> None:
        """Remove what the demo before has left: its servers are gone, and their problems would seem to be lost at once.
        What no demo has marked is not touched (PermanentError); of a directory in use the start says by whom.
        """
        directory, mark = self.settings.data_dir, self._configuration()
        marked = mark.is_file() and mark.read_text(encoding="utf-8").startswith(_MARK)
        others = (path for path in directory.iterdir() if path.name != LOCK_FILE) if directory.is_dir() else ()
        if not marked and any(others):
            raise PermanentError(f"{directory} holds what no demo has made: move it away, or set another data_dir")
        if await clear(directory):
            self._write_configuration()

    async def _run(self, console: Console, settings: Settings) -> None:
        address = f"http://{settings.console.host}:{settings.console.port}"
        console.print(f"console      {address}   open it in a browser, ready in a few seconds", style="bold")
        console.print(f"Postgres     starting in {self.settings.data_dir} …")
        send, receive = anyio.create_memory_object_stream[RunningBridge](1)
        bridge = Bridge(settings, on_ready=send.send_nowait)
        both = WithFront(bridge, FrontProcess(settings, demo=True))
        async with send, receive, anyio.create_task_group() as group:
            group.start_soon(self._show, both, receive, console)
            await run_until_signal(both)
            group.cancel_scope.cancel()

    async def _settings(self, ports: ExitStack) -> Settings:
        shown = assemble(self.scene.tables(), {}, Path.cwd())
        http = self.settings.http.model_copy(
            update={"port": await _free_port(ports, self.settings.http.host, self.settings.http.port)}
        )
        http.model_fields_set.discard("public_url")
        port = await _free_port(ports, _LOOPBACK, self.settings.console.port) or _any_port(ports, _LOOPBACK)
        console = {"enabled": True, "host": _LOOPBACK, "port": port, "public_url": None}
        pages = self.settings.console.model_copy(update=console)
        level = "warning" if self.settings.log.level == "info" else self.settings.log.level
        quiet = self.settings.log.model_copy(update={"level": level})  # the front process logs by it
        update = {"sources": shown.sources, "links": shown.links, "http": http, "console": pages, "log": quiet}
        return self.settings.model_copy(update=update)

    async def _show(self, both: WithFront, ready: MemoryObjectReceiveStream[RunningBridge], console: Console) -> None:
        running = await ready.receive()
        both.found(running.postgres.dsn)
        console.print("Postgres     started, schema migrated")
        for name, place in self.scene.places():
            console.print(f"{name:<12} {place}")
        console.print(f"bridge       listening at {running.url}")
        with anyio.move_on_after(_FIRST_SECONDS):
            for source in running.sources.values():
                await source.first_pass.wait()
                while source.wants_push and not source.registration_tried:  # noqa: ASYNC110 -- no signal
                    await anyio.sleep(0.05)
        registered = any(source.registered for source in running.sources.values())
        wanted = any(source.wants_push for source in running.sources.values())
        if wanted:
            console.print(
                f"hub          {'subscription registered, notifications are coming' if registered else 'silent'}"
            )
        self._explain(console, running)
        await self._figures(both, running, console)

    def _explain(self, console: Console, running: RunningBridge) -> None:
        command, config = _command(), f"--config {shlex.quote(str(self._write_configuration()))}"
        console.print(f"\nTry, in another terminal, in this directory ({Path.cwd()}):", style="bold")
        for line, shows in self.scene.tries():
            name, _, rest = line.partition(" -c ")
            console.print(f"  # {shows}\n  {command} {name} {config}{f' -c {rest}' if rest else ''}")
        console.print(f"  curl {running.url}/metrics")
        console.print(f"  your own server: {command} init   writes [sources.NAME] into bridge.toml and tries it\n")

    def _write_configuration(self) -> Path:
        """Write the configuration that leads other commands here; return its path, from this directory if it can be."""
        path = self._configuration()
        path.write_text(
            f"{_MARK} at each start, which removes all that is in this directory\n"
            f"data_dir = {_text(str(self.settings.data_dir))}\n"
            f"{_toml(self.scene.tables())}",
            encoding="utf-8",
        )
        path.chmod(0o600)
        return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

    def _configuration(self) -> Path:
        return self.settings.data_dir / "bridge.toml"

    async def _figures(self, both: WithFront, running: RunningBridge, console: Console) -> None:
        started = monotonic()
        while True:
            await anyio.sleep(1)
            with suppress(DatabaseUnavailableError):  # stopping, or starting again: the next line will tell
                console.print(await self.scene.line(running), end="\r" if console.is_terminal else "\n")
            if self.seconds is not None and monotonic() - started >= self.seconds:
                both.stop()
                return


def _notifications(metrics: Metrics) -> float:
    return sum(
        sample.value
        for family in metrics.notifications.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )


def _toml(tables: dict[str, Any], at: str = "") -> str:
    """Tables of texts, numbers and truth values as a TOML file has them."""
    own = "".join(f"{name} = {_text(value)}\n" for name, value in tables.items() if not isinstance(value, dict))
    below = "".join(
        _toml(value, f"{at}.{name}" if at else name) for name, value in tables.items() if isinstance(value, dict)
    )
    return (f"\n[{at}]\n{own}" if own else "") + below


def _any_port(ports: ExitStack, host: str) -> int:
    """A port that nothing uses. Linux gives it to nobody's connection while `ports` keeps it bound, and lets another
    process of ours listen on it; other systems do not let it, so there it is only free now.
    """
    [held] = bind(host, 0)
    port = int(held.getsockname()[1])
    if sys.platform == "linux":
        ports.enter_context(held)
    else:
        held.close()
    return port


async def _free_port(ports: ExitStack, host: str, port: int) -> int:
    """The configured port, or 0 (any) when something else uses it, or another demo is about to: it is taken seconds
    later, when Postgres runs. `ports` keeps it for us until then.
    """
    if port and sys.platform == "linux":
        name = ports.enter_context(socket.socket(socket.AF_UNIX))
        try:
            name.bind(f"\0tmf656-bridge demo {port}")  # gone with this process, whatever ends it
        except OSError:
            return 0
    try:
        listening = await anyio.create_tcp_listener(local_host=host, local_port=port)
    except OSError:
        return 0
    await listening.aclose()
    return port


def _command() -> str:
    """How to call this program from this directory, as a shell takes it."""
    installed = Path(sys.executable).with_name("tmf656-bridge")
    if not os.access(installed, os.X_OK):
        return f"{shlex.quote(sys.executable)} -m bridge"
    if shutil.which(installed.name) == str(installed):
        return installed.name
    here = Path.cwd()
    return shlex.quote(str(installed.relative_to(here) if installed.is_relative_to(here) else installed))


def _text(value: str | float | bool) -> str:
    """A plain value as TOML has it."""
    return orjson.dumps(value).decode()
