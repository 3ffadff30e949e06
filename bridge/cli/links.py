"""`links`: what rules would do, what links are like, and what people do about them."""

from typing import Annotated, Any, Literal

import typer
from msgspec.structs import asdict
from rich.console import Console

from bridge.cli import links_output
from bridge.cli.audited import entry, who
from bridge.cli.examples import examples
from bridge.cli.in_transaction import in_transaction
from bridge.cli.links_audit import compare
from bridge.cli.links_plan import plan
from bridge.cli.options import Config, Json, settings_for
from bridge.cli.terminal import json_text, safe_line
from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.errors import PermanentError
from bridge.links import operator
from bridge.links.field_view import field_views
from bridge.links.rule_jobs import run_of
from bridge.settings.preset import preset_names, preset_text
from bridge.storage import audit, conflict, link_rule, outbox
from bridge.storage import link as link_table
from bridge.storage.conflict import DISMISSED
from bridge.storage.database import Connection

app = typer.Typer(
    help="Tickets of two sources kept in step: plan, look, pause, retry, choose. "
    "Rules stand in the configuration, `[links.NAME]`; `run` carries them out, and the other commands steer it.",
    no_args_is_help=True,
)
RuleOption = Annotated[str | None, typer.Option("--rule", metavar="RULE", help="Only links of this rule.")]
LinkArgument = Annotated[
    str, typer.Argument(metavar="LINK", help="Number as `list` shows it, key, or id of either ticket.")
]
RuleArgument = Annotated[str, typer.Argument(metavar="RULE", help="Name of a rule, [links.NAME].")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]


app.command("plan", epilog=examples("links plan"))(plan)
app.command("audit", epilog=examples("links audit"))(compare)


@app.command("list", epilog=examples("links list"))
def list_(
    config: Config = None,
    rule: RuleOption = None,
    state: Annotated[
        str | None,
        typer.Option("--state", help=f"One of {', '.join(LinkState)}."),
    ] = None,
    behind: Annotated[bool, typer.Option("--behind", metavar="", help="Only where something waits.")] = False,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", metavar="", help="Only with a conflict that waits.")
    ] = False,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List links: both tickets, the state, and what waits."""

    async def found(connection: Connection) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        known = await link_rule.find(connection)
        rules = [{"name": row.name, "state": row.state, "reason": row.state_reason} for row in known]
        rows = await link_table.listed(
            connection, rule=rule, state=state, behind=behind, conflicts=conflicts, limit=limit
        )
        return rules, rows

    rules, rows = in_transaction(settings_for(config, quiet=True), found)
    if as_json:
        typer.echo(json_text({"rules": rules, "links": rows}))
        return
    for one in rules:
        reason = f" ({one['reason']})" if one["reason"] else ""
        typer.echo(f"rule {safe_line(one['name'])}: {one['state']}{safe_line(reason)}")
    if not rows:
        typer.echo("no links")
        return
    console = Console(highlight=False)
    console.print(links_output.table_of_links(rows, console.width))


@app.command(epilog=examples("links show"))
def show(link: LinkArgument, config: Config = None, rule: RuleOption = None, as_json: Json = False) -> None:
    """Show one link: what both tickets say beside what they said when they last agreed, its writes and conflicts."""
    settings = settings_for(config, quiet=True)

    async def found(connection: Connection) -> dict[str, Any]:
        row = await operator.link_named(connection, link, rule)
        [listed] = await link_table.listed(connection, after=row.id - 1, limit=1)
        fields: list[dict[str, Any]] = []
        own = settings.links.get(listed["rule"])
        run = None if own is None else await run_of(connection, listed["rule"], own, settings.sources)
        if run is not None:
            tickets = {side: one for (side, _), one in (await run.tickets_of(connection, [row])).items()}
            fields = [asdict(view) for view in field_views(run.rule, row.key, tickets, row.base)]
        kept = (await conflict.of_links(connection, [row.id])).get(row.id, [])
        return listed | {
            "fields": fields,
            "writes": await outbox.history(connection, row.id),
            "conflicts": [{name: getattr(one, name) for name in one.__struct_fields__} for one in kept],
        }

    shown = in_transaction(settings, found)
    if as_json:
        typer.echo(json_text(shown))
    else:
        links_output.print_link(shown)


@app.command(epilog=examples("links conflicts"))
def conflicts(
    config: Config = None,
    rule: RuleOption = None,
    settled: Annotated[bool, typer.Option("--settled", metavar="", help="Also those that are over.")] = False,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List the values that wait for a person; with --settled also those that lost."""

    async def found(connection: Connection) -> list[dict[str, Any]]:
        return await conflict.listed(connection, rule=rule, settled=settled, limit=limit)

    rows = in_transaction(settings_for(config, quiet=True), found)
    if as_json:
        typer.echo(json_text(rows))
    elif not rows:
        typer.echo("no conflict waits")
    else:
        Console(highlight=False).print(links_output.table_of_conflicts(rows))


