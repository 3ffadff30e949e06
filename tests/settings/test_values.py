"""What one value may be, and what is said of one that is wrong."""

from pathlib import Path
from typing import get_args

import pytest

from bridge.domain.status import Status
from bridge.settings.values import StatusName
from tests.settings.conftest import SECRET, URL, Faults, Load, source


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


@pytest.mark.parametrize("name", ["a:b", "a\\nb", "\\u0000"])
def test_a_name_that_http_basic_cannot_carry_is_refused(faults: Faults, name: str) -> None:
    for key, secret in (("username", "password"), ("callback_username", "callback_password")):
        [fault] = faults(source(f'{key} = "{name}"\n{secret} = "x"'))
        assert fault.startswith(f"sources.snow.{key} = ")
        assert "a colon or a control character" in fault


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


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('status_map = {"Open" = "opened"}', 'sources.snow.status_map.Open = "opened": should be'),
        ('priority_map = {"High" = "x"}', 'sources.snow.priority_map.High = "x": should be a whole number'),
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
        ("since = 2199-01-01", 'sources.snow.since = "2199-01-01": lies in the future: nothing would be read'),
        (f'token = "{SECRET} x"', "sources.snow.token: has blanks or line breaks in it; give the token alone"),
        (f'token = "Bearer {SECRET}"', "sources.snow.token: has blanks or line breaks in it"),
        (f'token = "{SECRET}\\n{SECRET}"', "sources.snow.token: has blanks or line breaks in it"),
        ("since = 'yesterday'", 'sources.snow.since = "yesterday": should be an instant such as 2026-01-31T00:00:00Z'),
        ("resource_path = 'x?y'", 'sources.snow.resource_path = "x?y": should be a path such as /serviceProblem'),
        ("max_loss_share = 20", "sources.snow.max_loss_share = 20: should be less than or equal to 1"),
        ("kind = 'jira'", 'sources.snow.kind = "jira": should be one of tmf656'),
        ("oauth2_scope = 'a'", "sources.snow.oauth2_scope: needs oauth2_token_url beside it"),
    ],
)
def test_wrong_values_of_the_new_keys_are_named(faults: Faults, lines: str, fault: str) -> None:
    [found] = faults(source(lines))
    assert found.startswith(fault)
    assert SECRET not in found


def test_the_words_of_status_map_are_our_statuses() -> None:
    assert set(get_args(StatusName)) == {status.value for status in Status} - {"unknown"}
