"""What the pages tell a reader to type is what the program takes: commands with their options, and configuration."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from bridge.cli import app
from bridge.errors import ConfigurationError
from bridge.settings.read import assemble

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    path for pattern in ("*.md", "docs/*.md", "deploy/**/*.md", "sql/**/*.md") for path in ROOT.glob(pattern)
)
TOP: Any = typer.main.get_command(app)
PROGRAM = "tmf656-bridge"
GRANTED = re.compile(r"is missing;|trusted_proxies|is no source")
"""Faults of a piece of a configuration that its surroundings would mend."""


def commands_in(page: str) -> Iterator[str]:
    """The commands that a page shows: lines of blocks, and spans of code that begin with the program or a command."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^```\w*\n.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    for line in [*"\n".join(blocks).splitlines(), *spans]:
        for found in re.finditer(rf"(?:^|/bin/|-- |=\S+ ){PROGRAM} +(.+)", line):
            yield found[1]
    for span in spans:
        first, _, rest = span.partition(" ")
        if first in TOP.commands and re.match(r"-|[a-z-]+( |$)", rest):
            yield span


def faults_of(line: str) -> Iterator[str]:
    """What the program would not take of a command; alternatives are written `add|remove`."""
    words = re.split(r" [#;|>&(]| {2}", line)[0].split()
    here, read = TOP, 0
    for word in words:
        if not isinstance(here, click.Group) and not hasattr(here, "commands"):
            break
        if word.startswith("-"):
            break
        alternatives = [each for each in word.strip(".,)").split("|") if each]
        unknown = [each for each in alternatives if each not in here.commands]
        yield from (f"no command {each}" for each in unknown)
        if unknown:
            return
        here, read = here.commands[alternatives[0]], read + 1
    if here.name == "psql":
        return  # options of another program
    known = {option for parameter in here.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words[read:]:
        option = re.match(r"--?[a-z][a-z-]*", word.strip("[]"))
        if option is not None and option[0] not in known | {"--help", "-h"}:
            yield f"{here.name} has no {option[0]}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_page_is_one_of_the_program(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert [f"{line}: {fault}" for line in commands_in(page) for fault in faults_of(line)] == []


def test_a_command_that_is_none_would_be_found() -> None:
    page = "`tmf656-bridge unmapped`, then `sync snow --all`\n```\nx=1 tmf656-bridge user add|drop  # both\n```"
    faults = [fault for line in commands_in(page) for fault in faults_of(line)]
    assert faults == ["no command drop", "no command unmapped", "sync has no --all"]


def faults_in(read: dict[str, Any], directory: Path) -> list[str]:
    """What is wrong with a configuration."""
    try:
        assemble(read, {}, directory)
    except ConfigurationError as error:
        return error.faults
    return []


@pytest.mark.parametrize("path", [path for path in PAGES if "```toml" in path.read_text()], ids=lambda path: path.name)
def test_every_configuration_of_a_page_is_taken(path: Path, tmp_path: Path) -> None:
    """Files of secrets are there; what a piece of a configuration takes for granted may be missing."""
    secret = tmp_path / "secret"
    secret.write_text("a-secret-of-some-length")
    for block in re.findall(r"```toml\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL):
        read = tomllib.loads(re.sub(r'"/run/secrets/[^"]+"', f'"{secret}"', block))
        assert [fault for fault in faults_in(read, tmp_path) if not GRANTED.search(fault)] == []