@app.command(epilog=examples("links resolve"))
def resolve(
    link: LinkArgument,
    field: Annotated[str, typer.Argument(metavar="FIELD", help="Field as `conflicts` shows it.")],
    choice: Annotated[str, typer.Argument(metavar="left|right|dismiss", help="Whose value stands, or neither.")],
    config: Config = None,
    rule: RuleOption = None,
) -> None:
    """Choose whose value stands; the other one is kept in the conflict, and what follows is written within seconds."""
    choices: dict[str, Side | str] = {"left": Side.LEFT, "right": Side.RIGHT, "dismiss": DISMISSED}
    if choice not in choices:
        raise typer.BadParameter("should be left, right or dismiss", param_hint="left|right|dismiss")

    async def chosen(connection: Connection) -> None:
        row = await operator.link_named(connection, link, rule)
        await operator.resolve(connection, row, field, choices[choice], by=who())
        await audit.record(connection, entry("links.resolve", f"link {row.id} {field}", after={"choice": choice}))

    in_transaction(settings_for(config, quiet=True), chosen)
    typer.echo(f"{safe_line(link)} {safe_line(field)}: {choice}")


@app.command(epilog=examples("links pause"))
def pause(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Name of a rule.")] = None,
    config: Config = None,
    every: Annotated[bool, typer.Option("--all", metavar="", help="Every rule.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, for others to read.")] = "",
) -> None:
    """Stop a rule before its next request. What is under way is settled, not cut."""

    async def paused(connection: Connection) -> list[str]:
        names = [row.name for row in await link_rule.find(connection)] if every else [rule or ""]
        done = [name for name in names if await operator.pause(connection, name, by=who(), reason=reason)]
        for name in done:
            await audit.record(connection, entry("links.pause", name, reason=reason))
        return done

    if (rule is None) is not every:
        raise typer.BadParameter("name a rule, or give --all", param_hint="RULE")
    _say(in_transaction(settings_for(config, quiet=True), paused), "paused", "it does not run")


@app.command(epilog=examples("links resume"))
def resume(rule: RuleArgument, config: Config = None) -> None:
    """Let a paused rule go on."""

    async def resumed(connection: Connection) -> list[str]:
        return await _done(connection, "links.resume", rule) if await operator.resume(connection, rule) else []

    _say(in_transaction(settings_for(config, quiet=True), resumed), "goes on", "it is not paused")


@app.command(epilog=examples("links release"))
def release(rule: RuleArgument, config: Config = None) -> None:
    """Let a rule go on that was held because it would have made or changed too much at once."""

    async def released(connection: Connection) -> list[str]:
        return await _done(connection, "links.release", rule) if await operator.release(connection, rule) else []

    _say(in_transaction(settings_for(config, quiet=True), released), "goes on", "it is not held")


