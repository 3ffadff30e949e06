"""Secrets from files of their own."""

from pathlib import Path

import pytest

from tests.settings.conftest import SECRET, Faults, Load, source


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_stand_in_a_file(configured: Load, tmp_path: Path, ending: str) -> None:
    (tmp_path / "password").write_bytes(f" {SECRET} {ending}".encode())
    by_toml = configured(source('username = "u"\npassword_file = "password"'))
    by_variable = configured(source('username = "u"'), BRIDGE_SOURCES__SNOW__PASSWORD_FILE=str(tmp_path / "password"))
    for settings in (by_toml, by_variable):
        assert settings.sources["snow"].password.get_secret_value() == f" {SECRET} "


def test_the_dsn_is_a_secret_too(configured: Load, tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("postgresql://u:p@h/d\n")
    assert configured("[database]\ndsn_file = 'dsn'").database.dsn.get_secret_value() == "postgresql://u:p@h/d"


def test_a_secret_file_that_is_missing_is_the_only_fault(faults: Faults) -> None:
    [fault] = faults(source('username = "me"\npassword_file = "nowhere"\ncallback_secret_file = ""'))
    assert fault.startswith('sources.snow.password_file = "nowhere": cannot be read: No such file or directory; name')
    [fault] = faults(source('callback_secret_file = "nowhere"'))
    assert fault.startswith("sources.snow.callback_secret_file")


def test_a_secret_file_that_cannot_be_read_is_a_fault(faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()
    [fault] = faults(source('token_file = "token"'))
    assert "cannot be read: Is a directory" in fault


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"\xff"])
def test_a_secret_file_without_one_line_of_text_is_a_fault(faults: Faults, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    [fault] = faults(source('token_file = "token"'))
    assert fault.startswith('sources.snow.token_file = "token": ')


def test_a_secret_and_its_file_are_one_too_many(faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    [fault] = faults(source(f'token = "{SECRET}"'), BRIDGE_SOURCES__SNOW__TOKEN_FILE="token")
    assert fault == (
        "sources.snow.token_file (from BRIDGE_SOURCES__SNOW__TOKEN_FILE): is given beside token; give one of the two"
    )
