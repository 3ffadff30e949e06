"""`check`: does everything work that `run` will need, and if not, what is to be done."""

from functools import partial
from typing import Annotated

import anyio
import typer
from rich.console import Console

from bridge.bootstrap import source_of
from bridge.cli.check_console import check_console
from bridge.cli.check_database import check_database
from bridge.cli.check_listener import callback_base, check_listener
from bridge.cli.check_push import check_push
from bridge.cli.check_source import check_source
from bridge.cli.check_write import check_write
from bridge.cli.finding import Finding, table_of
from bridge.cli.options import Config, Json, on_loop, settings_for
from bridge.cli.terminal import json_text
from bridge.settings import Settings
from bridge.settings.overlay import LayeredSettings


def check(
    config: Config = None,
    as_json: Json = False,
    push: Annotated[
        bool, typer.Option("--push", metavar="", help="Also wait for a notification through each hub.")
    ] = False,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long, with --push.")] = 20,
    write: Annotated[
        str | None,
        typer.Option("--write", metavar="SOURCE", help="Make, change, note and end one probe ticket at this source."),
    ] = None,
) -> None:
    """Test the configuration, the database, this machine and each source: reach, authorisation, list, get by id, hub.

    At the hub a registration is made and deleted again. Exit status 1 when anything fails that `run` needs. `--push`
    waits for a notification: at the running bridge, else at a listener of its own; when none comes, one request of its
    own to the callback says whether the address leads here.

    `--write SOURCE` checks that one source only, and is the only check that writes: one ticket, marked as a probe, that
    is ended again. It tells whether updates keep other fields, versions are counted, notes are added, a status moves.
    Nothing is sent without `write = true`.
    """
    settings = settings_for(config, quiet=True)
    if write is not None:
        source_of(settings, write)
        if _print(on_loop(partial(check_write, write, settings.sources[write])), as_json=as_json):
            raise typer.Exit(1)
        return
    if report_findings(settings, as_json=as_json, push_seconds=wait if push else None):
        raise typer.Exit(1)


def report_findings(settings: Settings, *, as_json: bool = False, push_seconds: float | None = None) -> bool:
    """Check everything and print what was found; True when anything fails that `run` needs. `push_seconds`: wait so
    long for a notification of each source.
    """
    return _print(on_loop(lambda: _check(settings, push_seconds)), as_json=as_json)


def _print(findings: list[Finding], *, as_json: bool) -> bool:
    failed = any(finding.works is False for finding in findings)
    if as_json:
        typer.echo(json_text({"ok": not failed, "findings": findings}))
    else:
        Console().print(table_of(findings))
    return failed


async def _check(settings: Settings, push_seconds: float | None) -> list[Finding]:
    number = f"{len(settings.sources)} {'source' if len(settings.sources) == 1 else 'sources'}"
    findings = [Finding("configuration", "read", True, number)]
    database = await check_database(settings)
    findings += database.findings
    layers = LayeredSettings(settings, database.overlay)
    settings = layers.resolved()
    remedy = "correct it in the console or in the file, or run `tmf656-bridge config --drop-overlay`"
    findings += [Finding("configuration", "console", False, fault, remedy) for fault in layers.faults]
    findings += check_listener(settings, running=database.running)
    findings += await check_console(settings)
    if not settings.sources:
        findings.append(
            Finding("sources", "configured", False, "none", "add a table [sources.NAME] with a url to bridge.toml")
        )
    found: dict[str, list[Finding]] = {name: [] for name in settings.sources}

    async def look(name: str) -> None:
        base = callback_base(settings) or settings.http.public_url
        found[name] = await check_source(name, settings.sources[name], base, hub=push_seconds is None)

    async with anyio.create_task_group() as group:
        for name in settings.sources:
            group.start_soon(look, name)
    findings += [finding for name, each in found.items() for finding in each + database.passes.get(name, [])]
    if push_seconds is not None:
        wanted = [name for name, source in settings.sources.items() if source.enabled and source.hub.push]
        answering = [name for name in wanted if all(finding.works is not False for finding in found[name])]
        findings += await check_push(settings, answering, running=database.running, wait_seconds=push_seconds)
    return findings
