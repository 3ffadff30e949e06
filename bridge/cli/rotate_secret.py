"""`rotate-secret`: another secret in the callback of a source."""

import typer

from bridge.bootstrap import ensure_schema, open_database, source_of, with_overlay
from bridge.cli.audited import entry
from bridge.cli.options import Config, SourceName, on_loop, require_data, settings_for
from bridge.settings import Settings
from bridge.sources.callback_secret import refuse_configured_secret, rotate
from bridge.storage import audit


def rotate_secret(
    source: SourceName,
    config: Config = None,
) -> None:
    """Make another secret for the callback of a source. A running bridge uses it within seconds and registers again.

    The secret before stays accepted until the next rotation, so nothing is refused meanwhile; older ones are answered
    410. After a leak run it twice, the second time when `status` shows the new registration.
    """
    settings = settings_for(config, quiet=True)
    require_data(settings)
    on_loop(lambda: _renew(settings, source))
    typer.echo(
        f"{source} has another callback secret. The one before is accepted until the next rotation, older ones are "
        "answered 410. A running bridge registers the new callback within seconds; else the next start does"
    )


async def _renew(settings: Settings, name: str) -> None:
    async with open_database(settings, join=True, wait=False) as place:
        await ensure_schema(place)
        in_force = await with_overlay(settings, place.database)
        refuse_configured_secret(name, source_of(in_force, name))
        async with place.database.transaction() as connection:
            await rotate(connection, name)
            await audit.record(connection, entry("request.rotate_secret", name))
