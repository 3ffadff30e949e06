"""A configuration being put together: faults, where each value comes from, and suggestions."""

from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.settings import load, trace
from tests.settings.conftest import SECRET, URL, Faults, source


@pytest.mark.parametrize(
    ("toml", "key", "meant"),
    [
        ("data_dri = 'x'", "data_dri", "data_dir"),
        ("[htpp]\nport = 1", "htpp", "http"),
        ("[http]\nprot = 1", "http.prot", "port"),
        (source(f'pasword_file = "{SECRET}"'), "sources.snow.pasword_file", "password_file"),
        (source(f'passwort = "{SECRET}"'), "sources.snow.passwort", "password"),
    ],
)
def test_unknown_keys_are_refused_with_the_likely_one_and_without_their_value(
    faults: Faults, toml: str, key: str, meant: str
) -> None:
    assert faults(toml) == [f"{key}: is not a key this program knows; did you mean {meant}?"]


@pytest.mark.parametrize(
    "toml",
    [
        f"sources = '{SECRET}'",
        f"[sources]\nsnow = '{SECRET}'",
        f"database = 'postgresql://u:{SECRET}@h/d'",
        source(f"token = ['{SECRET}']"),
        source(f"[sources.snow.token]\nx = '{SECRET}'"),
        source(f"proxy = 'socks://u:{SECRET}@h'"),
        source(f"ca_file = 'https://u:{SECRET}@h'"),
    ],
)
def test_a_fault_shows_no_secret_even_in_the_wrong_place(faults: Faults, toml: str) -> None:
    variables = {
        "BRIDGE_SOURCES__SNOW__PUSH": "no",
        "BRIDGE_SOURCES__SNOW__URL": URL,
        "BRIDGE_DATABASE__POOL_MIN_SIZE": "1",
    }
    [fault] = faults(toml, **variables)
    assert SECRET not in fault


def test_the_origin_of_each_key_is_kept_and_the_overlay_stands_between_file_and_environment(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(
        f"[http]\nport = 1\n\n[sources.snow]\nurl = '{URL}'\npage_size = 1\npush = true\n"
    )
    env = {"BRIDGE_SOURCES__SNOW__PUSH": "false"}
    overlay = {"sources.snow.page_size": 3, "sources.snow.push": True}
    settings, origins = trace(None, env, tmp_path, overlay)
    assert (settings.sources["snow"].page_size, settings.sources["snow"].push) == (3, False)
    found = {".".join(key): (origin.layer.value, str(origin)) for key, origin in origins.items()}
    assert found == {
        "http.port": ("file", "bridge.toml:2"),
        "sources.snow.url": ("file", "bridge.toml:5"),
        "sources.snow.page_size": ("overlay", "here"),
        "sources.snow.push": ("environment", "BRIDGE_SOURCES__SNOW__PUSH"),
    }


def test_a_fault_of_the_overlay_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"sources\.snow\.page_size = 0 \(from here\): should be greater"):
        load(None, {"BRIDGE_SOURCES__SNOW__URL": URL}, tmp_path, {"sources.snow.page_size": 0})
