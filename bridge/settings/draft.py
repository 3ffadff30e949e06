"""A configuration being put together: the merged tables, where each value comes from, and the faults so far."""

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from bridge.settings.kinds import KINDS, any_kind
from bridge.settings.model import SECTIONS
from bridge.settings.section import Key, section_of
from bridge.settings.source import DEFAULT_KIND
from bridge.telemetry.redaction import mask

_LONGEST_SHOWN = 120


class Layer(StrEnum):
    """Where a value can be set, from the weakest to the strongest."""

    DEFAULT = "default"
    FILE = "file"
    OVERLAY = "overlay"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was set: the layer, and the line of the file or the variable."""

    layer: Layer = Layer.DEFAULT
    place: str = ""

    def __str__(self) -> str:
        """The place where there is one."""
        return self.place or self.layer.value


@dataclass(slots=True)
class Draft:
    """See the module docstring."""

    tree: dict[str, Any]
    origins: dict[Key, Origin] = field(default_factory=dict)
    faults: dict[Key, list[str]] = field(default_factory=dict)

    def fault(self, key: Key, wrong: str, value: object = None) -> None:
        """Add what is wrong with `key`; `value` must not be a secret (None: not shown)."""
        shown_value = "" if value is None else f" = {shown(value)}"
        origin = self.origins.get(key)
        place = f" (from {origin})" if origin is not None and origin.layer in (Layer.ENVIRONMENT, Layer.OVERLAY) else ""
        self.faults.setdefault(key, []).append(printable(f"{'.'.join(key)}{shown_value}{place}: {wrong}"))

    def tables(self) -> Iterator[tuple[Key, dict[str, Any], type[BaseModel]]]:
        """Every table that is a table, with the class it has to fit."""
        for name, model in SECTIONS.items():
            if isinstance(self.tree.get(name), dict):
                yield (name,), self.tree[name], model
                yield from _inner((name,), self.tree[name], model)
        for name, table in self.sources().items():
            if isinstance(table, dict):
                yield ("sources", name), table, self.source_model(name)

    def sources(self) -> dict[str, Any]:
        """What stands below `sources`; empty when that is no table."""
        sources = self.tree.get("sources")
        return sources if isinstance(sources, dict) else {}

    def source_model(self, name: str) -> type[BaseModel]:
        """The class of a source, by its kind; of a kind that there is not, one with all keys."""
        kind = self.get(("sources", name, "kind"))
        return KINDS.get(DEFAULT_KIND if kind is None else str(kind)) or any_kind()

    def get(self, key: Key) -> object:
        """The value at `key`, None where there is none."""
        table: Any = self.tree
        for part in key:
            if not isinstance(table, dict):
                return None
            table = table.get(part)
        return table

    def put(self, key: Key, value: object, origin: Origin) -> None:
        """Set `key`, making the tables above it; a value in the place of a table stays, for validation to find."""
        self.origins[key] = origin
        table = self.tree
        for part in key[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                return
        table[key[-1]] = value


def _inner(
    key: Key, table: dict[str, Any], model: type[BaseModel]
) -> Iterator[tuple[Key, dict[str, Any], type[BaseModel]]]:
    """The tables within a table that are tables."""
    for name, one in model.model_fields.items():
        section = section_of(one)
        if section is not None and isinstance(table.get(name), dict):
            yield (*key, name), table[name], section


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` when something known is close to `word`, else the list when there is one."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.7)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(names)}" if names else ""


def printable(text: str) -> str:
    """The text with what would move a terminal's cursor, or hide, escaped."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def shown(value: object) -> str:
    """A value as JSON, short and without secrets."""
    text = mask(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
