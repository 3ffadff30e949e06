"""`psql`: a prompt, or a query, on the configured or embedded database."""

import os
import shutil
import signal
import subprocess

import typer

from bridge.bootstrap import OpenDatabase, open_database
from bridge.cli.options import Config, on_loop, require_data, settings_for
from bridge.errors import PermanentError
from bridge.postgres.embedded import find_binaries
from bridge.settings import Settings
from bridge.settings.dsn import read_dsn


def psql(context: typer.Context, config: Config = None) -> None:
    """Run psql on the database; everything after the options goes to psql, and psql's exit status comes back."""
    settings = settings_for(config, quiet=True)
    require_data(settings)
    raise typer.Exit(on_loop(lambda: _psql(settings, context.args)))


async def _psql(settings: Settings, arguments: list[str]) -> int:
    async with open_database(settings, join=True, wait=False) as place:
        conninfo, password = read_dsn(place.dsn).for_psql()
        command = [_program(place), "--dbname", conninfo, *arguments]
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            done = subprocess.run(  # noqa: S603, ASYNC221 -- the user's own program; nothing else is to run meanwhile
                command, env={**os.environ, **password}, check=False
            )
        finally:
            signal.signal(signal.SIGINT, before)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _program(place: OpenDatabase) -> str:
    if place.bin_dir is not None and (place.bin_dir / "psql").is_file():
        return str(place.bin_dir / "psql")
    found = shutil.which("psql")
    if found is not None:
        return found
    try:
        bundled = find_binaries() / "psql"
    except PermanentError:
        bundled = None
    if bundled is None or not bundled.is_file():
        raise PermanentError("psql was not found: install postgresql-client, or use another program on database.dsn")
    return str(bundled)
