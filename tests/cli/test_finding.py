"""Findings: what an attempt says or why it failed, and a table that fits a terminal of 80 columns."""

import io

import pytest
from rich.console import Console

from bridge.cli.finding import Finding, table_of, tried
from bridge.errors import TransientError

pytestmark = pytest.mark.anyio


async def test_an_attempt_is_what_it_says_or_why_it_failed() -> None:
    async def works() -> str:
        return "3 problems"

    async def fails() -> str:
        raise TransientError("no answer")

    assert await tried("snow", "list", works, "try again") == Finding("snow", "list", True, "3 problems")
    assert await tried("snow", "list", fails, "try again") == Finding("snow", "list", False, "no answer", "try again")


async def test_a_defect_is_no_finding() -> None:
    async def broken() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await tried("snow", "list", broken)


def test_the_table_names_a_subject_once_and_puts_the_remedy_below() -> None:
    shown = io.StringIO()
    findings = [
        Finding("snow", "reach", True, "answers [red]in[/] 3 ms"),
        Finding("snow", "list", False, "no\x1b right " * 12, "ask for it"),
        Finding("rain", "hub", None, "not wanted"),
    ]
    Console(file=shown, width=80).print(table_of(findings))
    text = shown.getvalue()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert (text.count("snow"), text.count("works"), text.count("fails")) == (1, 1, 1)
    assert "[red]in[/]" in text
    assert "\x1b" not in text
    assert text.index("no\\x1b right") < text.index("→ ask for it") < text.index("rain")
