"""A configuration written down and read, and its faults."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.settings import Settings, load

URL = "https://snow.example/tmf-api/serviceProblemManagement/v4"
SECRET = "s3cret-C4nary"
HEADERS = 'headers = {"X-API-Key" = "s3cret-C4nary", "X-Tenant" = "seven-of-nine"}'

Load = Callable[..., Settings]
Faults = Callable[..., list[str]]


@pytest.fixture
def configured(tmp_path: Path) -> Load:
    """Load this TOML as ./bridge.toml with these environment variables and no others."""

    def run(toml: str = "", **env: str) -> Settings:
        (tmp_path / "bridge.toml").write_text(textwrap.dedent(toml))
        return load(env=env, cwd=tmp_path)

    return run


@pytest.fixture
def faults(configured: Load) -> Faults:
    """The faults that this configuration has."""

    def run(toml: str = "", **env: str) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            configured(toml, **env)
        return caught.value.faults

    return run


def source(lines: str = "") -> str:
    """TOML of a source *snow* with these keys besides its URL."""
    return f'[sources.snow]\nurl = "{URL}"\n{lines}\n'
