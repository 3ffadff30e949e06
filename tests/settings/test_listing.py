"""Every setting is listed once, with its origin, and no secret."""

from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.settings import Settings, load
from bridge.settings.listing import as_text, from_text, setting_rows, value_at
from bridge.settings.overlay import LayeredSettings, OverlayEntry, SettingsOverlay
from tests.settings.conftest import SECRET, URL

AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def layers(tmp_path: Path) -> LayeredSettings:
    (tmp_path / "key").write_text(b64encode(bytes(32)).decode())
    (tmp_path / "bridge.toml").write_text(
        f"""
        [database]
        dsn = "postgresql://me:{SECRET}@db.example/bridge"
        [console]
        locked = ["sources.*.url"]
        [sources.noc]
        url = "{URL}"
        username = "me"
        password = "{SECRET}"
        headers = {{"X-API-Key" = "{SECRET}"}}
        status_map = {{"Awaiting vendor" = "pending"}}
        filter = {{category = ["two words", "x"]}}
        since = 2026-01-31
        """
    )
    env = {"BRIDGE_SOURCES__NOC__PAGE_SIZE": "7"}
    entries = {
        "sources.noc.poll_interval_seconds": OverlayEntry(10, None, "anna", AT, 3),
        "sources.noc.page_size": OverlayEntry(9, None, "anna", AT, 3),
        "sources.noc.url": OverlayEntry("http://x", None, "anna", AT, 3),
    }
    return LayeredSettings(load(env=env, cwd=tmp_path), SettingsOverlay(3, entries), env=env)


def test_each_setting_has_its_origin(layers: LayeredSettings) -> None:
    rows = {row.key: row for row in setting_rows(layers)}
    assert len(rows) == len(setting_rows(layers))
    found = {
        key: (rows[key].value, rows[key].origin, rows[key].editable)
        for key in (
            "data_dir",
            "log.level",
            "database.dsn",
            "sources.noc.url",
            "sources.noc.page_size",
            "sources.noc.poll_interval_seconds",
            "sources.noc.password",
            "sources.noc.token",
            "sources.noc.filter.category",
            "sources.noc.filter.status",
            "sources.noc.kind",
        )
    }
    assert found.pop("data_dir")[1:] == ("default", False)
    assert found == {
        "log.level": ("info", "default", True),
        "database.dsn": ("set", "file", False),
        "sources.noc.url": (URL, "file", False),
        "sources.noc.page_size": ("7", "environment", False),
        "sources.noc.poll_interval_seconds": ("10", "here", True),
        "sources.noc.password": ("set", "file", True),
        "sources.noc.token": ("", "default", True),
        "sources.noc.filter.category": ('["two words", "x"]', "file", True),
        "sources.noc.filter.status": ("", "default", True),
        "sources.noc.kind": ("tmf656", "default", False),
    }
    assert rows["sources.noc.page_size"].variable == "BRIDGE_SOURCES__NOC__PAGE_SIZE"
    assert rows["sources.noc.poll_interval_seconds"].entry is not None
    assert SECRET not in repr(list(rows.values()))


def test_every_value_that_may_be_set_can_be_entered_as_it_is_shown(layers: LayeredSettings) -> None:
    before = layers.resolved()
    values: dict[str, Any] = {
        row.key: from_text(row.value)
        for row in setting_rows(layers)
        if row.changeable and not row.secret and row.value != "" and not row.variable
    }
    after = LayeredSettings(layers.base, env=layers.env).preview(values)
    for key in values:
        assert value_at(after, key) == value_at(before, key), key


def test_the_value_of_a_secret_is_whether_it_is_set(layers: LayeredSettings) -> None:
    settings: Settings = layers.base
    assert (value_at(settings, "sources.noc.password"), value_at(settings, "sources.noc.token")) == ("set", "not set")
    assert value_at(settings, "sources.noc.status_map") == {"Awaiting vendor": "pending"}
    with pytest.raises(KeyError):
        value_at(settings, "sources.gone.url")


def test_text_is_read_as_what_it_was_written_from() -> None:
    for value in (True, 10, 0.25, "words", ["a b", "c"], {"a": "b"}):
        assert as_text(from_text(as_text(value))) == as_text(value)
