"""What a running bridge takes over of a configuration that was changed, and what needs a restart."""

from typing import Any

from bridge.settings import Settings
from bridge.settings.changes import change_of


def settings(**tables: Any) -> Settings:
    return Settings.model_validate(tables)


SNOW = {"url": "https://snow.example/v4"}


def test_sources_are_added_changed_and_removed_by_name() -> None:
    before = settings(sources={"snow": SNOW, "rain": SNOW, "hail": SNOW})
    now = settings(sources={"snow": SNOW | {"poll_interval_seconds": 5}, "hail": SNOW, "fog": SNOW})
    change = change_of(before, now)
    assert (change.added, change.changed, change.removed) == (("fog",), ("snow",), ("rain",))
    assert change.settings.sources == now.sources
    assert change.reloaded == change.restart == ()


def test_a_changed_secret_is_a_change() -> None:
    before, now = (settings(sources={"snow": SNOW | {"token": token}}) for token in ("first-token", "second-token"))
    assert change_of(before, now).changed == ("snow",)


def test_log_level_and_retention_are_taken_over() -> None:
    now = settings(log={"level": "debug", "format": "json"}, retention={"dead_letters_days": 7})
    change = change_of(settings(), now)
    assert change.reloaded == ("log.level", "retention.dead_letters_days")
    assert change.settings.log.level == "debug"
    assert change.settings.retention.dead_letters_days == 7
    assert change.restart == ("log.format",)
    assert change.settings.log.format == "auto"


def test_the_console_is_taken_over_as_a_whole() -> None:
    now = settings(console={"enabled": True, "port": 1, "admin_token": "t" * 16}, http={"port": 1})
    change = change_of(settings(), now)
    assert change.reloaded == ("console.enabled", "console.port", "console.admin_token")
    assert change.settings.console == now.console
    assert change.restart == ("http.port",)


def test_what_needs_a_restart_is_named_by_its_key_and_stays() -> None:
    now = settings(
        data_dir="elsewhere",
        database={"dsn": "postgresql:///elsewhere"},
        http={"port": 1, "public_url": "https://bridge.example"},
        journal={"max_bytes": 0},
    )
    before = settings()
    change = change_of(before, now)
    assert change.restart == ("data_dir", "database.dsn", "http.port", "http.public_url", "journal.max_bytes")
    assert change.settings == before


def test_nothing_changed_is_no_change() -> None:
    before = settings(sources={"snow": SNOW})
    change = change_of(before, settings(sources={"snow": SNOW}))
    assert (change.added, change.changed, change.removed, change.reloaded, change.restart) == ((), (), (), (), ())
