"""The configuration: what `contract.md` promises of keys, variables, secret files and faults."""

import re
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from bridge.domain.status import Status
from bridge.errors import ConfigurationError
from bridge.settings import Settings, SourceSettings, load, trace
from bridge.settings.read import assemble
from bridge.settings.values import StatusName

URL = "https://snow.example/tmf-api/serviceProblemManagement/v4"
SECRET = "s3cret-C4nary"

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


def test_settings_cannot_be_changed(configured: Load) -> None:
    with pytest.raises(ValidationError):
        configured().http.port = 1


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


def test_a_line_that_is_no_toml_is_named_beside_the_other_faults(faults: Faults) -> None:
    first, second = faults("[http]\nport 1\n", BRIDGE_HTTP__PORT="x")
    assert re.search(r"bridge\.toml, line 2: is not valid TOML: .*column 6.*write \[table\] or key = value", first)
    assert second.startswith('http.port = "x" (from BRIDGE_HTTP__PORT)')


def test_a_file_in_another_encoding_is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_bytes("data_dir = 'é'".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(None, {}, tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_bytes(b"\xef\xbb\xbf[http]\r\nport = 1\r\n")
    assert load(None, {}, tmp_path).http.port == 1


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


def test_all_faults_are_told_at_once_each_with_key_value_and_what_is_right(faults: Faults) -> None:
    told = faults(
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
        r'http\.max_body_bytes = "many" \(from BRIDGE_HTTP__MAX_BODY_BYTES\): should be a valid integer.*',
        r"log\.level = \"loud\": should be 'debug', 'info', 'warning' or 'error'.*",
        r'sources\.snow\.url = ".*/serviceProblem/": should be the base path; take /serviceProblem off its end.*',
        r"sources\.snow\.poll_interval_seconds = 0: should be greater than or equal to 1 \(1 to 86400.*\)",
        r'sources\.snow\.page_size = "" \(from BRIDGE_SOURCES__SNOW__PAGE_SIZE\): should be a valid integer.*',
        r"sources\.Other: is not a name for a source; use a-z, 0-9, _ and - only",
        r"unknown_thing: is not a key this program knows.*",
    ]
    for pattern in expected:
        assert any(re.fullmatch(pattern, fault) for fault in told), (pattern, told)
    assert len(told) == len(expected)
    assert SECRET not in "\n".join(told)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("snow.example/v4", "should begin with http:// or https://"),
        ("https:///v4", "has no host"),
        ("https://h/v4?x=1", "has a query or fragment"),
        ("https://h/v4?", "has a query or fragment"),
        ("https://h/v4#top", "has a query or fragment"),
        (f"https://me:{SECRET}@h/v4", "give username and password as keys of their own"),
        ("https://h/v4/hub", "take /hub off its end"),
        ("https://h:x/v4", "is not a URL"),
        ("https://[::1/v4", "is not a URL"),
        ("https://h/v4\\nx", "has blanks or control characters"),
        ("", "should begin with http:// or https://"),
    ],
)
def test_a_url_that_cannot_be_a_base_path_is_refused(faults: Faults, url: str, wrong: str) -> None:
    [fault] = faults(f'[sources.snow]\nurl = "{url}"\n')
    assert fault.startswith("sources.snow.url = ")
    assert wrong in fault
    assert SECRET not in fault
    assert fault.isprintable()


def test_trailing_slashes_go(configured: Load) -> None:
    settings = configured(f'[http]\npublic_url = "https://us.example/in/"\n[sources.snow]\nurl = "{URL}//"\n')
    assert settings.http.public_url == "https://us.example/in"
    assert settings.sources["snow"].url == URL


@pytest.mark.parametrize(
    ("host", "url"),
    [("::", "http://127.0.0.1:9"), ("::1", "http://[::1]:9"), ("10.1.2.3", "http://10.1.2.3:9")],
)
def test_the_public_url_follows_host_and_port_when_it_is_not_given(configured: Load, host: str, url: str) -> None:
    assert configured(f'[http]\nhost = "{host}"\nport = 9\n').http.public_url == url


