"""Settings made in the console: what they are laid over, and which keys may be set there. Pure but for the key file.

Order: default < file < overlay < environment. An operator can slow a poll in an incident although the file says
otherwise; what the deployment sets by variables stays fixed, and `console.locked` in the file forbids keys.

An overlay that no longer fits the file (a source was taken out, another way to log in was put in) is left out as a
whole, which the log says with every fault: the bridge runs with the file rather than not at all.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import structlog

from bridge.errors import BridgeError, ConfigurationError
from bridge.settings.model import Settings, field_at, model_at
from bridge.settings.read import overlaid
from bridge.settings.secret_seal import SecretSeal
from bridge.settings.section import Key, secret_names

log = structlog.get_logger(__name__)

IGNORE = "BRIDGE_IGNORE_OVERLAY"
_RELOADED_TABLES = frozenset({"retention"})
_RELOADED_KEYS = frozenset({"log.level"})
_FIXED_FIELDS = frozenset({"kind"})
_PER_SOURCE = 3


@dataclass(frozen=True, slots=True)
class OverlayEntry:
    """One setting: `value`, or `sealed` for a secret; who set it and when."""

    value: Any
    sealed: str | None
    made_by: str
    made_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class SettingsOverlay:
    """Everything that is set in the console, by dotted key. `revision`: the newest one, 0 before the first."""

    revision: int = 0
    entries: Mapping[str, OverlayEntry] = field(default_factory=dict)

    def without(self, keys: Iterable[str]) -> "SettingsOverlay":
        """Return it without these keys."""
        dropped = set(keys)
        return SettingsOverlay(self.revision, {key: entry for key, entry in self.entries.items() if key not in dropped})

    def values(self, seal: SecretSeal | None) -> dict[str, Any]:
        """Return the values, secrets opened. PermanentError when a secret cannot be opened."""
        return {
            key: entry.value if entry.sealed is None else (seal or SecretSeal(())).open(key, entry.sealed)
            for key, entry in self.entries.items()
        }


def key_of(name: str) -> Key:
    """Split a dotted key.

    >>> key_of("sources.noc.url")
    ('sources', 'noc', 'url')
    """
    return tuple(name.split("."))


def is_changeable(name: str) -> bool:
    """Can a running bridge take this key over, so that it may be set in the console?

    >>> is_changeable("sources.noc.poll_interval_seconds"), is_changeable("http.port"), is_changeable("sources.noc.x")
    (True, False, False)
    """
    key = key_of(name)
    if key[0] == "sources" and len(key) >= _PER_SOURCE:
        known = model_at(key[:-1])
        return known is not None and key[-1] in known.model_fields and key[-1] not in _FIXED_FIELDS
    return name in _RELOADED_KEYS or (key[0] in _RELOADED_TABLES and len(key) == 2 and field_at(key) is not None)


def is_locked(name: str, patterns: Iterable[str]) -> bool:
    """Does the file forbid to set this key in the console? `*` in a pattern stands for anything.

    >>> is_locked("sources.noc.url", ["sources.*.url"]), is_locked("sources.noc.url", ["log.level"])
    (True, False)
    """
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def is_secret(name: str) -> bool:
    """Is the value of this key never shown?"""
    key = key_of(name)
    model = model_at(key[:-1])
    return model is not None and key[-1] in secret_names(model)


@dataclass(slots=True)
class LayeredSettings:
    """The configuration as the process was started with it, or as it was read again, and the overlay over it."""

    base: Settings
    overlay: SettingsOverlay = field(default_factory=SettingsOverlay)
    faults: list[str] = field(default_factory=list)
    """Why the overlay is not in force; empty when it is."""
    env: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def current(self) -> Settings:
        """Return the settings in force; an overlay that is not in force is logged."""
        settings = self.resolved()
        if self.faults:
            log.warning(
                "settings made in the console are not in force",
                faults=self.faults,
                remedy="correct them there or in the file, or run `tmf656-bridge config --drop-overlay`",
            )
        return settings

    def resolved(self) -> Settings:
        """Return the settings in force, and note in `faults` why the overlay is not."""
        self.faults = []
        try:
            values = self.values()
            return overlaid(self.base, values, self.env) if values else self.base
        except ConfigurationError as error:
            self.faults = error.faults
        except BridgeError as error:
            self.faults = [str(error)]
        return self.base

    def values(self) -> dict[str, Any]:
        """Return what is set here and not locked. PermanentError when a secret cannot be opened."""
        if self.env.get(IGNORE):
            return {}
        values = self.overlay.values(self._seal())
        return {name: value for name, value in values.items() if not is_locked(name, self.base.console.locked)}

    def preview(self, values: Mapping[str, Any]) -> Settings:
        """Return the settings as they would be with these values; ConfigurationError with every fault."""
        return overlaid(self.base, values, self.env)

    def _seal(self) -> SecretSeal | None:
        path = self.base.console.secret_key_file
        return None if path is None else SecretSeal.read(path)
