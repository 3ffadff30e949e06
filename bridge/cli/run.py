"""`run`: the bridge."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.app import Bridge
from bridge.bootstrap import Stoppable, run_until_signal
from bridge.cli.options import Config, on_loop, settings_for
from bridge.settings import Settings, load
from bridge.telemetry import worker_totals
from bridge.workers import child
from bridge.workers.front import FrontProcess, WithFront


def run(
    config: Config = None,
    unsubscribe: Annotated[
        bool,
        typer.Option(
            "--unsubscribe",
            metavar="",
            help="Deregister at every hub when stopping; else registrations stay, so that a restart misses nothing.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", min=1, max=64, help="Processes that share the port; default: `http.workers`, 1."
        ),
    ] = None,
) -> None:
    """Run the bridge until SIGTERM or Ctrl-C.

    Listens for notifications, registers at each source's hub, polls, and writes into Postgres. With no `database.dsn`
    it starts a Postgres of its own in `data_dir` and keeps its schema current; with one it refuses a schema that
    `migrate` has not brought up to date. With `--workers` several processes listen on the port; one of them polls.
    With `console.enabled` it serves the web console, from a process of its own. SIGHUP reads the configuration again:
    sources, log level, retention, certificates and the console change without a restart.
    """
    settings = settings_for(config)
    count = workers or settings.http.workers
    on_loop(lambda: run_until_signal(_process(settings, count, config, unsubscribe=unsubscribe)))


def _process(settings: Settings, count: int, config: Path | None, *, unsubscribe: bool) -> Stoppable:
    """Put together what runs; on the event loop."""

    def reread() -> Settings:
        return load(config)

    if count > 1:
        from bridge.workers.parent import Workers  # noqa: PLC0415 -- only where there are several

        return Workers(settings, count, unsubscribe, reread=reread)
    front = FrontProcess(settings)

    async def page(accept: str) -> tuple[bytes, str]:
        of_front = front.families()
        if not of_front:
            return bridge.metrics.page(accept)
        return worker_totals.page(
            worker_totals.total([worker_totals.samples(bridge.metrics.registry), of_front]), accept
        )

    bridge = Bridge(settings, unsubscribe=unsubscribe, reread=reread, page=page)
    both = WithFront(bridge, front, reread)
    bridge.on_ready = lambda running: both.found(running.postgres.dsn)
    return both


def worker() -> None:
    """Be one of the processes that `run --workers` starts; not for people."""
    on_loop(child.run)
