"""Variables of the environment over the file."""

from pathlib import Path

import pytest

from tests.settings.conftest import SECRET, URL, Faults, Load, source


def test_variables_win_over_the_file_in_any_case(configured: Load) -> None:
    settings = configured(
        "data_dir = 'one'\n[http]\nport = 1\n" + source("push = true"),
        BRIDGE_HTTP__PORT="2",
        bridge_sources__SNOW__push="false",
        BRIDGE_DATA_DIR="two",
        BRIDGE_SOURCES__SNOW__POLL_INTERVAL_SECONDS="5",
    )
    assert settings.http.port == 2
    assert settings.data_dir.name == "two"
    assert settings.sources["snow"].push is False
    assert settings.sources["snow"].poll_interval_seconds == 5


def test_a_source_may_come_from_variables_alone(configured: Load) -> None:
    settings = configured(BRIDGE_SOURCES__MY_SNOW__URL=URL, BRIDGE_SOURCES__MY_SNOW__VERSION="3")
    assert settings.sources["my_snow"].version == "3"


def test_an_underscore_in_a_variable_stands_for_a_hyphen_of_a_configured_source(configured: Load) -> None:
    toml = f"[sources.my-snow]\nurl = '{URL}'\n[sources.other_one]\nurl = '{URL}'\n[sources.other-one]\nurl = '{URL}'\n"
    settings = configured(toml, BRIDGE_SOURCES__MY_SNOW__PAGE_SIZE="7", BRIDGE_SOURCES__OTHER_ONE__PAGE_SIZE="8")
    assert {name: one.page_size for name, one in settings.sources.items()} == {
        "my-snow": 7,
        "other_one": 8,
        "other-one": 500,
    }


def test_a_variable_may_name_a_source_with_a_double_underscore(configured: Load) -> None:
    settings = configured(f"[sources.a__b]\nurl = '{URL}'\n", BRIDGE_SOURCES__A__B__PAGE_SIZE="7")
    assert settings.sources["a__b"].page_size == 7


def test_variables_of_a_cluster_are_left_alone(configured: Load) -> None:
    configured("", BRIDGE_PORT="tcp://10.0.0.1:8656", BRIDGE_HTTP_PORT="tcp://10.0.0.1:80", OTHER__THING="1")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("BRIDGE_DATABASE__DNS", "BRIDGE_DATABASE__DSN"),
        ("BRIDGE_HTPP__PORT", "BRIDGE_HTTP__PORT"),
        ("BRIDGE_SOURCES__SNOW__PASWORD", "BRIDGE_SOURCES__SNOW__PASSWORD"),
        ("BRIDGE_SOURCE__SNOW__PASSWORD_FILE", "BRIDGE_SOURCES__SNOW__PASSWORD_FILE"),
        ("BRIDGE_DATA__DIR", "BRIDGE_DATA_DIR"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_likely_one(faults: Faults, variable: str, meant: str) -> None:
    [fault] = faults("", **{variable: SECRET})
    assert variable in fault
    assert fault.endswith(f"did you mean {meant}?")
    assert SECRET not in fault


def test_a_misspelt_source_in_a_variable_is_told_from_a_forgotten_url(faults: Faults) -> None:
    [fault] = faults(source(), BRIDGE_SOURCES__SNWO__PUSH="false")
    assert fault.startswith("sources.snwo.url: is missing")
    assert fault.endswith("snwo is known only from BRIDGE_SOURCES__SNWO__PUSH; did you mean snow?")


def test_tables_may_come_from_variables_and_headers_from_a_file(configured: Load, tmp_path: Path) -> None:
    (tmp_path / "headers").write_text(f"X-API-Key: {SECRET}\nX-Url: https://h/\n")
    snow = configured(
        source(),
        BRIDGE_SOURCES__SNOW__STATUS_MAP="Open=acknowledged; Done = closed",
        BRIDGE_SOURCES__SNOW__PRIORITY_MAP='{"P1": 1}',
        BRIDGE_SOURCES__SNOW__FILTER__STATUS="held, pending",
        BRIDGE_SOURCES__SNOW__HEADERS_FILE="headers",
    ).sources["snow"]
    assert snow.status_map == {"Open": "acknowledged", "Done": "closed"}
    assert snow.priority_map == {"P1": 1}
    assert snow.filter.status == ("held", "pending")
    assert {name: one.get_secret_value() for name, one in snow.headers.items()} == {
        "X-API-Key": SECRET,
        "X-Url": "https://h/",
    }


@pytest.mark.parametrize("key", ["dsn", "dsn_file"])
def test_f12_an_empty_variable_does_not_replace_the_database_of_the_file(
    faults: Faults, tmp_path: Path, key: str
) -> None:
    (tmp_path / "dsn").write_text(f"postgresql://u:{SECRET}@h/d")
    value = "dsn" if key == "dsn_file" else f"postgresql://u:{SECRET}@h/d"
    variable = f"BRIDGE_DATABASE__{key.upper()}"
    [fault] = faults(f'[database]\n{key} = "{value}"', **{variable: ""})
    assert fault == (
        f"database.{key} (from {variable}): is empty, which would take the place of the value in bridge.toml:2 and "
        f"start an embedded Postgres; unset {variable}, or take {key} out of the file"
    )


def test_f12_the_same_holds_for_every_secret_and_not_for_other_keys(configured: Load, faults: Faults) -> None:
    [fault] = faults(source('token = "x"'), BRIDGE_SOURCES__SNOW__TOKEN="")
    assert fault.startswith("sources.snow.token (from BRIDGE_SOURCES__SNOW__TOKEN): is empty")
    assert configured(source('proxy = "http://p"'), BRIDGE_SOURCES__SNOW__PROXY="").sources["snow"].proxy is None
    assert configured("", BRIDGE_DATABASE__DSN="").database.dsn.get_secret_value() == ""
