"""`sync`: poll or reconcile one source now, and watch it."""

from contextlib import AsyncExitStack
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bridge.bootstrap import client_for, ensure_schema, open_database, source_of, source_state_for, with_overlay
from bridge.cli.audited import entry
from bridge.cli.options import Config, SourceName, on_loop, settings_for
from bridge.http.list_page import ListPage
from bridge.pull.page_import import Tally
from bridge.pull.pass_summary import summary
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.settings import Settings
from bridge.storage import audit
from bridge.telemetry.metrics import Metrics


def sync(
    source: SourceName,
    config: Config = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", metavar="", help="Read everything and look for deletions (reconcile), not only changes."
        ),
    ] = False,
    accept_deletions: Annotated[
        bool,
        typer.Option(
            "--accept-deletions",
            metavar="",
            help="With --full, which it implies: record as deleted what the list does not show, except what the source "
            "still gives by id. For deletions that `status` says are held back.",
        ),
    ] = False,
) -> None:
    """Poll a source now, or reconcile it with --full. Safe beside a running bridge.

    Exit status 1 when the pass was not complete.
    """
    settings = settings_for(config, quiet=True)
    full = full or accept_deletions
    tally = on_loop(lambda: _sync(settings, source, full=full, accept=accept_deletions))
    for line in summary(source, tally, full=full):
        typer.echo(line)
    if not tally.completeness.complete:
        raise typer.Exit(1)


async def _sync(settings: Settings, name: str, *, full: bool, accept: bool) -> Tally:
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_database(settings, join=True, wait=False))
        await ensure_schema(opened)
        settings = await with_overlay(settings, opened.database)
        source_of(settings, name)
        async with opened.database.transaction() as connection:
            after = {"accept_deletions": True} if accept else None
            await audit.record(connection, entry(f"request.{'reconcile' if full else 'poll'}", name, after=after))
        client = await stack.enter_async_context(client_for(name, settings.sources[name], metrics))
        source = await source_state_for(
            name, settings.sources[name], opened.database, client, settings.http.public_url, metrics
        )
        progress = stack.enter_context(_progress())
        task = progress.add_task(f"{'reconciling' if full else 'polling'} {name}", total=None)

        def show(tally: Tally, page: ListPage) -> None:
            progress.update(task, completed=min(tally.problems, page.total or tally.problems), total=page.total)

        def show_asked(asked: int) -> None:
            progress.update(task, description=f"asking {name} for missing problems", completed=asked, total=None)

        reconciler = Reconciler(source, opened.database, metrics, on_page=show)
        reconciler.deletion.on_asked = show_asked
        if not full:
            return await Poller(source, opened.database, metrics, reconciler, on_page=show).run_once()
        return await reconciler.run_once(accept_deletions=accept)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
