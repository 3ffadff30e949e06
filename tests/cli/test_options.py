"""What the commands share: reading the settings, data that have to be there, and ending on a signal."""

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest
import typer

from bridge.cli.options import known_sources, on_loop, require_data, until_signal
from bridge.errors import PermanentError
from bridge.settings import Settings

pytestmark = pytest.mark.anyio


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


def test_data_that_nobody_made_yet_are_missed_with_the_place(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(PermanentError, match="run` or `demo` makes them"):
        require_data(settings)
    (tmp_path / "postgres").mkdir()
    require_data(settings)
    require_data(Settings.model_validate({"data_dir": "/nowhere", "database": {"dsn": "postgresql://h/d"}}))


def test_the_shell_is_offered_the_sources_and_nothing_where_the_configuration_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "bridge.toml"
    context = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    context.params = {"config": file}
    file.write_text("[sources.b]\nurl = 'http://h/v4'\n[sources.a]\nurl = 'http://h/v4'\n")
    assert sorted(known_sources(context)) == ["a", "b"]
    file.write_text("[sources.b]\nurl = 7\n")
    assert known_sources(context) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_work_and_lets_it_clean_up(number: signal.Signals) -> None:
    cleaned = []

    async def work() -> None:
        try:
            await anyio.lowlevel.checkpoint()
            os.kill(os.getpid(), number)
            await anyio.sleep_forever()
        finally:
            cleaned.append(number)

    on_loop(lambda: until_signal(work))
    assert cleaned == [number]


def test_work_that_ends_by_itself_is_over_without_a_signal() -> None:
    done = []

    async def work() -> None:
        done.append(True)

    on_loop(lambda: until_signal(work))
    assert done == [True]
