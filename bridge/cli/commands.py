"""The commands by name; the module of one is imported when it is looked up.

Importing what one command needs (the simulator, the listener, every job) takes longer than most commands take. So this
module knows names only; `--help` and the completion of a command's name import them all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any, Final

import typer
from typer.core import TyperGroup

from bridge.cli.examples import examples

MARKUP: Final = "markdown"


@dataclass(frozen=True, slots=True)
class _Command:
    """Where a command is: the module, and in it a function, or a `typer.Typer` with commands of its own."""

    module: str
    attribute: str
    settings: dict[str, Any] = field(default_factory=dict)


_BEGIN: Final = "From the first look to a bridge that runs"
_LOOK: Final = "Look and ask"
_OPERATE: Final = "Operate"
_BESIDES: Final = "Files and servers to try it against"
"""Panels of `--help`, in this order; their commands in the order in which they are needed."""


def _panel(panel: str, **settings: Any) -> dict[str, Any]:
    return {"rich_help_panel": panel, **settings}


_COMMANDS = {
    "demo": _Command("demo", "demo", _panel(_BEGIN)),
    "init": _Command("init", "init", _panel(_BEGIN)),
    "migrate": _Command("migrate", "migrate", _panel(_BEGIN)),
    "check": _Command("check", "check", _panel(_BEGIN)),
    "run": _Command("run", "run", _panel(_BEGIN)),
    "worker": _Command("run", "worker", {"hidden": True}),
    "front": _Command("front", "front", {"hidden": True}),
    "status": _Command("status", "status", _panel(_LOOK)),
    "report": _Command("report", "report", _panel(_LOOK)),
    "psql": _Command(
        "psql",
        "psql",
        _panel(
            _LOOK,
            context_settings={
                "allow_extra_args": True,
                "ignore_unknown_options": True,
                "allow_interspersed_args": False,
            },
        ),
    ),
    "config": _Command("config", "config", _panel(_LOOK)),
    "callback": _Command("callback", "callback", _panel(_LOOK)),
    "sync": _Command("sync", "sync", _panel(_OPERATE)),
    "links": _Command("links", "app", _panel(_OPERATE)),
    "dead-letters": _Command("dead_letters", "app", _panel(_OPERATE)),
    "user": _Command("user", "app", _panel(_OPERATE)),
    "rotate-secret": _Command("rotate_secret", "rotate_secret", _panel(_OPERATE)),
    "forget": _Command("forget", "forget", _panel(_OPERATE)),
    "files": _Command("files", "files", _panel(_BESIDES)),
    "simulate": _Command("simulate", "simulate", _panel(_BESIDES)),
}


class Commands(Mapping[str, Any]):
    """A dictionary of commands for typer, each imported when it is looked up."""

    def __init__(self) -> None:
        """Import nothing yet."""
        self._found: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            self._found[name] = _made(name, _COMMANDS[name])
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


class Group(TyperGroup):
    """All commands."""

    def __init__(self, **settings: Any) -> None:
        """Take the commands from here, instead of those that were registered: none."""
        super().__init__(**settings | {"commands": None})
        self.commands = Commands()  # type: ignore[assignment]  # nobody adds one


def _made(name: str, command: _Command) -> Any:
    """Import a command, and let typer turn it into one of click's."""
    found = resolve_name(f"bridge.cli.{command.module}:{command.attribute}")
    alone = typer.Typer(rich_markup_mode=MARKUP)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name, **command.settings)
    else:
        epilog = None if command.settings.get("hidden") else examples(name)
        alone.command(name, epilog=epilog, **command.settings)(found)
    return typer.main.get_group(alone).commands[name]
