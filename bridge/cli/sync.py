"""`sync`: poll or reconcile one source now, and watch it."""

from contextlib import AsyncExitStack
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bridge.bootstrap import client_for, ensure_schema, open_database, source_of, source_state_for
from bridge.cli.options import Config, SourceName, on_loop, settings_for
from bridge.pull.page_import import Tally
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.settings import Settings
from bridge.telemetry.metrics import Metrics
from bridge.tmf656.client import ListPage


def sync(
    source: SourceName,
    config: Config = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", metavar="", help="Read everything and look for deletions (reconcile), not only changes."
        ),
    ] = False,
) -> None:
    """Poll a source now, or reconcile it with --full. Safe beside a running bridge."""
    settings = settings_for(config, quiet=True)
    source_of(settings, source)
    tally, complete = on_loop(lambda: _sync(settings, source, full=full))
    outcomes = ", ".join(f"{number:,} {name}" for name, number in sorted(tally.outcomes.items()) if number) or "nothing"
    typer.echo(f"{tally.problems:,} rows on {tally.pages:,} pages (pages may overlap): {outcomes}")
    if tally.unreadable:
        typer.echo(f"{tally.unreadable:,} could not be read: see `tmf656-bridge dead-letters list`")
    if full and not complete:
        typer.echo("the pass was not complete (the list shifted or broke off): nothing was judged missing")
        raise typer.Exit(1)


async def _sync(settings: Settings, name: str, *, full: bool) -> tuple[Tally, bool]:
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(open_database(settings, join=True, wait=False))
        await ensure_schema(place)
        client = await stack.enter_async_context(client_for(name, settings.sources[name], metrics))
        source = await source_state_for(name, settings.sources[name], place, client, settings.http.public_url, metrics)
        progress = stack.enter_context(_progress())
        task = progress.add_task(f"{'reconciling' if full else 'polling'} {name}", total=None)

        def show(tally: Tally, page: ListPage) -> None:
            progress.update(task, completed=min(tally.problems, page.total or tally.problems), total=page.total)

        reconciler = Reconciler(source, place.database, metrics, on_page=show)
        if full:
            return await reconciler.run_once(), reconciler.complete
        return await Poller(source, place.database, metrics, reconciler, on_page=show).run_once(), True


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
