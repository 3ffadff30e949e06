"""What is wrong between keys."""

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
