"""`links audit`: are linked tickets really in step? Both are read again at their sources."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from bridge.bootstrap import (
    client_for,
    ensure_schema,
    open_database,
    source_state_for,
    with_overlay,
    writer_for,
)
from bridge.cli import links_output
from bridge.cli.options import Config, Json, on_loop, require_data, settings_for
from bridge.cli.terminal import json_text
from bridge.domain.link.word_map import Side
from bridge.domain.ticket_system import TicketReader
from bridge.errors import PermanentError
from bridge.links import operator
from bridge.links.audit import AuditInterruptedError, Auditor, AuditResult
from bridge.links.rule_jobs import run_of
from bridge.settings import Settings
from bridge.telemetry.metrics import Metrics

DRIFT = 3
"""Exit status where something differs without a known reason."""


def compare(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Name of a rule; without it all.")] = None,
    config: Config = None,
    rate: Annotated[
        float, typer.Option("--rate", metavar="N", min=0.01, max=1000, help="Compare at most so many links a second.")
    ] = 5,
    resume: Annotated[
        bool, typer.Option("--resume", metavar="", help="Go on where the last audit was interrupted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare all linked tickets with what their sources say now. Nothing is written to them.

    Each ticket is read by its id, so an audit takes a while: 10,000 links at 5 a second take 34 minutes. What differs
    and is known (a write waits, a conflict is open, the rule is paused, the change is a moment old) is counted; what
    differs without a known reason is listed, kept in `report.link_drift`, counted in `report.sync_quality`, and read
    again by the running bridge. Ctrl-C is fine: `--resume` goes on. Exit status 3 when there is such drift, 1 when a
    source does not answer.
    """
    settings = settings_for(config, quiet=True)
    require_data(settings)
    console = Console(stderr=True)
    try:
        results = on_loop(partial(_audit, settings, rule, rate, console, resume=resume))
    except (AuditInterruptedError, KeyboardInterrupt) as error:
        console.print("[bold]interrupted[/]: what is compared is kept, `links audit --resume` goes on from there")
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(130) from None
        raise PermanentError(str(error)) from error
    if as_json:
        typer.echo(json_text([each.as_json() for each in results]))
    else:
        for each in results:
            links_output.print_audit(each)
    if any(each.drift for each in results):
        raise typer.Exit(DRIFT)


async def _audit(
    settings: Settings, rule: str | None, rate: float, console: Console, *, resume: bool
) -> list[AuditResult]:
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_database(settings, join=True, wait=False))
        await ensure_schema(opened)
        settings = await with_overlay(settings, opened.database)
        known = ", ".join(sorted(settings.links)) or "none configured"
        if rule is not None and rule not in settings.links:
            raise PermanentError(f"no rule {rule!r} in the configuration (there are: {known})")
        names = [rule] if rule is not None else list(settings.links)
        readers: dict[str, TicketReader] = {}
        for source in sorted({getattr(settings.links[name], side.value) for name in names for side in Side}):
            own, metrics = settings.sources[source], Metrics()
            client = await stack.enter_async_context(client_for(source, own, metrics))
            state = await source_state_for(source, own, opened.database, client, settings.http.public_url, metrics)
            readers[source] = writer_for(state)
        progress = stack.enter_context(_progress(console))
        results = []
        for name in names:
            own_rule = settings.links[name]
            async with opened.database.connection() as connection:
                run = await run_of(connection, name, own_rule, settings.sources)
                row = await operator.rule_named(connection, name)
            if run is None:
                raise PermanentError(
                    f"links.{name}: its sources have not been read yet; start `tmf656-bridge run` first"
                )
            run.rule_id = row.id
            task = progress.add_task(f"comparing {name}", total=None)

            def show(result: AuditResult, task: int = task) -> None:
                progress.update(task, completed=result.links, total=max(result.total, result.links))  # type: ignore[arg-type]

            sources = {side: getattr(own_rule, side.value) for side in Side}
            auditor = Auditor(
                run,
                opened.database,
                {side: readers[source] for side, source in sources.items()},
                {side: settings.sources[source].poll_interval_seconds for side, source in sources.items()},
                rate,
                show,
            )
            results.append(await auditor.run_once(resume=resume))
        return results


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )
