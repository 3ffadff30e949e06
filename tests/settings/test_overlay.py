"""The overlay: which keys, over what, and what becomes of one that does not fit."""

from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ConfigurationError
from bridge.settings import Settings, load, trace
from bridge.settings.overlay import (
    LayeredSettings,
    OverlayEntry,
    SettingsOverlay,
    is_changeable,
    is_locked,
    is_secret,
)
from bridge.settings.secret_seal import SecretSeal
from tests.settings.conftest import URL

AT = datetime(2026, 6, 1, tzinfo=UTC)


def overlay(**values: Any) -> SettingsOverlay:
    """These values, `__` for a dot; bytes are a sealed secret."""
    entries = {
        name.replace("__", "."): OverlayEntry(None, value.decode(), "anna", AT, 1)
        if isinstance(value, bytes)
        else OverlayEntry(value, None, "anna", AT, 1)
        for name, value in values.items()
    }
    return SettingsOverlay(1, entries)


@pytest.fixture
def base(tmp_path: Path) -> Settings:
    """A configuration with a value of every sort: secrets, files, lists, tables, networks, instants."""
    (tmp_path / "key").write_text(b64encode(bytes(32)).decode() + "\n")
    (tmp_path / "password").write_text("from-a-file\n")
    (tmp_path / "bridge.toml").write_text(
        f"""
        [http]
        port = 9000
        trusted_proxies = ["10.0.0.7", "192.0.2.0/24"]
        metrics_token = "a-token-of-the-metrics"
        [console]
        secret_key_file = "key"
        locked = ["sources.*.url"]
        [sources.noc]
        url = "{URL}"
        username = "me"
        password_file = "password"
        version = 4
        headers = {{"X-API-Key" = "k3y"}}
        status_map = {{"Awaiting vendor" = "pending"}}
        priority_map = {{"Critical" = 1}}
        columns = {{region = "location.region"}}
        since = 2026-01-31
        callback_allow_from = ["192.0.2.9"]
        filter = {{status = ["held"], max_age_days = 9}}
        [sources.other]
        url = "{URL}"
        token = "t0ken"
        """
    )
    return load(env={}, cwd=tmp_path)


def test_settings_survive_being_laid_over_with_what_they_are(base: Settings) -> None:
    layers = LayeredSettings(base, overlay(sources__noc__page_size=base.sources["noc"].page_size), env={})
    assert layers.current().model_dump() == base.model_dump()
    assert layers.current().sources["other"] == base.sources["other"]
    assert layers.faults == []
    assert layers.current().http.model_fields_set == base.http.model_fields_set


def test_a_value_is_laid_over_the_file_and_under_the_environment(base: Settings) -> None:
    over = overlay(sources__noc__poll_interval_seconds=10, sources__other__page_size=7)
    env = {"BRIDGE_SOURCES__OTHER__PAGE_SIZE": "9"}
    found = LayeredSettings(base, over, env=env).current()
    assert found.sources["noc"].poll_interval_seconds == 10
    assert found.sources["other"].page_size == base.sources["other"].page_size


def test_a_locked_key_is_as_the_file_has_it(base: Settings) -> None:
    found = LayeredSettings(base, overlay(sources__noc__url="http://elsewhere", log__level="debug"), env={}).current()
    assert (found.sources["noc"].url, found.log.level) == (URL, "debug")


def test_a_source_is_added(base: Settings) -> None:
    unlocked = base.model_copy(update={"console": base.console.model_copy(update={"locked": ()})})
    found = LayeredSettings(unlocked, overlay(sources__new__url=URL, sources__new__push=False), env={}).current()
    assert (found.sources["new"].url, found.sources["new"].push) == (URL, False)


def test_a_sealed_secret_takes_the_place_of_the_one_in_a_file(base: Settings, tmp_path: Path) -> None:
    sealed = SecretSeal.read(tmp_path / "key").seal("sources.noc.password", "n3w-secret")
    assert "n3w-secret" not in sealed
    found = LayeredSettings(base, overlay(sources__noc__password=sealed.encode()), env={}).current()
    assert found.sources["noc"].password.get_secret_value() == "n3w-secret"
    traced, origins = trace(None, {}, tmp_path, {"sources.noc.password": "n3w-secret"})
    assert traced.sources["noc"].password.get_secret_value() == "n3w-secret"
    assert str(origins["sources", "noc", "password"]) == "here"
    assert ("sources", "noc", "password_file") not in origins


def test_a_secret_that_the_environment_keeps_in_a_file_is_not_laid_over(base: Settings, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("from-the-environment\n")
    env = {"BRIDGE_SOURCES__NOC__PASSWORD_FILE": str(tmp_path / "other")}
    settings = load(None, env, tmp_path, {"sources.noc.password": "n3w-secret"})
    assert settings.sources["noc"].password.get_secret_value() == "from-the-environment"
    found = LayeredSettings(settings, overlay(sources__noc__password="n3w-secret"), env=env).current()
    assert found.sources["noc"].password.get_secret_value() == "from-the-environment"


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"sources__noc__poll_interval_seconds": 0}, "sources.noc.poll_interval_seconds = 0 (from here)"),
        ({"sources__noc__token": "t"}, "more than one way to log in"),
        ({"sources__gone__push": False}, "sources.gone.url: is missing"),
        ({"sources__noc__password": b"1.00000000.AAAA"}, "not in console.secret_key_file"),
    ],
)
def test_an_overlay_that_does_not_fit_is_left_out_and_says_why(base: Settings, values: Any, fault: str) -> None:
    layers = LayeredSettings(base, overlay(log__level="debug", **values), env={})
    assert layers.current() == base
    assert [each for each in layers.faults if fault in each], layers.faults


def test_the_variable_for_an_emergency_leaves_the_overlay_out(base: Settings) -> None:
    assert LayeredSettings(base, overlay(log__level="debug"), env={"BRIDGE_IGNORE_OVERLAY": "1"}).current() == base


def test_a_preview_names_every_fault(base: Settings) -> None:
    with pytest.raises(ConfigurationError) as caught:
        LayeredSettings(base, env={}).preview({"sources.noc.page_size": 0, "sources.noc.push": "perhaps"})
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize(
    ("name", "changeable", "secret"),
    [
        ("sources.noc.enabled", True, False),
        ("sources.noc.filter.status", True, False),
        ("sources.noc.password", True, True),
        ("sources.noc.headers", True, True),
        ("sources.noc.kind", False, False),
        ("sources.noc.password_file", False, False),
        ("sources.noc", False, False),
        ("sources", False, False),
        ("retention.versions_days", True, False),
        ("log.level", True, False),
        ("log.format", False, False),
        ("http.port", False, False),
        ("console.locked", False, False),
        ("data_dir", False, False),
        ("", False, False),
    ],
)
def test_what_a_running_bridge_can_take_over_may_be_set(name: str, changeable: bool, secret: bool) -> None:
    assert (is_changeable(name), is_secret(name)) == (changeable, secret)


def test_patterns_of_locked_keys() -> None:
    assert is_locked("sources.noc.url", ["sources.*.url"])
    assert is_locked("sources.noc.url", ["sources.noc.*"])
    assert not is_locked("sources.noc.url", ["sources.snow.*", "url"])
