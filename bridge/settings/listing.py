"""Every setting with its value and where it comes from, as a page lists them. Pure.

Secrets are said to be set or not, never shown. The origin is that of the layer that wins: environment, then what was
set in the console, then the file, then the default.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from bridge.settings.changes import is_reloaded
from bridge.settings.draft import Layer
from bridge.settings.model import SECTIONS, Settings
from bridge.settings.overlay import LayeredSettings, OverlayEntry, is_changeable, is_locked, is_secret
from bridge.settings.read import environment_keys
from bridge.settings.section import section_of, text_of


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting. `value`: as text that may be entered again; of a secret "set" or "". `origin`: default, file,
    environment or here; `variable`: the one that sets it. `entry`: what was set here, in force or not.
    """

    key: str
    value: str
    secret: bool
    origin: str
    variable: str
    entry: OverlayEntry | None
    locked: bool
    changeable: bool
    about: str

    @property
    def editable(self) -> bool:
        """May it be set in the console?"""
        return self.changeable and not self.locked and not self.variable

    @property
    def effect(self) -> str:
        """When a changed value is used."""
        if self.changeable:
            return "at once"
        return "SIGHUP" if is_reloaded(self.key) else "restart"


def setting_rows(layers: LayeredSettings) -> list[SettingRow]:
    """List every setting in force; those of sources last."""
    settings = layers.resolved()
    leaves = list(_leaves(settings))
    variables = environment_keys([key for key, *_ in leaves], settings.sources, layers.env)
    written = {key for key, *_ in _written(layers.base)}
    return [_row(layers, key, value, about, variables.get(key, ""), written) for key, value, about in leaves]


def value_at(settings: Settings, key: str) -> Any:
    """Return the value of a key as JSON has it; of a secret whether it is set. KeyError for an unknown key."""
    for name, value, _ in _leaves(settings):
        if name == key:
            return ("set" if _is_set(value) else "not set") if is_secret(key) else _json(value)
    raise KeyError(key)


def as_text(value: Any) -> str:
    """Write a value as it may be entered again.

    >>> as_text(True), as_text(10.0), as_text(("a b", "c")), as_text(None)
    ('true', '10', '["a b", "c"]', '')
    """
    value = _json(value)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return json.dumps(value)


def from_text(text: str) -> Any:
    """Read what was entered: JSON where it begins as a list or table, else the text, which validation reads.

    >>> from_text(" 10 "), from_text('["a b"]'), from_text("[broken")
    ('10', ['a b'], '[broken')
    """
    text = text.strip()
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _row(
    layers: LayeredSettings, key: str, value: Any, about: str, variable: str, written: Iterable[str]
) -> SettingRow:
    secret = is_secret(key)
    entry = layers.overlay.entries.get(key)
    locked = is_locked(key, layers.base.console.locked)
    origin = Layer.FILE if key in written else Layer.DEFAULT
    if variable:
        origin = Layer.ENVIRONMENT
    elif entry is not None and not locked and not layers.faults:
        origin = Layer.OVERLAY
    return SettingRow(
        key=key,
        value=("set" if _is_set(value) else "") if secret else as_text(value),
        secret=secret,
        origin="here" if origin is Layer.OVERLAY else origin.value,
        variable=variable,
        entry=entry,
        locked=locked,
        changeable=is_changeable(key),
        about=about,
    )


def _leaves(settings: Settings) -> Iterator[tuple[str, Any, str]]:
    """Yield key, value and description of every setting."""
    yield "data_dir", settings.data_dir, text_of(Settings, "data_dir")
    for name in SECTIONS:
        yield from _of_table(f"{name}.", getattr(settings, name))
    for name, source in settings.sources.items():
        yield from _of_table(f"sources.{name}.", source)


def _of_table(above: str, table: BaseModel) -> Iterator[tuple[str, Any, str]]:
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if section_of(field) is not None and isinstance(value, BaseModel):
            yield from _of_table(f"{above}{name}.", value)
        else:
            yield f"{above}{name}", value, text_of(type(table), name)


def _written(settings: Settings) -> Iterator[tuple[str, Any, str]]:
    """Yield the settings that somebody set."""
    for key, value, about in _leaves(settings):
        *tables, name = key.split(".")
        table: Any = settings
        for part in tables:
            table = table[part] if isinstance(table, Mapping) else getattr(table, part)
        if name in table.model_fields_set:
            yield key, value, about


def _is_set(value: Any) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _json(value: Any) -> Any:
    """A value as JSON has it; whole numbers without a point."""
    if isinstance(value, dict):
        return {str(name): _json(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_json(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return "***" if isinstance(value, SecretStr) else value
