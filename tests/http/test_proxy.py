"""The proxy of a request: the configured one, else that of the environment where it is wanted, else none."""

import pytest
from yarl import URL

from bridge.http.proxy import proxy_for
from bridge.settings import SystemSettings

TARGET = URL("https://snow.example/v4")


def settings(**keys: object) -> SystemSettings:
    return SystemSettings.model_validate({"url": str(TARGET), **keys})


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("https_proxy", "http://of-environment.example:3128")


def test_the_environment_counts_only_where_it_is_wanted() -> None:
    assert proxy_for(TARGET, settings()) is None
    assert proxy_for(TARGET, settings(bypass_proxy=False)) == URL("http://of-environment.example:3128")
    assert proxy_for(TARGET.with_scheme("http"), settings(bypass_proxy=False)) is None


def test_the_configured_one_wins() -> None:
    chosen = settings(proxy="http://configured.example:8080", bypass_proxy=False)
    assert proxy_for(TARGET, chosen) == URL("http://configured.example:8080")


def test_a_host_that_is_excepted_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "snow.example")
    assert proxy_for(TARGET, settings(bypass_proxy=False)) is None


def test_one_for_everything_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("https_proxy")
    monkeypatch.setenv("all_proxy", "http://all.example:1")
    assert proxy_for(TARGET, settings(bypass_proxy=False)) == URL("http://all.example:1")
