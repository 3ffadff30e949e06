"""`check`: does everything work that `run` will need, and if not, what is to be done."""

import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import anyio
import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.bootstrap import client_for, open_database
from bridge.cli.options import Config, Json, on_loop, settings_for
from bridge.domain.observation import Via
from bridge.errors import BridgeError, SchemaError, UnreadableError
from bridge.schedule import now
from bridge.settings import Settings, SourceSettings
from bridge.storage import migrations
from bridge.storage import source as source_table
from bridge.storage.database import Connection
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire
from bridge.tmf656.client import Client
from bridge.tmf656.filter_style import FilterStyle
from bridge.tmf656.hub import HubAbsentError, HubConflictError


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table. `works`: True, False, or None for something that is not needed or not offered."""

    subject: str
    aspect: str
    works: bool | None
    found: str
    remedy: str = ""


def check(config: Config = None, as_json: Json = False) -> None:
    """Test the configuration, the database and each source: reach, authorisation, list, get by id, hub.

    At the hub a registration is made and deleted again. Exit status 1 when anything fails that `run` needs.
    """
    if report_findings(settings_for(config, quiet=True), as_json=as_json):
        raise typer.Exit(1)


def report_findings(settings: Settings, *, as_json: bool = False) -> bool:
    """Check everything and print what was found; True when anything fails that `run` needs."""
    findings = on_loop(lambda: _check(settings))
    failed = any(finding.works is False for finding in findings)
    if as_json:
        typer.echo(orjson.dumps({"ok": not failed, "findings": findings}, option=orjson.OPT_INDENT_2).decode())
    else:
        Console().print(_table(findings))
    return failed


async def _check(settings: Settings) -> list[Finding]:
    findings = [Finding("configuration", "read", True, _number(settings))]
    passes: dict[str, list[Finding]] = {}
    findings += await _database(settings, passes)
    if not settings.sources:
        findings.append(
            Finding("sources", "configured", False, "none", "add a table [sources.NAME] with a url to bridge.toml")
        )
    found: dict[str, list[Finding]] = {name: [] for name in settings.sources}

    async def look(name: str) -> None:
        found[name] = await _source(name, settings.sources[name], settings.http.public_url)

    async with anyio.create_task_group() as group:
        for name in settings.sources:
            group.start_soon(look, name)
    return findings + [finding for name, each in found.items() for finding in each + passes.get(name, [])]


def _number(settings: Settings) -> str:
    return f"{len(settings.sources)} {'source' if len(settings.sources) == 1 else 'sources'}"


async def _database(settings: Settings, passes: dict[str, list[Finding]]) -> list[Finding]:
    """Say whether the database is there and current; put what it knows of the sources' last passes into `passes`."""
    embedded = not settings.database.dsn.get_secret_value()
    kind = f"embedded Postgres in {settings.data_dir}" if embedded else "configured database"
    started = perf_counter()
    try:
        async with open_database(settings, join=True, wait=False) as place, place.database.connection() as connection:
            version = await connection.fetchval("show server_version")
            milliseconds = 1000 * (perf_counter() - started)
            found = [Finding("database", "reach", True, f"{kind}, Postgres {version}, {milliseconds:.0f} ms")]
            found += await _schema(connection, embedded=embedded)
            if found[-1].works is not False and not await migrations.pending(connection):
                passes |= {row["name"]: list(_passes(row)) for row in await source_table.status(connection)}
            return found
    except BridgeError as error:
        remedy = "" if embedded else "check database.dsn, and that Postgres runs and lets this machine in"
        return [Finding("database", "reach", False, str(error), remedy)]


async def _schema(connection: Connection, *, embedded: bool) -> list[Finding]:
    try:
        missing = await migrations.pending(connection)
    except SchemaError as error:
        return [Finding("database", "schema", False, str(error))]
    if missing:
        names = ", ".join(migration.title for migration in missing)
        if embedded:
            return [Finding("database", "schema", None, f"lacks {names}", "made by `tmf656-bridge run`")]
        return [Finding("database", "schema", False, f"lacks {names}", "run `tmf656-bridge migrate`")]
    found = [Finding("database", "schema", True, "current")]
    if not await migrations.reader_exists(connection):
        remedy = "to let others read: `create role bridge_reader`, then `tmf656-bridge migrate`"
        found.append(Finding("database", "reader", None, "there is no role bridge_reader", remedy))
    if await migrations.compiles(connection):
        remedy = "run `tmf656-bridge migrate` as the owner of the database, or `alter database … set jit = off`"
        found.append(Finding("database", "jit", None, "on: reports over many problems take seconds longer", remedy))
    return found


