"""The command line: arguments in, exit status out. 0 done, 1 failed, 2 wrong usage or configuration.

Every command reads the same configuration. What a person reads goes to standard output; logs and errors go to standard
error. Other commands, and what draws on a terminal, are imported when they are needed.
"""

from importlib import metadata
from typing import Annotated

import typer

from bridge import __version__, is_compiled
from bridge.cli.commands import MARKUP, Group
from bridge.cli.error_output import complain, output_failed
from bridge.errors import BridgeError, ConfigurationError

app = typer.Typer(
    name="tmf656-bridge",
    cls=Group,
    help="Service problems from any TM Forum TMF656 server into Postgres: live, complete, ready for SQL.",
    epilog=(
        "Start with `tmf656-bridge demo`. For a server of yours: `tmf656-bridge init` writes bridge.toml, "
        "`tmf656-bridge check` tries it, `tmf656-bridge run` runs it."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=MARKUP,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tmf656-bridge {_installed_version()} ({'compiled' if is_compiled() else 'pure Python'})")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", help="Show the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None: ...


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit status. Raises what is not an error of ours."""
    try:
        typer.main.get_command(app).main(args=arguments)  # not app(): that would take over sys.excepthook
    except BridgeError as error:
        return _failed([error])
    except BaseExceptionGroup as group:
        if group.split(BridgeError)[1] is not None:
            raise
        return _failed(_leaves(group))
    except OSError as error:
        if not output_failed(error):
            raise
        complain(f"the output cannot be written ({error.strerror}): is the disk full, or the other side gone?")
        return 1
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _failed(errors: list[BaseException]) -> int:
    """Say what failed, each thing once; return the exit status."""
    faults = [fault for error in errors if isinstance(error, ConfigurationError) for fault in error.faults]
    if faults:
        complain("the configuration is wrong:", *(f"  {fault}" for fault in dict.fromkeys(faults)))
        return 2
    for text in dict.fromkeys(str(error) for error in errors):
        complain(text)
    return 1


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for each in group.exceptions:
        found += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found


def _installed_version() -> str:
    try:
        return str(metadata.version("tmf656-bridge"))
    except metadata.PackageNotFoundError:
        return __version__