@app.command(epilog=examples("links retry"))
def retry(
    links: Annotated[list[str] | None, typer.Argument(metavar="[LINK]...", help="Links as `list` shows them.")] = None,
    config: Config = None,
    rule: RuleOption = None,
    error: Annotated[str, typer.Option("--error", help="With --rule: only what has this in its error.")] = "",
    state: Annotated[
        Literal["blocked"], typer.Option("--state", help="What is tried again; there is nothing but blocked.")
    ] = "blocked",
) -> None:
    """Try again what is blocked."""
    del state  # it says what is done anyhow
    if not links and rule is None:
        raise typer.BadParameter("name links, or give --rule", param_hint="LINK")

    async def tried(connection: Connection) -> int:
        if not links:
            number = await operator.retry_rule(connection, rule or "", error=error)
            after = {"links": number} | ({"error": error} if error else {})
            await audit.record(connection, entry("links.retry", rule or "", after=after))
            return number
        rows = [await operator.link_named(connection, one, rule) for one in links]
        done = [row.id for row in rows if await operator.retry(connection, row)]
        for number in done:
            await audit.record(connection, entry("links.retry", f"link {number}"))
        return len(done)

    typer.echo(f"{in_transaction(settings_for(config, quiet=True), tried)} tried again")


@app.command(epilog=examples("links ignore"))
def ignore(
    link: LinkArgument,
    config: Config = None,
    rule: RuleOption = None,
    unsettled: Annotated[
        bool, typer.Option("--unsettled", metavar="", help="End a write that was sent and cannot be settled.")
    ] = False,
) -> None:
    """Leave a ticket without a counterpart: what is blocked or waits for it is dropped.

    With --unsettled only the write is ended of which nobody will know whether it was done; what it said becomes a
    conflict, and the tickets stay linked.
    """
    if not unsettled:
        _separate(config, link, rule, "ignored")
        return

    async def given_up(connection: Connection) -> int:
        row = await operator.link_named(connection, link, rule)
        await operator.give_up(connection, row, by=who())
        await audit.record(connection, entry("links.ignore", f"link {row.id}", after={"unsettled": True}))
        return row.id

    typer.echo(f"link {in_transaction(settings_for(config, quiet=True), given_up)}: its write is given up")


@app.command(epilog=examples("links unlink"))
def unlink(link: LinkArgument, config: Config = None, rule: RuleOption = None) -> None:
    """Separate two tickets. Both stay as they are, and are not joined again until `links link`."""
    _separate(config, link, rule, "separated")


def _separate(config: Any, link: str, rule: str | None, why: str) -> None:
    async def separated(connection: Connection) -> int:
        row = await operator.link_named(connection, link, rule)
        await operator.separate(connection, row, by=who(), why=why)
        action = "links.ignore" if why == "ignored" else "links.unlink"
        await audit.record(connection, entry(action, f"link {row.id}"))
        return row.id

    typer.echo(f"link {in_transaction(settings_for(config, quiet=True), separated)}: {why}")


@app.command("link", epilog=examples("links link"))
def join(
    rule: RuleArgument,
    left: Annotated[str, typer.Argument(metavar="LEFT", help="Id of the ticket on the left.")],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="Id of the ticket on the right.")],
    config: Config = None,
) -> None:
    """Join two tickets that belong together; they are compared within seconds, as at a first comparison."""

    async def joined(connection: Connection) -> int:
        number = await operator.join(connection, rule, left, right)
        after = {"rule": rule, "left": left, "right": right}
        await audit.record(connection, entry("links.link", f"link {number}", after=after))
        return number

    typer.echo(f"link {in_transaction(settings_for(config, quiet=True), joined)}: joined")


@app.command(epilog=examples("links preset"))
def preset(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Name of a preset.")] = None,
    config: Config = None,  # noqa: ARG001 -- every command takes it; presets do not depend on it
) -> None:
    """Print a preset as TOML, or list those there are."""
    if name is None:
        for each in preset_names():
            typer.echo(f"{each}: {preset_text(each).splitlines()[0].removeprefix('# ')}")
        return
    if name not in preset_names():
        raise PermanentError(f"no preset {name!r} (there are: {', '.join(preset_names())})")
    typer.echo(preset_text(name), nl=False)


async def _done(connection: Connection, action: str, rule: str) -> list[str]:
    await audit.record(connection, entry(action, rule))
    return [rule]


def _say(names: list[str], done: str, otherwise: str) -> None:
    for name in names:
        typer.echo(f"{safe_line(name)}: {done}")
    if not names:
        raise PermanentError(f"nothing to do: {otherwise}; see `tmf656-bridge links list`")
