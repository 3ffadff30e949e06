"""`config`: the settings in force, and where each comes from."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from bridge.cli.options import Config, Json
from bridge.cli.terminal import json_text
from bridge.settings import Settings, trace
from bridge.settings.draft import Origin
from bridge.settings.section import Key


def config(
    config: Config = None,
    only_set: Annotated[
        bool, typer.Option("--set", metavar="", help="Only what is set somewhere, no defaults.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show every setting in force, as TOML, and behind what is set where that was: in the file, or by a variable.

    Secrets are shown as stars. A wrong configuration names all its faults at once and ends with status 2.
    """
    settings, origins = trace(config)
    rows = [row for row in _rows(settings, origins) if row["from"] is not None or not only_set]
    if as_json:
        shown = [row | {"key": ".".join(row["key"])} for row in rows]
        typer.echo(json_text(shown))
        return
    console = Console(highlight=False)
    if not rows:
        console.print("# nothing is set, every key has its default")
    table: Key = ()
    for row in rows:
        above = _table_of(row["key"])
        if above != table:
            table = above
            console.print(Text(f"\n[{'.'.join(table)}]", style="bold"), soft_wrap=True)
        console.print(_line(row), soft_wrap=True)


def _rows(settings: Settings, origins: dict[Key, Origin]) -> Iterator[dict[str, Any]]:
    """Key, value and origin of each setting, in the order of the documentation; the origin of a default is None."""
    for key, value in _leaves(settings.describe()):
        file = (*key[:-1], f"{key[-1]}_file")
        found = next((origins[key[:end]] for end in range(len(key), 0, -1) if key[:end] in origins), None)
        origin = None if found is None else str(found)
        if file in origins and value:
            origin = f"{file[-1]}, {origins[file]}"
        yield {"key": key, "value": value, "from": origin}


def _table_of(key: Key) -> Key:
    """The table that a key is written in; tables within that are written as dotted keys."""
    return key[: 2 if key[0] == "sources" else 1] if len(key) > 1 else ()


def _leaves(tree: dict[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and (value or not above):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _line(row: dict[str, Any]) -> Text:
    """A line of TOML; what nobody set stands back."""
    written = orjson.dumps("" if row["value"] is None else row["value"]).decode()
    name = ".".join(map(_written_name, row["key"][len(_table_of(row["key"])) :]))
    line = Text(f"{name} = {written}", style="dim" if row["from"] is None else "")
    if row["from"] is not None:
        line.append(f"  # {row['from']}", style="cyan")
    return line


def _written_name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else orjson.dumps(name).decode()