def _passes(row: dict[str, Any]) -> Iterator[Finding]:
    """Say what the last passes over a source may have missed, and what is held back."""
    for kind in ("poll", "reconcile"):
        if gap := row[f"{kind}_gap"]:
            remedy = "deletions are not found; ask its operators how its list is paged" if kind == "reconcile" else ""
            yield Finding(row["name"], f"last {kind}", None, gap, remedy)
    if row["held_back"]:
        found = f"{row['held_back']:,} problems are missing but not recorded as deleted: {row['held_back_reason']}"
        yield Finding(row["name"], "deletions", None, found)


async def _source(name: str, source: SourceSettings, public_url: str) -> list[Finding]:
    if not source.enabled:
        return [Finding(name, "enabled", None, "no", f"set sources.{name}.enabled = true")]
    async with client_for(name, source, Metrics()) as client:
        findings, problem_id = await _list(name, client)
        if findings[-1].works is False:
            return findings
        if problem_id is not None:
            findings.append(await _tried(name, "get by id", lambda: _get(client, problem_id)))
        if not source.push:
            findings.append(Finding(name, "hub", None, "not wanted (push = false)"))
        else:
            findings.append(await _hub(name, source, client, public_url))
    return findings


async def _list(name: str, client: Client) -> tuple[list[Finding], str | None]:
    """Ask for the first page; say what came and which version the rows look like."""
    started = perf_counter()
    try:
        async for page in client.pages(
            changed_since=None, filter_style=FilterStyle.NONE, version=None, stamp=wire.stamp
        ):
            milliseconds = 1000 * (perf_counter() - started)
            total = "" if page.total is None else f" of {page.total:,}"
            reach = Finding(name, "reach", True, f"answers in {milliseconds:.0f} ms")
            if not page.items:
                return [reach, Finding(name, "list", True, "no problems")], None
            try:
                item = page.items[0].read()
                first = wire.read_problem(item, asked_at=now(), via=Via.POLL)
            except UnreadableError as error:
                return [reach, Finding(name, "list", False, f"a row cannot be read: {error}", error.hint)], None
            version = wire.detect_version(item) or "unknown"
            found = f"{len(page.items):,}{total} problems on the first page, looks like version {version}"
            return [reach, Finding(name, "list", True, found)], first.problem_id
    except BridgeError as error:
        return [Finding(name, "reach", False, str(error), f"check sources.{name}")], None
    return [Finding(name, "list", True, "no problems")], None


async def _get(client: Client, problem_id: str) -> str:
    await client.get(problem_id)
    return "works"


async def _hub(name: str, source: SourceSettings, client: Client, public_url: str) -> Finding:
    callback = f"{public_url}/listener/{name}/check-{secrets.token_urlsafe(8)}"
    version = None if source.version == "auto" else source.version
    try:
        registration = await client.register(callback, source.hub_query, version=version)
    except HubAbsentError as error:
        return Finding(name, "hub", None, f"not offered ({error})", "the source is polled")
    except HubConflictError:
        return Finding(name, "hub", True, "takes one registration only, and has one")
    except BridgeError as error:
        return Finding(name, "hub", False, str(error), f"set sources.{name}.push = false to do without")
    if registration.hub_id is None:
        return Finding(
            name,
            "hub",
            None,
            "registered, but it gave no id to deregister with",
            "delete the test registration at the server",
        )
    return await _tried(name, "hub", lambda: _deregister(client, registration.hub_id or ""))


async def _deregister(client: Client, hub_id: str) -> str:
    await client.deregister(hub_id)
    return "registers and deregisters"


async def _tried(name: str, aspect: str, attempt: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(name, aspect, True, await attempt())
    except BridgeError as error:
        return Finding(name, aspect, False, str(error), f"check sources.{name}")


def _table(findings: list[Finding]) -> Table:
    """A line a finding, what is to be done below it; made to fit into 80 columns."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    before = None
    for finding in findings:
        sign = {True: "[green]works[/]", False: "[red]fails[/]", None: "[yellow]-[/]"}[finding.works]
        subject = finding.subject if finding.subject != before else ""
        found = Text(finding.found)
        if finding.remedy:
            found.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(Text(subject), finding.aspect, sign, found)
        before = finding.subject
    return table
