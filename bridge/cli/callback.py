"""`callback`: the address that a source calls, as registered at its hub."""

from typing import Any

import typer

from bridge.bootstrap import ensure_schema, open_database, source_of, with_overlay
from bridge.cli.options import Config, Json, SourceName, on_loop, require_data, settings_for
from bridge.cli.terminal import json_text, safe_line
from bridge.errors import PermanentError
from bridge.settings import Settings
from bridge.storage import source as source_table
from bridge.storage import subscription


def callback(source: SourceName, config: Config = None, as_json: Json = False) -> None:
    """Show the callback of a source: as registered at its hub, and as the next registration will have it.

    Who knows the address may post notifications: it holds the source's secret.
    """
    settings = settings_for(config, quiet=True)
    require_data(settings)
    settings, found = on_loop(lambda: _callback(settings, source))
    if as_json:
        typer.echo(json_text(found))
        return
    for line in _lines(settings, source, found):
        typer.echo(line)


async def _callback(settings: Settings, name: str) -> tuple[Settings, dict[str, Any]]:
    async with open_database(settings, join=True, wait=False) as place:
        await ensure_schema(place)
        settings = await with_overlay(settings, place.database)
        source_of(settings, name)
        async with place.database.connection() as connection:
            source_id = await source_table.find(connection, name)
            if source_id is None:
                raise PermanentError(f"{name} has no callback yet: the first `tmf656-bridge run` makes it")
            secrets, _ = (await source_table.accepted(connection))[source_id]
            held = await subscription.active(connection, source_id)
    http = settings.http
    known = "public_url" in http.model_fields_set or http.port != 0
    return settings, {
        "source": name,
        "registered": None if held is None else held.callback,
        "hub_id": None if held is None else held.hub_id,
        "registered_at": None if held is None else held.registered_at,
        "configured": f"{http.public_url}/listener/{name}/{secrets[0]}" if known else None,
    }


def _lines(settings: Settings, name: str, found: dict[str, Any]) -> list[str]:
    registered, configured = found["registered"], found["configured"]
    lines = []
    if registered is not None:
        hub_id = "" if found["hub_id"] is None else f", id {safe_line(found['hub_id'])}"
        lines.append(
            f"registered  {safe_line(registered)}  (since {found['registered_at']:%Y-%m-%d %H:%M} UTC{hub_id})"
        )
    elif not settings.sources[name].hub.push:
        lines.append(f"registered  nothing: sources.{name}.push = false")
    else:
        lines.append("registered  nothing: `tmf656-bridge status` says why, `tmf656-bridge check` tries the hub")
    if configured is None:
        lines.append("next        known once the bridge listens: http.port = 0 is any free port; set http.public_url")
    elif configured != registered:
        lines.append(f"next        {configured}  (from http.public_url = {settings.http.public_url})")
    return lines
