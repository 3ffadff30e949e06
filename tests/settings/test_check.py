"""What is wrong between keys."""

from pathlib import Path

import pytest

from tests.settings.conftest import URL, Faults, Load, source

PROXY = "http = { trusted_proxies = ['10.0.0.7'] }\n"


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
    ("toml", "refused"),
    [
        ("[console]\nenabled = true", False),
        ("[console]\nenabled = true\nhost = '::1'", False),
        ("[console]\nenabled = true\nhost = 'localhost'", False),
        ("[console]\nenabled = true\nhost = '0.0.0.0'", True),
        ("[console]\nenabled = true\nhost = ''", True),
        ("[console]\nhost = '0.0.0.0'", False),
        ("[console]\nenabled = true\nhost = '0.0.0.0'\npublic_url = 'https://b.example'", True),
        (
            PROXY + "[console]\nenabled = true\nhost = '0.0.0.0'\npublic_url = 'https://b.example'",
            False,
        ),
        (
            PROXY + "[console]\nenabled = true\nhost = '0.0.0.0'\npublic_url = 'http://b.example'",
            True,
        ),
    ],
)
def test_the_console_is_not_served_in_the_clear_beyond_loopback(
    configured: Load, faults: Faults, toml: str, refused: bool
) -> None:
    if refused:
        [fault] = faults(toml)
        assert fault.startswith("console.host = ")
        assert "http.tls_cert_file" in fault
    else:
        configured(toml)


OIDC = '[console]\nroles = {noc = "viewer"}\n[console.oidc]\n'


def test_a_login_provider_is_read_from_file_and_environment(configured: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary-secret\n")
    text = f'{OIDC}issuer = "https://login.example/"\nclient_id = "console"\nclient_secret_file = "secret"\n'
    settings = configured(text, BRIDGE_CONSOLE__OIDC__GROUPS_CLAIM="roles")
    oidc = settings.console.oidc
    assert (oidc.issuer, oidc.groups_claim) == ("https://login.example", "roles")
    assert "canary-secret" in set(settings.secrets())
    assert "canary-secret" not in repr(settings.describe())


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[console.oidc]\nissuer = "https://login.example"\nclient_id = "x"\n', "console.roles: is missing"),
        (f'{OIDC}issuer = "https://login.example"\n', "console.oidc.client_id: is missing"),
        (f'{OIDC}client_id = "x"\n', "console.oidc.issuer: is missing"),
        (f'{OIDC}issuer = "http://login.example"\nclient_id = "x"\n', "should begin with https://"),
        (f'{OIDC}issuer = "https://l.example"\nclient_id = "x"\nscopes = ["email"]\n', "should have openid among them"),
        (f'{OIDC}issuer = "https://l.example"\nclient_id = "x"\nclient_secre = "x"\n', "console.oidc.client_secre"),
    ],
)
def test_what_a_login_provider_needs_is_said_by_its_key(faults: Faults, text: str, wrong: str) -> None:
    [fault] = faults(text)
    assert wrong in fault


def test_a_login_provider_on_this_machine_may_speak_plain_http(configured: Load) -> None:
    settings = configured(f'{OIDC}issuer = "http://127.0.0.1:8080"\nclient_id = "x"\n')
    assert settings.console.oidc.issuer == "http://127.0.0.1:8080"


def test_an_encoded_query_needs_the_profile_that_has_one(faults: Faults, configured: Load) -> None:
    query, profile = "query = 'u_source=dataminer'\n", "profile = 'servicenow-facade'\n"
    assert faults(source(query)) == [
        'sources.snow.query: needs profile = "servicenow-facade" beside it; see filter for other servers'
    ]
    assert not configured(source(query + profile)).sources["snow"].hub.push
    [wrong] = faults(source("query = 'a=b^'\n" + profile))
    assert "without ^ at its ends" in wrong
