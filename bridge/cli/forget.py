"""`forget`: a source that is no longer wanted, with its registration and all that is known of it."""

from typing import Annotated

import typer

from bridge.bootstrap import OpenDatabase, client_for, ensure_schema, open_database, with_overlay
from bridge.cli.audited import entry
from bridge.cli.options import Config, known_sources, on_loop, require_data, settings_for
from bridge.cli.terminal import safe_line
from bridge.errors import BridgeError, PermanentError
from bridge.settings import Settings
from bridge.sources.client import hub_of
from bridge.storage import audit, lease, source_removal, subscription
from bridge.storage import source as source_table
from bridge.storage.subscription import HubSubscription
from bridge.telemetry.metrics import Metrics


def forget(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="Name of a source, as `status` shows it.", autocompletion=known_sources),
    ],
    config: Config = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask.")] = False,
) -> None:
    """Remove a source: its registrations at the hub, and every row of it in the database.

    The hub is asked with the login of [sources.NAME], so take that table out of the configuration afterwards. A bridge
    that runs with the source has to stop first, or to be started again with `enabled = false`.
    """
    settings = settings_for(config, quiet=True)
    require_data(settings)
    on_loop(lambda: _forget(settings, source, ask=not yes))


async def _forget(settings: Settings, name: str, *, ask: bool) -> None:
    async with open_database(settings, join=True, wait=False) as place:
        await ensure_schema(place)
        settings = await with_overlay(settings, place.database)
        async with place.database.connection() as connection:
            source_id = await source_table.find(connection, name)
            if source_id is None:
                raise PermanentError(f"the database has no source {name!r}: `tmf656-bridge status` lists them")
            leader = await lease.find_holder(connection, lease.LEADER)
            followed = name in settings.sources and settings.sources[name].enabled
            if leader is not None and leader.held and followed:
                raise PermanentError(
                    f"a bridge is running with {name}: stop it, or set sources.{name}.enabled = false and restart it"
                )
            there = await source_removal.contents(connection, source_id)
            active = await subscription.active(connection, source_id)
            held = await subscription.left_over(connection, source_id) + ([active] if active is not None else [])
        if ask:
            what = f"{there.problems:,} problems with their history and {there.dead_letters:,} dead letters"
            typer.confirm(f"Remove {name}, {what}?", abort=True)
        async with place.database.transaction() as connection:
            before = {"problems": there.problems, "dead_letters": there.dead_letters}
            await audit.record(connection, entry("source.forget", name, before=before))
        for one in held:
            typer.echo(await _deregister(settings, name, place, one))
        removed = await source_removal.remove(place.database, source_id)
    typer.echo(f"{name}: {removed:,} rows removed")
    if name in settings.sources:
        typer.echo(f"take [sources.{name}] out of the configuration, or the next `run` begins with it again")


async def _deregister(settings: Settings, name: str, place: OpenDatabase, held: HubSubscription) -> str:
    """Delete a registration at the hub; say what came of it."""
    what = f"registration {safe_line(held.hub_id or 'without id')} at {safe_line(held.url)}/hub"
    by_hand = "delete it there by hand"
    source = settings.sources.get(name)
    if source is None:
        return f"{what}: left, because [sources.{name}] with its login is not in the configuration; {by_hand}"
    if held.hub_id is None or held.url != source.url:
        reason = "the hub gave no id" if held.hub_id is None else f"sources.{name}.url is another server now"
        return f"{what}: left, because {reason}; {by_hand}"
    try:
        async with client_for(name, source, Metrics()) as client:
            await hub_of(name, client).deregister(held.hub_id)
    except BridgeError as error:
        return f"{what}: left, because {safe_line(error)}; {by_hand}"
    async with place.database.transaction() as connection:
        await subscription.gone(connection, held.id)
    return f"{what}: deleted"
