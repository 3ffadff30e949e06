"""Nothing that a terminal obeys comes through."""

import sys
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cli.terminal import safe, safe_line
from tests.program.conftest import environment

TEXT = "→ déjà vu 💥"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\x08c\x7f", "a\\rb\\x08c\\x7f"),
        ("pay\u202eslip", "pay\\u202eslip"),
        ("a\u200bb\u2066c\ufeff", "a\\u200bb\\u2066c\\ufeff"),
        ("\ud800", "\\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("déjà vu · 你好", "déjà vu · 你好"),
    ],
)
def test_e2_escape_sequences_and_hidden_marks_become_visible(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert safe_line(text) == shown


def test_line_breaks_stay_in_a_text_and_not_in_a_line() -> None:
    assert safe("a\tb\nc") == "a\tb\nc"
    assert safe_line("a\tb\nc") == "a\\tb\\nc"


@given(text=st.text())
def test_whatever_comes_is_one_line_that_can_be_encoded(text: str) -> None:
    line = safe_line(text)
    assert len(line.splitlines()) <= 1
    assert "\x1b" not in line
    line.encode()


@pytest.mark.anyio
async def test_f13_a_locale_that_lacks_a_character_shows_its_escape_and_json_stays_what_it_says(
    dsn: str, configured: Any
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "insert into bridge.source (name, last_error, last_error_at) values ('w', $1, now())", TEXT
    )
    await connection.close()
    config = str(configured(dsn=dsn))

    async def shown(*arguments: str) -> str:
        command = [sys.executable, "-m", "bridge", *arguments]
        ended = await anyio.run_process(command, env=environment(PYTHONIOENCODING="latin-1"), check=False)
        assert ended.stderr == b""
        return ended.stdout.decode("latin-1")

    text = await shown("status", "--json", "--config", config)
    assert "\\u2192 déjà vu \\ud83d\\udca5" in text
    assert orjson.loads(text)["sources"][0]["last_error"] == TEXT
    assert "\\u2192 add a table [sources.NAME]" in await shown("check", "--config", config)
    assert "Options" in await shown("check", "--help")


@pytest.mark.anyio
async def test_f13_a_directory_for_metrics_of_another_program_is_not_used(
    call: Any, configured: Any, tmp_path: Any
) -> None:
    answer = await call("config", "--config", configured(), env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "none")})
    assert (answer.status, answer.err) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.anyio
async def test_f13_a_standard_stream_that_was_closed_before_the_start_ends_nothing(
    dsn: str, configured: Any, closed: str
) -> None:
    command = [sys.executable, "-m", "bridge", "status", "--config", str(configured(dsn=dsn))]
    ended = await anyio.run_process(["sh", "-c", f'exec "$@" {closed}', "sh", *command], env=environment(), check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [("status",), ("report", "backlog"), ("report", "backlog", "--csv"), ("--help",)])
@pytest.mark.anyio
async def test_f13_an_output_that_cannot_be_written_is_an_error_in_one_line(
    dsn: str, configured: Any, arguments: tuple[str, ...]
) -> None:
    config = ("--config", str(configured(dsn=dsn))) if arguments != ("--help",) else ()
    command = [sys.executable, "-m", "bridge", *arguments, *config]
    with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230 -- a device
        ended = await anyio.run_process(command, stdout=full, env=environment(), check=False)
    assert ended.returncode == 1
    assert ended.stderr.decode().splitlines() == [
        "error: the output cannot be written (No space left on device): is the disk full, or the other side gone?"
    ]
