"""The configuration: what `contract.md` promises of keys, variables, secret files and faults."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bridge.errors import ConfigurationError
from bridge.settings import load
from bridge.settings.read import assemble
from tests.settings.conftest import HEADERS, SECRET, URL, Faults, Load, source


def test_without_a_file_the_defaults_of_the_contract_hold(tmp_path: Path) -> None:
    settings = load(env={}, cwd=tmp_path)
    assert settings.data_dir == tmp_path / ".bridge"
    assert settings.database.dsn.get_secret_value() == ""
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8656)
    assert settings.http.public_url == "http://127.0.0.1:8656"
    assert settings.sources == {}


def test_a_source_needs_only_its_url(configured: Load) -> None:
    snow = configured(source()).sources["snow"]
    assert (snow.url, snow.version, snow.enabled, snow.push) == (URL, "auto", True, True)
    assert (snow.poll_interval_seconds, snow.reconcile_interval_seconds) == (60, 3600)
    assert (snow.bypass_proxy, snow.verify_tls, snow.proxy, snow.ca_file) == (True, True, None, None)
    assert snow.callback_secret.get_secret_value() == ""


def test_the_file_named_on_the_command_line_wins_over_the_variable(tmp_path: Path) -> None:
    for name, port in (("a.toml", 1001), ("b.toml", 1002), ("bridge.toml", 1003)):
        (tmp_path / name).write_text(f"[http]\nport = {port}\n")
    env = {"BRIDGE_CONFIG": "b.toml"}
    assert load(tmp_path / "a.toml", env, tmp_path).http.port == 1001
    assert load(None, env, tmp_path).http.port == 1002
    assert load(None, {}, tmp_path).http.port == 1003


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: no such configuration file; check --config"):
        load(Path("nowhere.toml"), {}, tmp_path)
    with pytest.raises(ConfigurationError, match="BRIDGE_CONFIG"):
        load(None, {"BRIDGE_CONFIG": str(tmp_path / "nowhere.toml")}, tmp_path)


def test_a_file_that_cannot_be_read_is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").mkdir()
    with pytest.raises(ConfigurationError, match=r"cannot be read: Is a directory"):
        load(None, {}, tmp_path)


def test_a_file_in_another_encoding_is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_bytes("data_dir = 'é'".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(None, {}, tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_bytes(b"\xef\xbb\xbf[http]\r\nport = 1\r\n")
    assert load(None, {}, tmp_path).http.port == 1


def test_all_faults_are_told_at_once_each_with_key_value_and_what_is_right(faults: Faults) -> None:
    found = faults(
        """
        unknown_thing = 1
        [http]
        port = 70000
        public_url = "ftp://x"
        [log]
        level = "loud"
        [database]
        dsn = "mysql://u:s3cret-C4nary@h/d"
        pool_min_size = 20
        [sources.snow]
        url = "https://snow.example/tmf-api/serviceProblemManagement/v4/serviceProblem/"
        poll_interval_seconds = 0
        username = "me"
        token = "s3cret-C4nary"
        client_key_file = "nowhere.pem"
        [sources.Other]
        url = "https://x"
        """,
        BRIDGE_HTTP__MAX_BODY_BYTES="many",
        BRIDGE_SOURCES__SNOW__PAGE_SIZE="",
        BRIDGE_LOG__FROMAT="json",
    )
    expected = [
        r"BRIDGE_LOG__FROMAT: is not a variable .* did you mean BRIDGE_LOG__FORMAT\?",
        r"sources\.snow: has more than one way to log in \(username and password, token\); keep one",
        r"sources\.snow\.password: is missing; username needs password beside it",
        r"sources\.snow\.client_key_file: needs client_cert_file beside it",
        r"database\.pool_min_size = 20: should not be more than pool_max_size, which is 10",
        r"database\.dsn: should begin with postgresql://.*",
        r"http\.port = 70000: should be less than or equal to 65535 \(TCP port.*0 to 65535.*\)",
        r'http\.public_url = "ftp://x": should begin with http:// or https://.*',
        r'http\.max_body_bytes = "many" \(from BRIDGE_HTTP__MAX_BODY_BYTES\): should be a whole number.*',
        r"log\.level = \"loud\": should be 'debug', 'info', 'warning' or 'error'.*",
        r'sources\.snow\.url = ".*/serviceProblem/": should be the base path; take /serviceProblem off its end.*',
        r"sources\.snow\.poll_interval_seconds = 0: should be greater than or equal to 1 \(1 to 86400.*\)",
        r'sources\.snow\.page_size = "" \(from BRIDGE_SOURCES__SNOW__PAGE_SIZE\): should be a whole number.*',
        r"sources\.Other: is not a name for a source; use a-z, 0-9, _ and - only",
        r"unknown_thing: is not a key this program knows.*",
    ]
    for pattern in expected:
        assert any(re.fullmatch(pattern, fault) for fault in found), (pattern, found)
    assert len(found) == len(expected)
    assert SECRET not in "\n".join(found)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(URL)
KEYS = ["port", "url", "snow", "dsn", "dsn_file", "token_file", "level", "username", "pool_min_size", "nonsense"]
TREES = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=3),
    max_leaves=6,
)
TABLES = ["http", "log", "sources", "database", "data_dir", "nonsense"]


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=st.dictionaries(st.sampled_from(TABLES), TREES))
def test_whatever_is_written_is_taken_or_refused_with_printable_faults(tree: dict[str, Any]) -> None:
    env = {"BRIDGE_SOURCES__SNOW__URL": URL, "BRIDGE_HTTP__PORT": "1", "BRIDGE_DATABASE__DSN_FILE": ""}
    try:
        settings = assemble(tree, env, Path("/nonexistent"))
        assert settings.sources["snow"].url == URL
        found = []
    except ConfigurationError as error:
        found = error.faults or [""]
    assert all(fault and fault.isprintable() for fault in found)


def test_the_new_keys_of_a_source_are_read(configured: Load) -> None:
    snow = configured(
        source(
            'status_map = {"Awaiting vendor" = "Pending", "In Work" = "in progress"}\npriority_map = {"Critical" = 1}\n'
            'columns = {region = "location.region", cost = "$.x_cost::numeric"}\n'
            'filter = {status = ["In Progress"], max_age_days = 30}\nsince = 2026-01-31\n'
            'resource_path = "/ServiceProblem/"\n'
            'oauth2_token_url = "https://idp.example/t"\noauth2_client_id = "x"\noauth2_client_secret = "y"\n'
            f'oauth2_scope = "a b"\noauth2_parameters = {{audience = "tmf"}}\n{HEADERS}'
        )
    ).sources["snow"]
    assert snow.status_map == {"Awaiting vendor": "pending", "In Work": "inProgress"}
    assert snow.priority_map == {"Critical": 1}
    assert snow.columns == {"region": "location.region", "cost": "$.x_cost::numeric"}
    assert (snow.filter.status, snow.filter.max_age_days) == (("inProgress",), 30)
    assert snow.since == datetime(2026, 1, 31, tzinfo=UTC)
    assert snow.resource_path == "/ServiceProblem"
    assert snow.headers["X-API-Key"].get_secret_value() == SECRET
    assert snow.oauth2_parameters["audience"].get_secret_value() == "tmf"