@pytest.mark.parametrize("given", ['"auto"', '"2"', "3", "4", '"5"'])
def test_a_version_may_be_a_number(configured: Load, given: str) -> None:
    assert configured(source(f"version = {given}")).sources["snow"].version == given.strip('"')


@pytest.mark.parametrize("line", ['version = "6"', "version = true", "version = 4.0", "poll_interval_seconds = true"])
def test_values_of_another_kind_are_refused(faults: Faults, line: str) -> None:
    [fault] = faults(source(line))
    assert fault.startswith(f"sources.snow.{line}: ")


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "0.999", "86400.1"])
def test_intervals_are_bounded(faults: Faults, text: str) -> None:
    [fault] = faults(source(f"poll_interval_seconds = {text}"))
    assert fault.startswith("sources.snow.poll_interval_seconds = ")


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ("username = 'me'", "sources.snow.password: is missing; username needs password beside it"),
        ("password = 'x'", "sources.snow.username: is missing; password needs username beside it"),
        (
            "oauth2_token_url = 'https://idp.example/token'\noauth2_client_id = 'x'",
            "sources.snow.oauth2_client_secret: is missing; oauth2_token_url needs oauth2_client_secret beside it",
        ),
    ],
)
def test_half_a_login_is_refused(faults: Faults, lines: str, wrong: str) -> None:
    assert faults(source(lines)) == [wrong]


@pytest.mark.parametrize(
    "lines",
    [
        "username = 'me'\npassword = 'x'",
        "token = 'x'",
        "oauth2_token_url = 'https://idp.example/token'\noauth2_client_id = 'x'\noauth2_client_secret = 'y'",
        "username = ''\npassword = ''\ntoken = 'x'\nproxy = ''\nca_file = ''",
    ],
)
def test_one_whole_login_is_fine_and_empty_is_not_given(configured: Load, lines: str) -> None:
    configured(source(lines))


@pytest.mark.parametrize("secret", ["short", "x" * 21, "x" * 22 + "/", "x" * 201, "ümlaut" * 5])
def test_a_callback_secret_that_could_be_guessed_or_breaks_a_url_is_refused(faults: Faults, secret: str) -> None:
    [fault] = faults(source(f'callback_secret = "{secret}"'))
    assert fault.startswith(
        "sources.snow.callback_secret: should be 22 to 200 of the characters A-Z a-z 0-9 _ - (128 bits)"
    )
    assert secret not in fault


def test_a_callback_secret_of_128_bits_is_taken(configured: Load) -> None:
    assert configured(source(f'callback_secret = "{"aZ09_-" * 4}"')).sources["snow"].callback_secret


