"""`status`: what every source is doing, read from the database; the bridge need not run."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.bootstrap import ensure_schema, open_database
from bridge.cli.options import Config, Json, on_loop, require_data, settings_for
from bridge.journal.journal import waiting_in
from bridge.settings import Settings
from bridge.storage import source as source_table

_AGES = {
    "last_push_at": "last\npush",
    "last_poll_at": "last\npoll",
    "last_reconcile_at": "last\nreconcile",
    "registered_at": "hub\nsince",
}


_STYLES = {"push": "green", "poll": "green", "fallback": "yellow", "disabled": "dim"}


def status(config: Config = None, as_json: Json = False) -> None:
    """Show every source: mode, lag, last push and poll, registration, problems, dead letters.

    *lag* is the time since the source was last heard of, by push or poll. What needs a person is said below the table,
    also how many changes push missed within a day, why a source is in fallback, and what waits in the local journal.
    """
    settings = settings_for(config, quiet=True)
    require_data(settings)
    rows = on_loop(lambda: _status(settings))
    waiting, since = waiting_in(settings.data_dir)
    journal = {"waiting": waiting, "oldest_at": since}
    if as_json:
        typer.echo(
            orjson.dumps(
                {"sources": rows, "journal": journal}, option=orjson.OPT_INDENT_2 | orjson.OPT_NAIVE_UTC
            ).decode()
        )
        return
    console = Console(highlight=False)
    if not rows:
        console.print("This database has seen no source yet: add one to bridge.toml, then `tmf656-bridge run`.")
        return
    console.print(_table(rows))
    if waiting:
        console.print(Text(f"journal: {waiting:,} notifications wait for Postgres, the oldest for {_age(since)}"))
    for row in rows:
        for remark in _remarks(row):
            console.print(Text(f"{row['name']}: {remark}"))


async def _status(settings: Settings) -> list[dict[str, Any]]:
    async with open_database(settings, join=True, wait=False) as place:
        await ensure_schema(place)
        async with place.database.connection() as connection:
            rows = await source_table.status(connection)
    now = datetime.now(UTC)
    for row in rows:
        heard = [at for at in (row["last_push_at"], row["last_poll_at"]) if at is not None]
        row["lag_seconds"] = round((now - max(heard)).total_seconds(), 1) if heard else None
        told = row["missed_24h"] + row["late_24h"] + row["pushed_24h"]
        row["miss_ratio_24h"] = row["missed_24h"] / told if told else None
        row["configured"] = row["name"] in settings.sources
    return rows


def _table(rows: list[dict[str, Any]]) -> Table:
    """A line a source, made to fit into 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("\nsource", overflow="fold")
    table.add_column("\nmode", no_wrap=True)
    for heading in (
        "\nlag",
        "last\npush",
        "last\npoll",
        "last\nreconcile",
        "hub\nsince",
        "\nproblems",
        "dead\nletters",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(row["name"]),
            Text(row["mode"], style=_STYLES.get(row["mode"], "")),
            "-" if row["lag_seconds"] is None else _duration(row["lag_seconds"]),
            *(_age(row[key]) for key in _AGES),
            f"{row['problems']:,}",
            Text(f"{row['dead_letters']:,}", style="yellow" if row["dead_letters"] else ""),
        )
    return table


def _remarks(row: dict[str, Any]) -> Iterator[str]:
    """What is not as it should be, and what to do about it."""
    if not row["configured"]:
        yield "is not in this configuration (the demo's source, or one that was taken out)"
    if row["mode"] == "fallback":
        reason = row["fallback_reason"] or "not registered at its hub"
        yield f"{reason}; it is polled instead, for {_age(row['mode_since'])} now"
    if row["reconcile_gap"]:
        since = row["reconcile_complete_at"]
        never = "never was" if since is None else f"was last {_age(since)} ago"
        yield f"its list was not read completely ({row['reconcile_gap']}), {never}: deletions are not found"
    if row["poll_gap"] and row["poll_gap"] != row["reconcile_gap"]:
        yield f"the last poll was not complete: {row['poll_gap']}"
    if row["held_back"]:
        yield f"{row['held_back']:,} problems are missing but not recorded as deleted: {row['held_back_reason']}"
    if row["missed_24h"]:
        yield f"push missed {row['missed_24h']:,} changes within 24 h, {row['miss_ratio_24h']:.1%}; polls found them"
    if row["refetch_waiting"]:
        yield f"{row['refetch_waiting']:,} problems wait to be fetched by id"
    if row["dead_letters"]:
        yield f"{row['dead_letters']:,} dead letters: see `tmf656-bridge dead-letters list`"
    if row["last_error"]:
        yield f"{_age(row['last_error_at'])} ago: {row['last_error']}"


def _age(at: datetime | None) -> str:
    return "-" if at is None else _duration((datetime.now(UTC) - at).total_seconds())


def _duration(seconds: float) -> str:
    """A time in one unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
