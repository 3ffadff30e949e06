"""`links plan`: what rules would do now."""

from pathlib import Path
from typing import Annotated, Final

import typer

from bridge.cli import links_output
from bridge.cli.in_transaction import in_transaction
from bridge.cli.options import Config, Json, settings_for
from bridge.cli.terminal import json_text
from bridge.domain.link.word_map import Side
from bridge.errors import PermanentError
from bridge.links.plan import RulePlan, plan_rule
from bridge.links.rule_jobs import run_of
from bridge.links.take_over import find_left_behind
from bridge.schedule import now
from bridge.settings import Settings
from bridge.storage import link_rule
from bridge.storage.database import Connection

SOMETHING_TO_DO: Final = 3
"""Exit status where there is anything to do."""


def plan(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Name of a rule; without it all.")] = None,
    config: Config = None,
    as_json: Json = False,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write the plan there, as JSON, too.")
    ] = None,
) -> None:
    """Show what rules would match, create and write now, and why. Nothing is written or sent.

    Also a comparison of two sources that are only read: `mode = "plan"`. Exit status 3 when there is anything to do.
    """
    settings = settings_for(config, quiet=True)
    names = [rule] if rule is not None else list(settings.links)
    if rule is not None and rule not in settings.links:
        known = ", ".join(sorted(settings.links)) or "none configured"
        raise PermanentError(f"no rule {rule!r} in the configuration (there are: {known})")

    async def planned(connection: Connection) -> list[RulePlan]:
        return [await _plan(connection, settings, name) for name in names]

    plans = in_transaction(settings, planned)
    text = json_text([each.as_json() for each in plans]) if as_json or write is not None else ""
    if write is not None:
        try:
            write.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise PermanentError(f"the plan cannot be written to {write}: {error.strerror or error}") from error
    if as_json:
        typer.echo(text)
    else:
        for each in plans:
            links_output.print_plan(each)
        if not plans:
            typer.echo("no rule configured: write [links.NAME]; `tmf656-bridge links preset` shows where to begin")
    if any(each.steps for each in plans):
        raise typer.Exit(SOMETHING_TO_DO)


async def _plan(connection: Connection, settings: Settings, name: str) -> RulePlan:
    run = await run_of(connection, name, settings.links[name], settings.sources)
    if run is None:
        raise PermanentError(f"links.{name}: its sources have not been read yet; start `tmf656-bridge run` first")
    known = await link_rule.find(connection, name)
    sources = [run.source_ids[side] for side in Side]
    run.rule_id = next((row.id for row in known if [row.left_source_id, row.right_source_id] == sources), 0)
    await find_left_behind(connection, run, settings.links)
    return await plan_rule(run, connection, now())
