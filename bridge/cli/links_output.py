"""Plans, links and conflicts as people read them, made to fit into 80 columns."""

from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.terminal import safe_line
from bridge.links.audit import AuditResult
from bridge.links.plan import PlanStep, RulePlan
from bridge.sources.remark import counted, span

_LONGEST = 60
_LONGEST_TICKET = 22
_WIDE = 100
"""Columns from which on there is room for titles."""
_HEADINGS = {
    "match": "would be matched",
    "create": "would be created",
    "write": "would be written",
    "ambiguous": "match several tickets: join the right ones with `links link`",
    "conflict": "would wait for a person",
}


def print_plan(plan: RulePlan) -> None:
    """Print what a rule would do, by kind, and what its maps do not carry over."""
    counts = plan.counts()
    parts = [f"{plan.linked} linked"]
    parts += [f"{counts[kind]} to {kind}" for kind in ("match", "create", "write") if kind in counts]
    parts += [f"{counts[kind]} {kind}" for kind in ("ambiguous", "conflict") if kind in counts]
    typer.echo(f"rule {safe_line(plan.rule)}: {', '.join(parts)}, {plan.unlinked} left alone")
    order = list(_HEADINGS)
    for kind, steps in groupby(sorted(plan.steps, key=lambda step: order.index(step.action)), lambda step: step.action):
        typer.echo(f"\n{_HEADINGS[kind]}:")
        for step in steps:
            typer.echo(f"  {_line(step)}")
    if plan.unmapped:
        typer.echo("\nno row of a map says what to write for:")
        for (name, side, word), tickets in sorted(plan.unmapped.items()):
            typer.echo(f"  {safe_line(name)}, {side} {_short(word)!r}: {tickets} tickets")
    if plan.lumped:
        typer.echo("\nthe same to the other side, so moves between them stay where they are:")
        for name, side, words in plan.lumped:
            typer.echo(f"  {safe_line(name)}, {side}: {safe_line(', '.join(words))}")
    typer.echo("")


def _line(step: PlanStep) -> str:
    tickets = f"{safe_line(step.left or '-')} ↔ {safe_line(step.right or '-')}"
    before, text, why = repr(_short(step.before)), repr(_short(step.text)), _short(step.why)
    if step.action == "write":
        return f"{tickets}  {step.side} {safe_line(step.field)}: {before} → {text} ({why})"
    if step.action == "create":
        return f"{tickets}  {step.side}: {_short(step.text)}"
    if step.action == "conflict":
        return f"{tickets}  {safe_line(step.field)}: {before} / {text} ({why})"
    return f"{tickets}  {why}"


def _without_answer(sent_at: datetime) -> str:
    return f"no answer for {span((datetime.now(UTC) - sent_at).total_seconds())}"


def _short(text: str | None) -> str:
    shown = safe_line(text or "")
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def print_audit(result: AuditResult) -> None:
    """Print what an audit of a rule found: drift one a line, what is known as counts by reason."""
    drift = result.drift
    found = f"{len(drift)} fields differ without a known reason" if drift else "nothing differs without a known reason"
    typer.echo(f"rule {safe_line(result.rule)}: {result.links} links compared, {found}")
    for one in drift:
        tickets = f"{safe_line(one.left_id)} ↔ {safe_line(one.right_id)}"
        values = f"{safe_line(one.field)} {_short(one.left)!r} / {_short(one.right)!r}" if one.field else "ticket"
        typer.echo(f"  link {one.link}, {tickets}: {values}: {_short(one.why)}")
    reasons = Counter(one.reason for one in result.differences if one.reason)
    for reason, times in reasons.most_common():
        typer.echo(f"  known: {times} times {_short(reason)}")
    if drift:
        typer.echo("what the bridge had not seen is read again by the running bridge; look again in a minute")