def test_files_count_from_the_working_directory_and_must_be_readable(
    configured: Load, faults: Faults, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("x")
    assert configured(source('ca_file = "ca.pem"')).sources["snow"].ca_file == tmp_path / "ca.pem"
    [fault] = faults(source('ca_file = "other.pem"'))
    assert fault.startswith('sources.snow.ca_file = "other.pem": cannot be read: No such file or directory')


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_stand_in_a_file(configured: Load, tmp_path: Path, ending: str) -> None:
    (tmp_path / "token").write_bytes(f" {SECRET} {ending}".encode())
    by_toml = configured(source('token_file = "token"'))
    by_variable = configured(source(), BRIDGE_SOURCES__SNOW__TOKEN_FILE=str(tmp_path / "token"))
    for settings in (by_toml, by_variable):
        assert settings.sources["snow"].token.get_secret_value() == f" {SECRET} "


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


def test_secrets_are_shown_nowhere(configured: Load) -> None:
    settings = configured(
        f'[database]\ndsn = "postgresql://u:{SECRET}@h:1/d?sslpassword={SECRET}"\n'
        + source(f'token = "{SECRET}"\ncallback_secret = "{SECRET * 2}"\nproxy = "http://u:{SECRET}@proxy:1"')
    )
    for shown in (repr(settings), str(settings), str(settings.describe()), settings.model_dump_json()):
        assert SECRET not in shown.replace(settings.sources["snow"].proxy or "", "")
    described = settings.describe()
    assert described["database"]["dsn"] == "postgresql://u:**********@h:1/d?sslpassword=**********"
    assert described["sources"]["snow"]["proxy"] == "http://u:**********@proxy:1"
    assert described["sources"]["snow"]["token"] == "**********"
    assert described["sources"]["snow"]["password"] == ""
    assert set(settings.secrets()) == {SECRET, SECRET * 2}


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


def test_sections_can_be_built_without_a_file() -> None:
    one = SourceSettings(url=f"{URL}/", token=SecretStr("x"))
    assert one.url == URL
    assert Settings().data_dir.is_absolute()


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
        told = []
    except ConfigurationError as error:
        told = error.faults or [""]
    assert all(fault and fault.isprintable() for fault in told)


HEADERS = 'headers = {"X-API-Key" = "s3cret-C4nary", "X-Tenant" = "seven-of-nine"}'


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


def test_values_of_headers_are_shown_nowhere(configured: Load) -> None:
    settings = configured(source(HEADERS))
    assert SECRET not in f"{settings!r}{settings.describe()}"
    assert {SECRET, "seven-of-nine"} <= set(settings.secrets())


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('status_map = {"Open" = "opened"}', 'sources.snow.status_map.Open = "opened": should be'),
        ('priority_map = {"High" = "x"}', 'sources.snow.priority_map.High = "x": should be a valid integer'),
        ('columns = {"Région" = "a"}', "sources.snow.columns: 'Région' is not a name for a column"),
        ('columns = {a = "b::money"}', "sources.snow.columns: a has the type 'money'; use one of text, numeric"),
        (f'headers = {{"X Key" = "{SECRET}"}}', "sources.snow.headers: 'X Key' is not the name of a header"),
        (
            f'headers = {{"Authorization" = "{SECRET}"}}',
            "sources.snow.headers: Authorization is set by the bridge; for",
        ),
        (f'headers = {{"X" = "{SECRET}\\n"}}', "sources.snow.headers: X needs a value without line breaks"),
        (
            'filter = {state = ["held"]}',
            "sources.snow.filter.state: is not a key this program knows; did you mean status?",
        ),
        ('filter = {status = ["hold"]}', 'sources.snow.filter.status.0 = "hold": should be'),
        ("since = 'yesterday'", 'sources.snow.since = "yesterday": should be an instant such as 2026-01-31T00:00:00Z'),
        ("resource_path = 'x?y'", 'sources.snow.resource_path = "x?y": should be a path such as /serviceProblem'),
        ("max_loss_share = 20", "sources.snow.max_loss_share = 20: should be less than or equal to 1"),
        ("kind = 'jira'", "sources.snow.kind = \"jira\": should be 'tmf656' (kind of system"),
        ("oauth2_scope = 'a'", "sources.snow.oauth2_scope: needs oauth2_token_url beside it"),
    ],
)
def test_wrong_values_of_the_new_keys_are_named(faults: Faults, lines: str, fault: str) -> None:
    [found] = faults(source(lines))
    assert found.startswith(fault)
    assert SECRET not in found


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        (f'[sources]\nurl = "{URL}"\npush = false', "sources.url: stands in [sources] itself; a source has a name"),
        (f'[sources]\nsnow = "{URL}"', "sources.snow: should be a table; write [sources.snow] with url"),
        (
            f'[[sources]]\nname = "snow"\nurl = "{URL}"',
            "sources: should be tables with a name each; write [sources.NAME]",
        ),
        (f'sources = "{URL}"', "sources: should be tables with a name each; write [sources.NAME]"),
        (
            f'[snow]\nurl = "{URL}"',
            "snow: is not a key this program knows; a source is a table of its own: write [sources.snow]",
        ),
        (f'url = "{URL}"', "url: is not a key this program knows; it belongs below [sources.NAME]"),
        ("[http]\ndsn = 'postgresql://h/d'", "http.dsn: is not a key this program knows; it belongs below [database]"),
        (
            "[database]\nhost = 'h'",
            "database.host: is not a key this program knows; the whole address is one key: dsn =",
        ),
    ],
)
def test_f8_a_key_in_the_wrong_table_is_told_where_it_belongs(faults: Faults, toml: str, fault: str) -> None:
    assert faults(toml)[0].startswith(fault)


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        (f"[sources.snow]\nurl = {URL}", rf'sources\.snow\.url \(.*, line 2\): a text stands .*: write url = "{URL}"'),
        (
            f"[sources.snow]\npassword = {SECRET}",
            r'sources\.snow\.password \(.*line 2\): a text .*: write password = "…"',
        ),
        (f"[database]\ndsn = postgresql://u:{SECRET}@h/d", r'database\.dsn \(.*line 2\): a text .*: write dsn = "…"'),
        (source("push = False"), r"sources\.snow\.push \(.*line 3\): write true or false, in lower case"),
        (source("push = yes  # sure"), r"sources\.snow\.push \(.*line 3\): write true or false, in lower case"),
        (source("poll_interval_seconds = 60s"), r"sources\.snow\.poll_interval_seconds \(.*line 3\): a text stands in"),
        (source("page_size ="), r"sources\.snow\.page_size \(.*line 3\): has no value"),
        (source('ca_file = "C:\\certs"'), r"sources\.snow\.ca_file \(.*line 3\): its text has no end, or a backslash"),
        (source("callback_allow_from = [10.0.0.1]"), r"sources\.snow\.callback_allow_from \(.*line 3\): its list"),
        (
            source("push = true\npush = false"),
            r"sources\.snow\.push \(.*4\): is given twice, on lines 3 and 4; keep one",
        ),
        (source() + source(), r"sources\.snow \(.*4\): \[sources\.snow\] begins twice, on lines 1 and 4; join the two"),
        (f"[sources.snow\nurl = '{URL}'", r".*bridge\.toml, line 1: is not valid TOML: .*"),
    ],
)
def test_f8_a_line_that_toml_cannot_read_is_named_by_its_key(faults: Faults, toml: str, fault: str) -> None:
    found = faults(toml)[0]
    assert re.match(fault, found), found
    assert SECRET not in found


