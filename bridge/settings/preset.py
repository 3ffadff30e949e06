"""Settings of rules to begin with: files in `presets/`, over which the table of a rule is put.

A preset names the kinds of system that its sides may have. Below `[when."left:KIND"]` stands what differs for a kind,
below `[when."left:KIND:TABLE"]` for one of its tables, below `[when."left:KIND right:KIND"]` for both together. An
empty table takes the place of a whole one.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

NONE: Final = "none"
_FOLDER: Final = Path(__file__).parent / "presets"

Table = dict[str, Any]


def preset_names() -> list[str]:
    """The names of all presets."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


@cache
def preset_text(name: str) -> str:
    """A preset as its file has it."""
    return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def preset_table(name: str, sides: Mapping[str, tuple[str, str]]) -> tuple[Table, dict[str, list[str]]]:
    """Return the settings of a preset, and the kinds that each side may have.

    `sides`: for left and right the kind of its source and, where it has one, the table that is read.
    """
    table = tomllib.loads(preset_text(name))
    kinds: dict[str, list[str]] = table.pop("sides")
    variants: Table = table.pop("when", {})
    for variant in _variants(sides):
        table = overlaid(table, variants.get(variant, {}))
    return table, kinds


def overlaid(below: Table, over: Table) -> Table:
    """Return a table with another one over it, key by key; an empty table takes the place of what stands below."""
    merged = dict(below)
    for name, value in over.items():
        under = merged.get(name)
        if isinstance(under, dict) and isinstance(value, dict) and value:
            merged[name] = overlaid(under, value)
        else:
            merged[name] = value
    return merged


def _variants(sides: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    for side, (kind, table) in sides.items():
        yield f"{side}:{kind}"
        if table:
            yield f"{side}:{kind}:{table}"
    forms = [[kind, f"{kind}:{table}"] for kind, table in sides.values()]
    yield from (" ".join(map(":".join, zip(sides, both, strict=True))) for both in product(*forms))
