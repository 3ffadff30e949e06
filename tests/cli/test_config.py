"""`config`: what is in force, where it comes from, and no secret."""

import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.cli import main

SECRETS = {"password": "hunter2-hunter2", "file": "token-of-the-metrics", "dsn": "p4ssw0rd-of-postgres"}


@pytest.fixture
def place(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A directory with a configuration that is set by file, by secret file and by variables."""
    (tmp_path / "token").write_text(SECRETS["file"] + "\n")
    (tmp_path / "bridge.toml").write_text(
        '[http]\nport = 9000\nmetrics_token_file = "token"\ntrusted_proxies = ["10.0.0.7"]\n'
        '[sources.snow]\nurl = "https://snow.example/v4"\nusername = "me"\npoll_interval_seconds = 30\n'
    )
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG", "DATABASE__DSN"):
        monkeypatch.delenv(f"BRIDGE_{name}", raising=False)
    monkeypatch.setenv("BRIDGE_DATABASE__DSN", f"postgresql://bridge:{SECRETS['dsn']}@db.example/bridge")
    monkeypatch.setenv("BRIDGE_SOURCES__SNOW__PASSWORD", SECRETS["password"])
    monkeypatch.setenv("BRIDGE_HTTP__PORT", "9001")
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["config", *arguments]) == 0
    out = capsys.readouterr().out
    assert [secret for secret in SECRETS.values() if secret in out] == []
    return out


@pytest.mark.usefixtures("place")
def test_it_says_what_is_in_force_and_where_it_was_set(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["key"]: row for row in orjson.loads(shown(capsys, "--json"))}
    assert rows["http.port"] == {"key": "http.port", "value": 9001, "from": "BRIDGE_HTTP__PORT"}
    assert (rows["sources.snow.url"]["value"], rows["sources.snow.url"]["from"]) == (
        "https://snow.example/v4",
        "bridge.toml:6",
    )
    assert rows["http.metrics_token"]["from"] == "metrics_token_file, bridge.toml:3"
    assert rows["sources.snow.password"]["from"] == "BRIDGE_SOURCES__SNOW__PASSWORD"
    assert rows["database.dsn"]["value"].startswith("postgresql://bridge:***")
    assert (rows["sources.snow.page_size"]["value"], rows["sources.snow.page_size"]["from"]) == (500, None)


@pytest.mark.usefixtures("place")
def test_only_what_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    keys = [row["key"] for row in orjson.loads(shown(capsys, "--set", "--json"))]
    assert keys == [
        "database.dsn",
        "http.port",
        "http.trusted_proxies",
        "http.metrics_token",
        "sources.snow.url",
        "sources.snow.username",
        "sources.snow.password",
        "sources.snow.poll_interval_seconds",
    ]


def test_a_dsn_out_of_a_file_is_set_too(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "dsn").write_text(f"postgresql://bridge:{SECRETS['dsn']}@db.example/bridge\n")
    monkeypatch.delenv("BRIDGE_DATABASE__DSN")
    monkeypatch.setenv("BRIDGE_DATABASE__DSN_FILE", "dsn")
    rows = {row["key"]: row for row in orjson.loads(shown(capsys, "--set", "--json"))}
    assert rows["database.dsn"]["from"] == "dsn_file, BRIDGE_DATABASE__DSN_FILE"
    assert rows["database.dsn"]["value"].startswith("postgresql://bridge:***")


@pytest.mark.usefixtures("place")
def test_what_is_shown_is_a_configuration_with_the_same_values(capsys: pytest.CaptureFixture[str]) -> None:
    written = tomllib.loads(shown(capsys))
    for row in orjson.loads(shown(capsys, "--json")):
        value: Any = written
        for part in row["key"].split("."):
            value = value[part]
        assert value == ("" if row["value"] is None else row["value"]), row["key"]
    assert written["sources"]["snow"]["poll_interval_seconds"] == 30


def test_nothing_set_is_said(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "every key has its default" in shown(capsys, "--set")


def test_a_wrong_configuration_is_status_2_and_named(
    place: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_HTTP__PORT", "many")
    (place / "bridge.toml").write_text("[http]\ncolour = 1\n")
    assert main(["config"]) == 2
    said = capsys.readouterr().err
    assert "http.port" in said
    assert "http.colour" in said
