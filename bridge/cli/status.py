"""`status`: what every source is doing, read from the database, whether a bridge runs or not."""

from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.bootstrap import ensure_schema, open_database, with_overlay
from bridge.cli.options import Config, Json, on_loop, require_data, settings_for
from bridge.cli.terminal import json_text, safe_line
from bridge.domain.service_problem import readable
from bridge.domain.vocabulary import BUILT_IN
from bridge.journal.directory import waiting_in
from bridge.settings import Settings
from bridge.sources.remark import remarks, span
from bridge.sources.state import vocabulary_of
from bridge.storage import lease, unmapped_value
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

    *lag* is the time since the last push or successful poll of the source. What needs a person stands below the table:
    whether no bridge runs, why a source is in fallback, which lists were not read completely, which jobs fail, words
    and times that are not understood, and what waits in the local journal.
    """
    settings = settings_for(config, quiet=True)
    require_data(settings)
    bridge, rows = on_loop(lambda: _status(settings))
    waiting, since = waiting_in(settings.data_dir)
    journal = {"waiting": waiting, "oldest_at": since}
    if as_json:
        typer.echo(json_text({"bridge": bridge, "sources": rows, "journal": journal}))
        return
    console = Console(highlight=False)
    if not bridge["running"]:
        console.print(Text(_stopped(bridge["last_led_seconds_ago"]), style="yellow"))
    if not rows:
        console.print("This database has seen no source yet: add one to bridge.toml, then `tmf656-bridge run`.")
        return
    console.print(_table(rows, running=bridge["running"]))
    if waiting:
        wait = "notification waits" if waiting == 1 else "notifications wait"
        console.print(Text(f"journal: {waiting:,} {wait} for Postgres, the oldest for {_age(since)}"))
    for row in rows:
        for remark in remarks(row, datetime.now(UTC), running=bridge["running"]):
            console.print(Text(safe_line(f"{row['name']}: {remark}")))


async def _status(settings: Settings) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    async with open_database(settings, join=True, wait=False) as place:
        await ensure_schema(place)
        async with place.database.connection() as connection:
            rows = await source_table.status(connection)
            leader = await lease.find_holder(connection, lease.LEADER)

        settings = await with_overlay(settings, place.database)
        async with place.database.connection() as connection:
            unmapped = {row["id"]: await unmapped_value.of_source(connection, row["id"]) for row in rows}
    now = datetime.now(UTC)
    for row in rows:
        seen = [at for at in (row["last_push_at"], row["last_poll_at"]) if at is not None]
        row["lag_seconds"] = round((now - max(seen)).total_seconds(), 1) if seen else None
        due = row["missed_24h"] + row["late_24h"] + row["pushed_24h"]
        row["miss_ratio_24h"] = row["missed_24h"] / due if due else None
        configured = settings.sources.get(row["name"])
        vocabulary = vocabulary_of(configured) if configured else BUILT_IN
        row["unmapped"] = [
            {"attribute": each.value.attribute, "example": each.value.example, "times": each.times}
            for each in unmapped[row.pop("id")]
            if not readable(each.value, vocabulary)
        ]
        row["configured"] = row["name"] in settings.sources
    bridge = {
        "running": leader is not None and leader.held,
        "last_led_seconds_ago": None if leader is None else round(leader.renewed_seconds_ago, 1),
    }
    return bridge, rows


def _stopped(seconds: float | None) -> str:
    ago = "none ever led on this database" if seconds is None else f"last led {span(seconds)} ago"
    return f"no bridge is running, {ago}: `tmf656-bridge run`"


def _table(rows: list[dict[str, Any]], *, running: bool) -> Table:
    """A line a source, made to fit into 80 columns. Without a running bridge no source is followed."""
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
            Text(safe_line(row["name"])),
            Text(row["mode"], style=_STYLES.get(row["mode"], "")) if running else Text("stopped", style="dim"),
            "-" if row["lag_seconds"] is None else span(row["lag_seconds"]),
            *(_age(row[key]) for key in _AGES),
            f"{row['problems']:,}",
            Text(f"{row['dead_letters']:,}", style="yellow" if row["dead_letters"] else ""),
        )
    return table


def _age(at: datetime | None) -> str:
    return "-" if at is None else span((datetime.now(UTC) - at).total_seconds())
