"""The examples at the end of each `--help` can be typed as they stand."""

import re
import shlex
from typing import Any

import pytest
import typer

from bridge.cli import app, main
from bridge.cli.examples import _EXAMPLES

COMMANDS = sorted(_EXAMPLES)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_examples_that_are_right(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is read as if typed, up to the point where it would be carried out."""
    monkeypatch.setenv("COLUMNS", "300")
    assert main([*command.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    lines = re.findall(r"• .+: tmf656-bridge (.+?) *$", shown.partition("Examples")[2], re.MULTILINE)
    assert 1 <= len(lines) <= 4
    for line in lines:
        assert f"{line} ".startswith(f"{command} ")
        here: Any = typer.main.get_command(app)
        words = shlex.split(line)
        for word in command.split():
            here = here.commands[word]
        here.make_context(command, words[len(command.split()) :])
