"""`config`: the settings in force, and where each comes from; and the way back from those made in the console."""

import os
import re
from collections.abc import Iterator
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from bridge.cli.options import Config, Json, on_loop, require_data, settings_for
from bridge.cli.terminal import json_text, safe_line
from bridge.errors import BridgeError
from bridge.settings import Settings, trace
from bridge.settings.draft import Layer, Origin
from bridge.settings.overlay import IGNORE, LayeredSettings, SettingsOverlay
from bridge.settings.section import Key


def config(
    config: Config = None,
    only_set: Annotated[
        bool, typer.Option("--set", metavar="", help="Only what is set somewhere, no defaults.")
    ] = False,
    as_json: Json = False,
    drop_overlay: Annotated[
        bool,
        typer.Option(
            "--drop-overlay",
            metavar="",
            help="Take back everything that was set in the console; a running bridge follows within seconds.",
        ),
    ] = False,
) -> None:
    """Show every setting in force, as TOML. A comment says where a value was set: in the file, by a variable, or in the
    console (*here*, by whom and when); without one it is the default.

    Secrets are shown as stars. A wrong configuration names all its faults at once and ends with status 2. To start a
    bridge without what was set in the console, set BRIDGE_IGNORE_OVERLAY=1.
    """
    settings, origins = trace(config)
    if drop_overlay:
        from bridge.cli.overlay import drop  # noqa: PLC0415 -- a configuration without a database needs no driver

        settings = settings_for(config, quiet=True)
        require_data(settings)
        typer.echo(on_loop(lambda: drop(settings)))
        return
    overlay = _overlay_of(settings)
    values = _values(settings, overlay)
    if values:
        settings, origins = trace(config, overlay=values)
    rows = [row for row in _rows(settings, origins, overlay) if row["from"] is not None or not only_set]
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


def _overlay_of(settings: Settings) -> SettingsOverlay:
    """Return what was set in the console; nothing, and a word about it, where the database cannot be asked."""
    embedded = not settings.database.dsn.get_secret_value()
    if os.environ.get(IGNORE) or (embedded and not (settings.data_dir / "postgres").exists()):
        return SettingsOverlay()
    from bridge.cli.overlay import DATABASE_SECONDS, read  # noqa: PLC0415 -- only where a database may be asked

    try:
        return on_loop(lambda: read(settings))
    except (BridgeError, TimeoutError) as error:
        why = str(error) or f"no answer within {DATABASE_SECONDS} s"
        typer.echo(f"what was set in the console is not shown: {why}", err=True)
        return SettingsOverlay()


def _values(settings: Settings, overlay: SettingsOverlay) -> dict[str, Any]:
    """Return the values of the overlay as far as it is in force."""
    layers = LayeredSettings(settings, overlay)
    layers.resolved()
    for fault in layers.faults:
        typer.echo(f"what was set in the console is not in force: {fault}", err=True)
    return {} if layers.faults else layers.values()


def _rows(settings: Settings, origins: dict[Key, Origin], overlay: SettingsOverlay) -> Iterator[dict[str, Any]]:
    """Key, value and origin of each setting, in the order of the documentation; the origin of a default is None."""
    for key, value in _leaves(settings.describe()):
        file = (*key[:-1], f"{key[-1]}_file")
        found = next((origins[key[:end]] for end in range(len(key), 0, -1) if key[:end] in origins), None)
        origin = None if found is None else str(found)
        if found is not None and found.layer is Layer.OVERLAY:
            entry = overlay.entries[".".join(key)]
            origin = f"{origin}, {safe_line(entry.made_by)}, {entry.made_at:%Y-%m-%d %H:%M} UTC"
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
