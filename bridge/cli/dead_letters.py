"""`dead-letters`: what could not be understood, and what to do with it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.bootstrap import OpenDatabase, ensure_schema, open_database
from bridge.cli.audited import entry
from bridge.cli.examples import examples
from bridge.cli.options import Config, Json, known_sources, on_loop, require_data, settings_for
from bridge.cli.terminal import json_text, safe, safe_line
from bridge.errors import PermanentError
from bridge.ingest.dead_letter_replay import replay as read_again
from bridge.settings import Settings
from bridge.storage import audit, dead_letter
from bridge.storage.request import RequestKind

app = typer.Typer(
    help="Notifications and rows that could not be understood: kept with their bytes until replayed or discarded.",
    no_args_is_help=True,
)

Source = Annotated[
    str | None, typer.Option("--source", help="Only letters of this source.", autocompletion=known_sources)
]
Numbers = Annotated[list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Numbers as shown by `list`.")]
All = Annotated[bool, typer.Option("--all", metavar="", help="Every waiting letter (with --source: of that source).")]


@app.command("list", epilog=examples("dead-letters list"))
def list_(
    config: Config = None,
    source: Source = None,
    settled: Annotated[
        bool, typer.Option("--settled", metavar="", help="Also those already replayed or discarded.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 100,
    as_json: Json = False,
) -> None:
    """List waiting letters, newest first."""

    async def listed(place: OpenDatabase) -> list[dict[str, Any]]:
        async with place.database.connection() as connection:
            return await dead_letter.listed(connection, source=source, settled=settled, limit=limit)

    rows = _with_database(config, listed)
    if as_json:
        typer.echo(json_text(rows))
        return
    if not rows:
        typer.echo("no dead letters")
        return
    Console(highlight=False).print(_table(rows))


def _table(rows: list[dict[str, Any]]) -> Table:
    """A letter a line, made to fit into 80 columns: what it is, then in words what was found."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("number", "source", "received", "via", "reason"):
        table.add_column(heading, no_wrap=True)
    table.add_column("detail", overflow="fold")
    for row in rows:
        facts = [f"problem {row['problem_id']}"] if row["problem_id"] else []
        facts += [f"{row['times']} times"] if row["times"] > 1 else []
        facts += [row["state"]] if row["state"] != "waiting" else []
        table.add_row(
            str(row["id"]),
            Text(safe_line(row["source"])),
            f"{row['received_at']:%m-%d %H:%M}",
            row["via"],
            row["reason"],
            Text(safe_line(row["detail"][:160] + (f" ({', '.join(facts)})" if facts else ""))),
        )
    return table


@app.command(epilog=examples("dead-letters show"))
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number as shown by `list`.")],
    config: Config = None,
    raw: Annotated[Path | None, typer.Option("--raw", help="Write the bytes as received into this file.")] = None,
) -> None:
    """Show one letter with its bytes, the reason and what can be done."""

    async def found(place: OpenDatabase) -> dict[str, Any]:
        return await _letter(place, number)

    letter = _with_database(config, found)
    body: bytes = letter.pop("raw")
    letter.pop("source_id")
    for name, value in letter.items():
        if value not in (None, ""):
            typer.echo(f"{name.replace('_', ' '):>16}: {safe_line(value)}")
    if raw is not None:
        raw.write_bytes(body)
        typer.echo(f"{len(body)} bytes written to {raw}")
        return
    typer.echo("")
    typer.echo(safe(body.decode("utf-8", "backslashreplace")))


@app.command(epilog=examples("dead-letters replay"))
def replay(numbers: Numbers = None, config: Config = None, source: Source = None, every: All = False) -> None:
    """Read letters again, as this version understands them, and store what can be understood now.

    Exit status 1 when some still cannot be understood; those keep waiting.
    """

    sources = settings_for(config, quiet=True).sources

    async def replayed(place: OpenDatabase) -> list[str]:
        failures = []
        for number in await _chosen(place, "replay", numbers, source, every=every):
            failure = await read_again(place.database, number, sources)
            typer.echo(f"{number}: {safe_line(failure or 'replayed')}")
            failures += [failure] if failure else []
        return failures

    if _with_database(config, replayed):
        raise typer.Exit(1)


@app.command(epilog=examples("dead-letters discard"))
def discard(numbers: Numbers = None, config: Config = None, source: Source = None, every: All = False) -> None:
    """Mark letters as dealt with. Their bytes stay until they are pruned."""

    async def discarded(place: OpenDatabase) -> None:
        for number in await _chosen(place, "discard", numbers, source, every=every):
            async with place.database.transaction() as connection:
                done = await dead_letter.settle(connection, number, "discarded")
            typer.echo(f"{number}: {'discarded' if done else 'was not waiting'}")

    _with_database(config, discarded)


async def _letter(place: OpenDatabase, number: int) -> dict[str, Any]:
    async with place.database.connection() as connection:
        letter = await dead_letter.show(connection, number)
    if letter is None:
        raise PermanentError(f"there is no dead letter {number}: see `tmf656-bridge dead-letters list`")
    return letter


async def _chosen(
    place: OpenDatabase, what: RequestKind, numbers: list[int] | None, source: str | None, *, every: bool
) -> list[int]:
    """Return the letters to handle, once the audit says so: a command that is killed has done some of it."""
    if not numbers and not every:
        raise typer.BadParameter("name letters by number, or say --all")
    async with place.database.transaction() as connection:
        chosen = numbers or await dead_letter.waiting(connection, source)
        after = {"numbers": chosen} if numbers else {"letters": len(chosen), "up_to": max(chosen, default=0)}
        if chosen:
            await audit.record(connection, entry(f"request.{what}", source or "every source", after=after))
    return chosen


def _with_database(config: Path | None, work: Any) -> Any:
    settings = settings_for(config, quiet=True)
    require_data(settings)

    async def inside() -> Any:
        return await _inside(settings, work)

    return on_loop(inside)


async def _inside(settings: Settings, work: Any) -> Any:
    async with open_database(settings, join=True, wait=False) as place:
        await ensure_schema(place)
        return await work(place)
