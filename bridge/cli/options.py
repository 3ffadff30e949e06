"""What the commands share: the `--config` option, reading the settings, and running on the event loop."""

import gc
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import anyio
import typer

from bridge.errors import ConfigurationError, PermanentError
from bridge.settings import Settings, load
from bridge.telemetry import logs

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-C",
        metavar="FILE",
        help="Configuration (TOML). Default: the file BRIDGE_CONFIG names, else ./bridge.toml, else built-in values.",
    ),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON instead of a table.")]

_COLLECT_AFTER = 10_000

T = TypeVar("T")


def known_sources(context: typer.Context) -> list[str]:
    """The configured sources, for the shell to complete; none when the configuration cannot be read."""
    try:
        return list(load(context.params.get("config")).sources)
    except ConfigurationError:
        return []


SourceName = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="Name of a source in the configuration.", autocompletion=known_sources),
]


def settings_for(config: Path | None, *, quiet: bool = False) -> Settings:
    """Read the configuration and set up logging by it; `quiet` lets only warnings through (commands that print
    tables).
    """
    settings = load(config)
    level = "warning" if quiet and settings.log.level == "info" else settings.log.level
    logs.configure(level, settings.log.format)
    for secret in settings.secrets():
        logs.hide(secret)
    return settings


def require_data(settings: Settings) -> None:
    """For commands that only look: PermanentError where an embedded Postgres would have to be made first."""
    if not settings.database.dsn.get_secret_value() and not (settings.data_dir / "postgres").exists():
        raise PermanentError(
            f"there are no data in {settings.data_dir} yet: `tmf656-bridge run` or `demo` makes them. "
            "If they are elsewhere: go to that directory, name its --config, or set database.dsn"
        )


def on_loop(function: Callable[[], Awaitable[T]]) -> T:
    """Run an async function on uvloop.

    Python's cycle collector runs after 10,000 new objects instead of 700 and skips what was imported: a batch of
    events makes tens of thousands of objects without any cycle, and collecting cost a tenth of the CPU under load.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    return anyio.run(function, backend_options={"use_uvloop": True})


async def until_signal(work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` until it ends, or until SIGTERM or SIGINT cancels it."""
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_on_signal, group.cancel_scope)
        await work()
        group.cancel_scope.cancel()


async def _cancel_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
