"""`init`: a first configuration, of options or answers."""

import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge.simulator import Simulator
from tests.program.conftest import environment
from tests.terminal import on_terminal

pytestmark = pytest.mark.anyio

URL = "https://snow.example/tmf-api/serviceProblemManagement/v4"


async def test_options_alone_write_a_file_that_works(dsn: str, call: Any, tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(dsn)
    async with Simulator(population=1) as sim:
        answer = await call(
            *("init", "--url", sim.url, "--name", "noc", "--dsn-file", "dsn", "--public-url", "http://us:1"),
            env={"BRIDGE_HTTP__PORT": "0"},  # something may run on the default port of this machine
        )
        assert answer.status == 0, answer.err + answer.out
    written = tomllib.loads((tmp_path / "bridge.toml").read_text())
    assert written == {
        "database": {"dsn_file": "dsn"},
        "http": {"public_url": "http://us:1"},
        "sources": {"noc": {"url": sim.url}},
    }
    assert stat.S_IMODE((tmp_path / "bridge.toml").stat().st_mode) == 0o600
    assert "get by id" in answer.out, "it was tried"
    assert "next: tmf656-bridge run" in answer.out


async def test_what_does_not_work_is_said_and_the_file_kept(call: Any, tmp_path: Path, held_port: Any) -> None:
    down = f"http://127.0.0.1:{held_port.getsockname()[1]}/v4"
    dsn = f"postgresql://u@127.0.0.1:{held_port.getsockname()[1]}/d"
    answer = await call("init", "--config", "mine.toml", "--url", down, "--dsn", dsn)
    assert answer.status == 1
    assert "change mine.toml as said above, then: tmf656-bridge check --config mine.toml" in answer.out
    assert (tmp_path / "mine.toml").exists()


async def test_it_asks_again_until_the_answer_is_a_valid_one(tmp_path: Path) -> None:
    answers = [
        ("v4): ", "snow.example"),
        ("v4): ", f"{URL}/"),
        ("[snow]:", "No Such"),
        ("[snow]:", ""),
        ("[none]:", "basic"),
        ("User:", "me"),
        ("Password:", 'qu"ote\\d'),
        ("embedded):", "mysql://h"),
        ("embedded):", "postgresql://u@h/d"),
        ("8656]:", ""),
    ]
    status, seen = await anyio.to_thread.run_sync(
        lambda: on_terminal(
            [sys.executable, "-m", "bridge", "init", "--no-check"], cwd=tmp_path, env=environment(), answers=answers
        )
    )
    assert status == 0, seen
    assert "should begin with http:// or https://" in seen
    assert "is not a name for a source" in seen
    assert "should begin with postgresql://" in seen
    assert "ote" not in seen, "the password is not echoed"
    assert tomllib.loads((tmp_path / "bridge.toml").read_text()) == {
        "database": {"dsn": "postgresql://u@h/d"},
        "sources": {"snow": {"url": f"{URL}/", "username": "me", "password": 'qu"ote\\d'}},
    }


async def test_a_file_that_is_there_is_never_touched(call: Any, tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text("# mine")
    answer = await call("init", "--url", URL, "--no-check")
    assert answer.status == 1
    assert "bridge.toml is there already and is left as it is: edit it, or name another with --config" in answer.err
    assert (tmp_path / "bridge.toml").read_text() == "# mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--url is needed where nobody can be asked"),
        (("--url", "ftp://h"), 'sources.h.url = "ftp://h": should begin with http:// or https://'),
        (("--url", URL, "--dsn", "mysql://h"), "database.dsn: should begin with postgresql://"),
        (("--url", URL, "--username", "me"), "sources.snow.password: is missing; username needs password beside it"),
    ],
)
async def test_wrong_usage_is_status_2_and_writes_nothing(
    call: Any, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    answer = await call("init", *arguments, env={"COLUMNS": "400"})
    assert answer.status == 2
    assert said in " ".join(answer.err.split())
    assert not (tmp_path / "bridge.toml").exists()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["--url", "https://acme.service-now.com"], "servicenow"),
        (["--url", "https://itsm.acme.example", "--kind", "servicenow"], "servicenow"),
        (["--url", URL], None),
    ],
)
async def test_the_kind_is_said_or_seen_in_the_address(
    call: Any, tmp_path: Path, options: list[str], kind: str | None
) -> None:
    assert (await call("init", "--no-check", "--name", "one", *options)).status == 0
    assert tomllib.loads((tmp_path / "bridge.toml").read_text())["sources"]["one"].get("kind") == kind


async def test_a_kind_that_there_is_not_is_refused_before_anything_is_written(call: Any, tmp_path: Path) -> None:
    answer = await call("init", "--url", URL, "--kind", "jira")
    assert answer.status == 2
    assert "should be one of tmf656, servicenow" in answer.err
    assert not (tmp_path / "bridge.toml").exists()
