"""`migrate`: the schema."""

from typing import Annotated

import typer

from bridge.bootstrap import open_database
from bridge.cli.options import Config, on_loop, settings_for
from bridge.settings import Settings
from bridge.storage import migrations, rights


def migrate(
    config: Config = None,
    check: Annotated[
        bool, typer.Option("--check", metavar="", help="Change nothing; exit 1 when the schema is not current.")
    ] = False,
) -> None:
    """Bring the schema up to date, or only say whether it is."""
    settings = settings_for(config, quiet=True)
    on_loop(lambda: _migrate(settings, check=check))


async def _migrate(settings: Settings, *, check: bool) -> None:
    async with open_database(settings, join=True, wait=False) as place, place.database.connection() as connection:
        if check:
            await migrations.check(connection)
            typer.echo("the schema is current")
            return
        applied = await migrations.migrate(connection)
        readable = await rights.reader_exists(connection)
    for migration in applied:
        typer.echo(f"applied {migration.title}")
    if not applied:
        typer.echo("the schema is current, nothing to do")
    if not readable:
        typer.echo(
            "role bridge_reader is not there, so that only the owner can read schema report: let an administrator run "
            "`create role bridge_reader`, then run `tmf656-bridge migrate` again"
        )
