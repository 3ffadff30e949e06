"""`report`: the ready-made queries over the problems, run with parameters."""

import difflib
import re
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.bootstrap import ensure_schema, open_database
from bridge.cli.options import Config, on_loop, require_data, settings_for
from bridge.cli.terminal import safe, safe_line
from bridge.errors import PermanentError
from bridge.settings import Settings
from bridge.storage.cookbook import CookbookQuery, answer, cookbook, rows_of

_NUMBER = re.compile(r"-?[\d,.]+%?")
_WORD = 24
"""Longer words may be broken in a table."""


def _names() -> list[str]:
    return list(cookbook())


def report(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Name of a report; without one they are listed.", autocompletion=_names),
    ] = None,
    config: Config = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Value of a parameter of the report; may be repeated."),
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", metavar="", help="Print CSV with a head instead of a table.")
    ] = False,
    sql: Annotated[bool, typer.Option("--sql", metavar="", help="Print the query instead of its answer.")] = False,
) -> None:
    """Answer a question about the problems: how long they took, what is open, what changed.

    Each report is a query of its own on schema `report`; `--sql` shows it, to be changed and run with `psql`.
    """
    if name is None:
        Console(highlight=False).print(_listed())
        return
    query = cookbook().get(name)
    if query is None:
        raise PermanentError(
            f"there is no report {name!r}{_suggested(name, list(cookbook()))}: see `tmf656-bridge report`"
        )
    chosen = dict(_value(query, each) for each in values or [])
    if sql:
        typer.echo(query.sql)
        return
    if missing := [each for each in query.parameters if each.needed and not chosen.get(each.name)]:
        wanted = ", ".join(f"--set {each.name}=… ({each.meaning.removesuffix('; needed')})" for each in missing)
        raise typer.BadParameter(f"the report {name} needs {wanted}")
    settings = settings_for(config, quiet=True)
    require_data(settings)
    text = on_loop(lambda: _answer(settings, query, chosen))
    if as_csv:
        typer.echo(safe(text) if sys.stdout.isatty() else text, nl=False)
        return
    console = Console(highlight=False)
    rows = rows_of(text)
    console.print(_records(rows) if _is_too_wide(rows, console.width) else _table(rows))


async def _answer(settings: Settings, query: CookbookQuery, values: dict[str, str]) -> str:
    async with open_database(settings, join=True, wait=False) as place:
        await ensure_schema(place)
        try:
            async with place.database.connection() as connection:
                return await answer(connection, query, values)
        except PermanentError as error:
            given = ", ".join(f"{name}={value}" for name, value in values.items()) or "its defaults"
            raise PermanentError(f"{query.name} has no answer with {given}: {error}") from error


def _value(query: CookbookQuery, setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    known = [parameter.name for parameter in query.parameters]
    if not equals:
        raise typer.BadParameter(f"--set {setting}: write NAME=VALUE, for example {(known or ['days'])[0]}=7")
    if name not in known:
        there = f"; {query.name} has {', '.join(known)}" if known else f"; {query.name} has no parameter"
        raise typer.BadParameter(f"--set {setting}: there is no parameter {name!r}{_suggested(name, known)}{there}")
    return name, value


def _suggested(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _listed() -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for query in cookbook().values():
        text = Text(query.question)
        for parameter in query.parameters:
            text.append(f"\n--set {parameter.name}={parameter.default}  {parameter.meaning}", style="dim")
        table.add_row(Text(query.name, style="bold"), text)
    return table


def _is_too_wide(rows: list[list[str]], width: int) -> bool:
    """Would a table have to break words within its columns?"""
    longest = (
        max(len(word) for value in column for word in ["", *value.split()]) for column in zip(*rows, strict=True)
    )
    return sum(min(each, _WORD) + 2 for each in longest) > width + 2


def _records(rows: list[list[str]]) -> Table:
    """Each row as a block of lines, a column a line."""
    head, *body = rows
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for number, row in enumerate(body):
        for heading, value in zip(head, row, strict=True):
            table.add_row(safe_line(heading), Text(safe_line(value)))
        if number < len(body) - 1:
            table.add_section()
            table.add_row("", "")
    if not body:
        table.caption = "no rows"
    return table


def _table(rows: list[list[str]]) -> Table:
    head, *body = rows
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, heading in enumerate(head):
        numbers = all(_NUMBER.fullmatch(row[number]) for row in body if row[number])
        table.add_column(safe_line(heading), justify="right" if numbers else "left", overflow="fold")
    for row in body:
        table.add_row(*(Text(safe_line(value)) for value in row))
    if not body:
        table.caption = "no rows"
    return table
