"""The command line: what every command has in common, the schema commands, and `sync`."""

import inspect
import re
import shlex
from typing import Any

import asyncpg
import pytest
import typer

from bridge import is_compiled
from bridge.cli import app, main
from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

COMMANDS = {
    "run": ["--config", "--unsubscribe"],
    "demo": ["--config", "--rate", "--for", "--version"],
    "simulate": ["--config", "--port", "--version", "--rate", "--lose", "--duplicate", "--forget-after", "--no-hub"],
    "migrate": ["--config", "--check"],
    "init": ["--config", "--name", "--url", "--token-file", "--dsn-file", "--public-url", "--no-check"],
    "report": ["NAME", "--config", "--set", "--csv", "--sql"],
    "files": ["DIR", "--force"],
    "callback": ["SOURCE", "--config", "--json"],
    "forget": ["SOURCE", "--config", "--yes"],
    "check": ["--config", "--json", "--push", "--wait"],
    "config": ["--config", "--set", "--json"],
    "sync": ["SOURCE", "--config", "--full"],
    "status": ["--config", "--json"],
    "dead-letters list": ["--config", "--source", "--json"],
    "dead-letters show": ["--config", "NUMBER"],
    "dead-letters replay": ["--config", "NUMBER", "--all"],
    "dead-letters discard": ["--config", "NUMBER", "--all"],
    "psql": ["--config"],
    "rotate-secret": ["SOURCE", "--config"],
}


async def column(dsn: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


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


def test_every_command_is_listed_here() -> None:
    top = typer.main.get_command(app)
    for_people = {name for name, command in top.commands.items() if not command.hidden}  # type: ignore[attr-defined]
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


async def test_all_faults_of_the_configuration_are_listed_at_once_with_status_2(
    call: Any, configured: Any, tmp_path: Any
) -> None:
    config = configured(
        sources={"snow": {"url": "ftp://x", "poll_interval_seconds": 0, "colour": "red", "ca_file": "/nowhere.pem"}}
    )
    answer = await call("run", "--config", config, env={"BRIDGE_HTTP__PORT": "many"})
    assert answer.status == 2
    for key in (
        "sources.snow.url",
        "sources.snow.poll_interval_seconds",
        "sources.snow.colour",
        "sources.snow.ca_file",
        "http.port",
    ):
        assert key in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "data").exists(), "nothing was started"


async def test_a_fault_found_only_when_the_client_is_made_is_a_fault_of_the_configuration_too(
    dsn: str, call: Any, configured: Any, tmp_path: Any
) -> None:
    broken = tmp_path / "authorities.pem"
    broken.write_text("no certificate")
    config = configured(dsn=dsn, sources={"snow": {"url": "https://127.0.0.1:9/v4", "ca_file": str(broken)}})
    answer = await call("run", "--config", config)
    assert answer.status == 2
    assert "sources.snow.ca_file" in answer.err
    assert "Traceback" not in answer.err


async def test_migrate_makes_the_schema_once_and_check_says_whether_it_is_current(
    empty_dsn: str, call: Any, configured: Any
) -> None:
    config = configured(dsn=empty_dsn)
    before = await call("migrate", "--check", "--config", config)
    assert before.status == 1
    assert "tmf656-bridge migrate" in before.err
    assert await column(empty_dsn, "select to_regnamespace('bridge')") == [None], "checking changes nothing"
    first = await call("migrate", "--config", config)
    assert (first.status, first.out.splitlines()[0]) == (0, "applied 0001_core")
    again = await call("migrate", "--config", config)
    assert (again.status, again.out.strip()) == (0, "the schema is current, nothing to do")
    after = await call("migrate", "--check", "--config", config)
    assert (after.status, after.out.strip()) == (0, "the schema is current")


async def test_sync_polls_and_sync_full_reconciles_with_progress(dsn: str, call: Any, configured: Any) -> None:
    async with Simulator(population=30) as sim:
        config = configured(dsn=dsn, sources={"snow": {"url": sim.url, "page_size": 10}})
        full = await call("sync", "snow", "--full", "--config", config)
        assert full.status == 0, full.err
        assert "30 new" in full.out
        assert "reconciling snow" in full.err
        assert "30/30" in full.err
        changed = next(iter(sim.problems))
        await sim.patch(changed, description="darker than before")
        polled = await call("sync", "snow", "--config", config)
        assert polled.status == 0, polled.err
        assert "1 changed" in polled.out
        assert await column(dsn, "select id from report.service_problem where description = 'darker than before'") == [
            changed
        ]


async def test_sync_of_an_unknown_source_names_the_known_ones(dsn: str, call: Any, configured: Any) -> None:
    config = configured(dsn=dsn, sources={"snow": {"url": "http://127.0.0.1:9/v4"}})
    answer = await call("sync", "rain", "--config", config)
    assert answer.status == 1
    assert "no source 'rain'" in answer.err
    assert "snow" in answer.err


async def test_sync_of_a_source_that_is_down_is_status_1_in_words(
    dsn: str, call: Any, configured: Any, held_port: Any
) -> None:
    config = configured(dsn=dsn, sources={"snow": {"url": f"http://127.0.0.1:{held_port.getsockname()[1]}/v4"}})
    answer = await call("sync", "snow", "--config", config)
    assert answer.status == 1
    assert "error: source snow" in answer.err
    assert "Traceback" not in answer.err


def test_every_command_has_a_docstring_that_help_shows() -> None:
    top = typer.main.get_command(app)
    assert [name for name, one in top.commands.items() if not inspect.getdoc(one.callback) and not one.help] == []  # type: ignore[attr-defined]
