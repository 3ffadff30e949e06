"""`run`: the bridge."""

from typing import Annotated

import typer

from bridge.app import Bridge, run_until_signal
from bridge.cli.options import Config, on_loop, settings_for


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
) -> None:
    """Run the bridge until SIGTERM or Ctrl-C.

    Listens for notifications, registers at each source's hub, polls, and writes into Postgres. With no `database.dsn`
    it starts a Postgres of its own in `data_dir` and keeps its schema current; with one it refuses a schema that
    `migrate` has not brought up to date.
    """
    settings = settings_for(config)
    on_loop(lambda: run_until_signal(Bridge(settings, unsubscribe=unsubscribe)))