def test_f8_all_faults_of_a_broken_file_are_listed(faults: Faults) -> None:
    found = faults(f"[http]\nhost = localhost\nport = 70000\n[sources.snow]\nurl = {URL}\npsh = true\n")
    assert [fault.split(" ")[0].rstrip(":") for fault in found] == [
        "http.host",
        "sources.snow.url",
        "http.port",
        "sources.snow.psh",
    ]


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


def test_the_origin_of_each_key_is_kept_and_the_overlay_wins(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(
        f"[http]\nport = 1\n\n[sources.snow]\nurl = '{URL}'\npage_size = 1\npush = true\n"
    )
    env = {"BRIDGE_SOURCES__SNOW__PUSH": "false", "BRIDGE_SOURCES__SNOW__PAGE_SIZE": "2"}
    settings, origins = trace(None, env, tmp_path, {"sources.snow.page_size": 3})
    assert (settings.sources["snow"].page_size, settings.sources["snow"].push) == (3, False)
    found = {".".join(key): (origin.layer.value, str(origin)) for key, origin in origins.items()}
    assert found == {
        "http.port": ("file", "bridge.toml:2"),
        "sources.snow.url": ("file", "bridge.toml:5"),
        "sources.snow.page_size": ("overlay", "overlay"),
        "sources.snow.push": ("environment", "BRIDGE_SOURCES__SNOW__PUSH"),
    }


def test_a_fault_of_the_overlay_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"sources\.snow\.page_size = 0 \(from overlay\): should be greater"):
        load(None, {"BRIDGE_SOURCES__SNOW__URL": URL}, tmp_path, {"sources.snow.page_size": 0})


def test_the_words_of_status_map_are_our_statuses() -> None:
    assert set(get_args(StatusName)) == {status.value for status in Status} - {"unknown"}


def test_the_line_of_a_key_is_found_in_every_way_to_write_toml(tmp_path: Path) -> None:
    text = '# x\n[sources."snow"]\nurl = """\\\n  https://h/v4"""\nfilter.status = [\n  "held",\n]\n\n'
    text += '[http]\r\nhost = "h" # y\r\n'
    (tmp_path / "bridge.toml").write_bytes(text.encode())
    _, origins = trace(None, {}, tmp_path)
    assert {".".join(key): str(origin) for key, origin in origins.items()} == {
        "sources.snow.url": "bridge.toml:3",
        "sources.snow.filter.status": "bridge.toml:5",
        "http.host": "bridge.toml:10",
    }