def table_of_links(rows: list[dict[str, Any]], width: int = 80) -> Table:
    """A link a line: each ticket by its number, else by its id, which is cut so that the status is always seen; its
    title where there is room.
    """
    titled = width >= _WIDE
    table = _table("link", "state")
    for side in ("left", "right"):
        table.add_column(side, overflow="ellipsis", no_wrap=True, max_width=_LONGEST_TICKET)
    if titled:
        table.add_column("title", overflow="ellipsis", no_wrap=True, max_width=width - _WIDE + _LONGEST_TICKET)
    table.add_column("waits", overflow="fold")
    for row in rows:
        facts = [counted(row["open_writes"], "write")] if row["open_writes"] else []
        facts += [counted(row["waiting_conflicts"], "conflict")] if row["waiting_conflicts"] else []
        facts += [f"since {row['behind_since']:%m-%d %H:%M}"] if row["behind_since"] else []
        facts += [_short(row["last_error"])] if row["last_error"] else []
        table.add_row(
            str(row["link_id"]),
            row["state"],
            Text(_called(row, "left")),
            Text(_called(row, "right")),
            *([Text(safe_line(row["left_name"] or row["right_name"] or ""))] if titled else []),
            Text(", ".join(facts)),
        )
    return table


def table_of_conflicts(rows: list[dict[str, Any]]) -> Table:
    """A conflict a line."""
    table = _table("link", "field", "kind", "outcome")
    table.add_column("left / right", overflow="fold")
    for row in rows:
        table.add_row(
            str(row["link_id"]),
            Text(safe_line(row["field"] or "-")),
            row["kind"],
            row["outcome"],
            Text(f"{_short(row['left_value'])!r} / {_short(row['right_value'])!r}"),
        )
    return table


def print_link(link: dict[str, Any]) -> None:
    """Print one link with all that belongs to it."""
    typer.echo(f"link {link['link_id']} of rule {safe_line(link['rule'])}: {link['state']}, key {link['key']}")
    for side in ("left", "right"):
        ticket, number = _ticket(link[f"{side}_id"], link[f"{side}_status"]), link[f"{side}_number"]
        typer.echo(
            f"{side:>6}: {safe_line(link[f'{side}_source'])} {ticket}{safe_line(f' {number}') if number else ''}"
        )
    if link["last_error"]:
        typer.echo(f"        {safe_line(link['last_error'])}")
    if link["fields"]:
        typer.echo("")
        Console(highlight=False).print(_table_of_fields(link["fields"]))
    for write in link["writes"]:
        changes = ", ".join(f"{name} → {_short(str(change.get('to')))!r}" for name, change in write["fields"].items())
        age = _without_answer(write["sent_at"]) if write["state"] == "sending" else ""
        facts = [write["kind"], write["outcome"] or write["state"], age, safe_line(changes), _short(write["error"])]
        at = write["ended_at"] or write["created_at"]
        typer.echo(f"{at:%m-%d %H:%M:%S} {safe_line(write['target'])}: {', '.join(filter(None, facts))}")
    for kept in link["conflicts"]:
        values = f"{_short(kept['left_value'])!r} / {_short(kept['right_value'])!r}"
        facts = [kept["kind"], kept["outcome"], values]
        typer.echo(f"{kept['opened_at']:%m-%d %H:%M:%S} {safe_line(kept['field'] or 'link')}: {', '.join(facts)}")


def _table_of_fields(fields: list[dict[str, Any]]) -> Table:
    table = _table("field")
    for heading in ("left", "right", "last agreed"):
        table.add_column(heading, overflow="fold")
    for one in fields:
        shown = {name: repr(_short(one[name])) for name in ("left", "right", "left_base", "right_base")}
        base = "-" if one["left_base"] is None else f"{shown['left_base']} / {shown['right_base']}"
        table.add_row(Text(safe_line(one["field"])), Text(shown["left"]), Text(shown["right"]), Text(base))
    return table


def _called(row: dict[str, Any], side: str) -> str:
    """A ticket as people call it, in few characters, and its status."""
    ticket_id, status = row[f"{side}_id"], row[f"{side}_status"] or ""
    number = row[f"{side}_number"]
    if number is None and ticket_id is not None:
        room = _LONGEST_TICKET - len(status) - 1
        number = ticket_id if len(ticket_id) <= room else f"{ticket_id[: room - 1]}…"
    return _ticket(number, status)


def _ticket(ticket_id: str | None, status: str | None) -> str:
    if ticket_id is None:
        return "-"
    return safe_line(f"{ticket_id} {status}" if status else ticket_id)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table
