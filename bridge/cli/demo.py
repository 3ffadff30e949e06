"""`demo`: an embedded Postgres, a simulated TMF656 server and the bridge with its console, with a line of figures.

The data stay in a directory of the demo's own, `.bridge-demo` beside `data_dir`, so that no problem made up here ever
stands beside real ones. A configuration in it leads `psql`, `status` and `report` there, also while the demo runs.
The simulator starts with new problems each time.
"""

import os
import shlex
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, time
from typing import Annotated

import anyio
import orjson
import typer
from anyio.abc import SocketAttribute
from anyio.streams.memory import MemoryObjectReceiveStream
from rich.console import Console

from bridge.app import Bridge, RunningBridge
from bridge.bootstrap import run_until_signal
from bridge.cli.options import Config, on_loop, settings_for
from bridge.errors import DatabaseUnavailableError, PermanentError
from bridge.settings import Settings, Tmf656Settings
from bridge.simulator import Simulator
from bridge.telemetry.metrics import Metrics
from bridge.workers.front import FrontProcess, WithFront

_SOURCE = "demo"
_POPULATION = 200
_MOST = 2_000
_FIRST_SECONDS = 10
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
) -> None:
    """See it work: starts Postgres, a simulated TMF656 server and the bridge with its web console, and shows what to
    look at. Ctrl-C stops everything.
    """
    settings = settings_for(config, quiet=True)
    settings = settings.model_copy(update={"data_dir": settings.data_dir.with_name(f"{settings.data_dir.name}-demo")})
    if settings.database.dsn.get_secret_value():
        raise PermanentError(
            "the demo runs on an embedded Postgres: leave database.dsn empty, or use `simulate` and `run`"
        )
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
    on_loop(lambda: _Demo(settings, simulator, seconds=for_).run())


@dataclass(slots=True)
class _Demo:
    settings: Settings
    simulator: Simulator
    seconds: float | None

    async def run(self) -> None:
        """Run until Ctrl-C, SIGTERM or the time is up."""
        console = Console(highlight=False, markup=False, soft_wrap=True)
        async with self.simulator:
            settings = await self._settings()
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
        console.print(f"\nstopped; the data stay in {self.settings.data_dir}, which may be deleted")

    async def _settings(self) -> Settings:
        source = Tmf656Settings.model_validate({"url": self.simulator.url, "poll_interval_seconds": 10})
        http = self.settings.http.model_copy(
            update={"port": await _free_port(self.settings.http.host, self.settings.http.port)}
        )
        http.model_fields_set.discard("public_url")
        port = await _free_port(_LOOPBACK, self.settings.console.port) or await _any_port(_LOOPBACK)
        console = {"enabled": True, "host": _LOOPBACK, "port": port, "public_url": None}
        pages = self.settings.console.model_copy(update=console)
        level = "warning" if self.settings.log.level == "info" else self.settings.log.level
        quiet = self.settings.log.model_copy(update={"level": level})  # the front process logs by it
        update = {"sources": {_SOURCE: source}, "http": http, "console": pages, "log": quiet}
        return self.settings.model_copy(update=update)

    async def _show(self, both: WithFront, ready: MemoryObjectReceiveStream[RunningBridge], console: Console) -> None:
        running = await ready.receive()
        both.found(running.postgres.dsn)
        source = running.sources[_SOURCE]
        console.print("Postgres     started, schema migrated")
        console.print(f"simulator    TMF656 version {self.simulator.version} at {self.simulator.url}")
        console.print(f"bridge       listening at {running.url}")
        with anyio.move_on_after(_FIRST_SECONDS):
            await self.simulator.wait_until(lambda: source.registered, timeout_seconds=_FIRST_SECONDS)
            await source.first_pass.wait()
        console.print(
            f"hub          {'subscription registered, notifications are coming' if source.registered else 'silent'}"
        )
        self._explain(console, running)
        await self._figures(both, running, console)

    def _explain(self, console: Console, running: RunningBridge) -> None:
        command, config = _command(), f" --config {shlex.quote(str(self._write_configuration()))}"
        sql = "select id, status, priority, updated_at from report.service_problem order by updated_at desc limit 10"
        console.print(f"\nTry, in another terminal, in this directory ({Path.cwd()}):", style="bold")
        console.print(f'  {command} psql{config} -c "{sql}"')
        console.print(f"  curl {running.url}/metrics")
        console.print(f"  {command} status{config}")
        console.print(f"  {command} report{config} backlog")
        console.print(f"  your own server: {command} init   writes [sources.NAME] into bridge.toml and tries it\n")

    def _write_configuration(self) -> Path:
        """Write the configuration that leads other commands here; return its path, from this directory if it can be."""
        path = self.settings.data_dir / "bridge.toml"
        path.write_text(
            f"# written by `tmf656-bridge demo` at each start\ndata_dir = {_text(str(self.settings.data_dir))}\n\n"
            f"[sources.{_SOURCE}]\nurl = {_text(self.simulator.url)}\n",
            encoding="utf-8",
        )
        return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

    async def _figures(self, both: WithFront, running: RunningBridge, console: Console) -> None:
        started, before, at = monotonic(), _notifications(running.metrics), monotonic()
        while True:
            await anyio.sleep(1)
            now, count = monotonic(), _notifications(running.metrics)
            with suppress(DatabaseUnavailableError):  # stopping, or starting again: the next line will tell
                line = await _line(running, (count - before) / (now - at))
                console.print(line, end="\r" if console.is_terminal else "\n")
            before, at = count, now
            if self.seconds is not None and now - started >= self.seconds:
                both.stop()
                return


async def _line(running: RunningBridge, per_second: float) -> str:
    """Figures in less than 80 columns, always as many, so that each line covers the one before."""
    source = running.sources[_SOURCE]
    async with running.postgres.database.connection() as connection:
        problems = await connection.fetchval("select count(*) from report.service_problem where deleted_at is null")
    pushed = source.last_push_at
    lag = "none yet" if pushed is None else f"{(datetime.now(UTC) - pushed).total_seconds():.1f} s"
    return f"{problems:>7,} problems  {per_second:7.1f} notifications/s  mode {source.mode.value:<8}  lag {lag:<9}"


def _notifications(metrics: Metrics) -> float:
    return sum(
        sample.value
        for family in metrics.notifications.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )


async def _any_port(host: str) -> int:
    """A port that nothing uses now."""
    async with await anyio.create_tcp_listener(local_host=host, local_port=0) as listening:
        return int(listening.extra(SocketAttribute.local_port))  # noqa: S610  # nosec B610 -- not Django's


async def _free_port(host: str, port: int) -> int:
    """The configured port, or 0 (any) when something else uses it."""
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


def _text(value: str) -> str:
    """A text as TOML has it."""
    return orjson.dumps(value).decode()
