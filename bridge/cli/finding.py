"""What `check` finds, and the table of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from bridge.cli.terminal import safe, safe_line
from bridge.errors import BridgeError


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table. `works`: True, False, or None for something that is not needed or not offered."""

    subject: str
    aspect: str
    works: bool | None
    found: str
    remedy: str = ""


async def tried(subject: str, aspect: str, attempt: Callable[[], Awaitable[str]], remedy: str = "") -> Finding:
    """What an attempt says, or why it failed."""
    try:
        return Finding(subject, aspect, True, await attempt())
    except BridgeError as error:
        return Finding(subject, aspect, False, str(error), remedy)


def table_of(findings: list[Finding]) -> Table:
    """A line a finding, what is to be done below it; made to fit into 80 columns."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    before = None
    for finding in findings:
        sign = {True: "[green]works[/]", False: "[red]fails[/]", None: "[yellow]-[/]"}[finding.works]
        subject = finding.subject if finding.subject != before else ""
        found = Text(safe(finding.found))
        if finding.remedy:
            found.append(f"\n→ {safe(finding.remedy)}", style="bold")
        table.add_row(Text(safe_line(subject)), finding.aspect, sign, found)
        before = finding.subject
    return table
