"""The commands by name: what each has in common with all others."""

import inspect
import re
from typing import Any

import pytest
import typer

from bridge import is_compiled
from bridge.cli import app, main

COMMANDS = {
    "run": ["--config", "--unsubscribe"],
    "demo": ["--config", "--rate", "--for", "--version", "--links"],
    "simulate": ["--config", "--port", "--version", "--rate", "--lose", "--duplicate", "--forget-after", "--no-hub"],
    "migrate": ["--config", "--check"],
    "init": ["--config", "--name", "--url", "--token-file", "--dsn-file", "--public-url", "--no-check"],
    "report": ["NAME", "--config", "--set", "--csv", "--sql"],
    "files": ["DIR", "--config", "--force"],
    "callback": ["SOURCE", "--config", "--json"],
    "forget": ["SOURCE", "--config", "--yes"],
    "check": ["--config", "--json", "--push", "--wait", "--write"],
    "config": ["--config", "--set", "--json"],
    "sync": ["SOURCE", "--config", "--full"],
    "status": ["--config", "--json"],
    "dead-letters list": ["--config", "--source", "--json"],
    "dead-letters show": ["--config", "NUMBER"],
    "dead-letters replay": ["--config", "NUMBER", "--all"],
    "dead-letters discard": ["--config", "NUMBER", "--all"],
    "psql": ["--config"],
    "rotate-secret": ["SOURCE", "--config"],
    "links plan": ["RULE", "--config", "--json"],
    "links audit": ["RULE", "--config", "--rate", "--resume", "--json"],
    "links list": ["--config", "--rule", "--state", "--behind", "--conflicts", "--json"],
    "links show": ["LINK", "--config", "--rule", "--json"],
    "links conflicts": ["--config", "--rule", "--settled", "--json"],
    "links resolve": ["LINK", "FIELD", "--config"],
    "links pause": ["RULE", "--all", "--reason", "--config"],
    "links resume": ["RULE", "--config"],
    "links release": ["RULE", "--config"],
    "links retry": ["LINK", "--rule", "--error", "--config"],
    "links ignore": ["LINK", "--config"],
    "links unlink": ["LINK", "--config"],
    "links link": ["RULE", "LEFT", "RIGHT", "--config"],
    "links preset": ["NAME", "--config"],
    "user add": ["NAME", "--config", "--role", "--password-file"],
    "user password": ["NAME", "--config", "--password-file"],
    "user role": ["NAME", "ROLE", "--config"],
    "user remove": ["NAME", "--config"],
    "user list": ["--config", "--json"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_option_and_says_what_each_is_for(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main([*command.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS[command] if name not in shown] == []
    mute = [line for line in shown.splitlines() if re.match(r"^│ (\*|--\S+|-\w)[^│]*(<\w+>|[A-Z]+)\s*│$", line)]
    assert mute == [], "an option without help"


def test_every_command_is_listed_here() -> None:
    top = typer.main.get_command(app)
    for_people = {name for name, command in top.commands.items() if not command.hidden}
    assert {name.split()[0] for name in COMMANDS} == for_people


def test_version_needs_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    form = "compiled" if is_compiled() else "pure Python"
    assert re.fullmatch(rf"tmf656-bridge \d+\.\d+\S* \({form}\)\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nonsense"], "nonsense"),
        (["run", "--nonsense"], "--nonsense"),
        (["sync"], "SOURCE"),
        (["demo", "--rate", "fast"], "--rate"),
        (["demo", "--version", "9"], "9"),
        (["simulate", "--lose", "2"], "--lose"),
        ([], "Usage"),
    ],
    ids=str,
)
def test_wrong_usage_is_status_2_and_named(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert named in said.err + said.out
    assert list(tmp_path.iterdir()) == []


def test_every_command_has_a_docstring_that_help_shows() -> None:
    top = typer.main.get_command(app)
    assert [name for name, one in top.commands.items() if not inspect.getdoc(one.callback) and not one.help] == []
