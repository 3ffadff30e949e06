"""`user`: people who log in to the console with a password."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bridge.cli.audited import entry
from bridge.cli.examples import examples
from bridge.cli.in_transaction import in_transaction
from bridge.cli.options import Config, Json, require_data, settings_for
from bridge.cli.terminal import json_text, safe_line
from bridge.domain.access import Role
from bridge.errors import PermanentError
from bridge.settings import Settings
from bridge.sources.remark import counted
from bridge.storage import audit, console_user, saved_view
from bridge.storage.console_user import ConsoleUser, ListedUser
from bridge.storage.database import Connection
from bridge.web.console.password import fault_of, hashed

app = typer.Typer(help="People who log in to the console with a password.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name to log in with.")]
RoleOption = Annotated[Role, typer.Option("--role", help="viewer reads, operator acts, admin also changes settings.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="File with the password; - reads it from stdin.")
]

_LONGEST_NAME = 100


@app.command("add", epilog=examples("user add"))
def add(name: Name, config: Config = None, role: RoleOption = Role.VIEWER, password_file: PasswordFile = None) -> None:
    """Add a user. The password is asked for twice, or read from a file."""
    settings = _settings(config)
    if not name.strip() or name != name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise PermanentError(f"{name!r} is no name: 1 to {_LONGEST_NAME} characters that can be seen")
    user = ConsoleUser(name, hashed(_password(password_file)), role)

    async def work(connection: Connection) -> None:
        if not await console_user.add(connection, user):
            raise PermanentError(f"there is a user {name!r} already: see `user password` and `user role`")
        await audit.record(connection, entry("user.add", name, after={"role": role.value}))

    in_transaction(settings, work)
    typer.echo(f"{name} can log in to the console as {role.value}")


@app.command("password", epilog=examples("user password"))
def password(name: Name, config: Config = None, password_file: PasswordFile = None) -> None:
    """Set the password of a user, and log that user out everywhere."""
    settings = _settings(config)
    stored = hashed(_password(password_file))

    async def work(connection: Connection) -> None:
        _known(name, found=await console_user.set_password(connection, name, stored))
        await audit.record(connection, entry("user.password", name))

    in_transaction(settings, work)
    typer.echo(f"{name} has another password, and was logged out everywhere")


@app.command("role", epilog=examples("user role"))
def role(
    name: Name,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="viewer, operator or admin.")],
    config: Config = None,
) -> None:
    """Set the role of a user, and log that user out everywhere."""
    settings = _settings(config)

    async def work(connection: Connection) -> None:
        user = await console_user.find(connection, name)
        _known(name, found=await console_user.set_role(connection, name, role))
        before = {"role": user.role.value} if user else None
        await audit.record(connection, entry("user.role", name, before=before, after={"role": role.value}))

    in_transaction(settings, work)
    typer.echo(f"{name} is {role.value} from the next login on")


@app.command("remove", epilog=examples("user remove"))
def remove(name: Name, config: Config = None) -> None:
    """Remove a user with the saved views that nobody else sees, and log that user out everywhere."""
    settings = _settings(config)

    async def work(connection: Connection) -> Sequence[str]:
        _known(name, found=await console_user.remove(connection, name))
        views = await saved_view.remove_own(connection, name)
        await audit.record(connection, entry("user.remove", name, before={"views": views} if views else None))
        return views

    views = in_transaction(settings, work)
    typer.echo(f"{name} was removed" + (f", with {counted(len(views), 'saved view')}" if views else ""))


@app.command("list", epilog=examples("user list"))
def list_(config: Config = None, as_json: Json = False) -> None:
    """List the users."""
    users = in_transaction(_settings(config), console_user.listed)
    if as_json:
        typer.echo(json_text([_plain(user) for user in users]))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("name", "role", "added", "password set"):
        table.add_column(heading)
    for user in users:
        table.add_row(
            safe_line(user.name), user.role.value, f"{user.created_at:%F %R}", f"{user.password_set_at:%F %R}"
        )
    if not users:
        table.caption = "no users: tmf656-bridge user add NAME"
    Console(highlight=False).print(table)


def _plain(user: ListedUser) -> dict[str, str]:
    times = {"created_at": user.created_at.isoformat(), "password_set_at": user.password_set_at.isoformat()}
    return {"name": user.name, "role": user.role.value} | times


def _known(name: str, *, found: bool) -> None:
    if not found:
        raise PermanentError(f"there is no user {name!r}: see `tmf656-bridge user list`")


def _password(file: Path | None) -> str:
    if file is None:
        text = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        try:
            text = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PermanentError(f"{file}: the password cannot be read: {error}") from error
        text = text.removesuffix("\n").removesuffix("\r")
    fault = fault_of(text)
    if fault is not None:
        raise PermanentError(fault)
    return text


def _settings(config: Path | None) -> Settings:
    """Read the settings; a missing database is said before a password is asked for."""
    settings = settings_for(config, quiet=True)
    require_data(settings)
    return settings
