"""Writes the reference of the configuration out of its classes: `python -m bridge.settings.reference > FILE`."""

import json
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bridge.settings.kinds import KINDS
from bridge.settings.links import LinkFieldSettings, LinkSettings
from bridge.settings.model import SECTIONS, Settings
from bridge.settings.section import secret_names, section_of, text_of
from bridge.settings.source import (
    AuthorisationSettings,
    CallbackSettings,
    ConnectionSettings,
    MappingSettings,
    PullSettings,
    SourceSettings,
    TlsSettings,
    WriteSettings,
)

_INTRODUCTION = """# Configuration

One TOML file: `--config FILE`, else the file that `BRIDGE_CONFIG` names, else `bridge.toml` in the working directory,
else the defaults. Unknown keys are refused, and all faults are listed at once. `tmf656-bridge config` shows every value
in force and where it was set; `tmf656-bridge init` writes a first file.

**Environment.** Any key is also a variable: `BRIDGE_` and its path joined by `__`, for example
`BRIDGE_SOURCES__SNOW__PASSWORD`. A variable wins over the file. A list is written with commas, a table as JSON or as
`name=value; name=value`. An empty variable in the place of a secret that the file sets is refused.

**Secrets.** Keys marked *secret* may stand in a file of their own: `password_file = "/run/secrets/snow"`.

Relative paths count from the working directory.
"""
_SECTIONS: tuple[type[BaseModel], ...] = (
    ConnectionSettings,
    TlsSettings,
    AuthorisationSettings,
    PullSettings,
    MappingSettings,
    WriteSettings,
    CallbackSettings,
)


def reference() -> str:
    """The page as Markdown."""
    parts = [_INTRODUCTION, "## Top level\n", *_table(["data_dir"], Settings)]
    for name, model in SECTIONS.items():
        parts += [f"\n## `[{name}]`\n", f"{model.__doc__}\n", *_table(list(model.model_fields), model)]
    parts += [
        "\n## `[sources.NAME]`\n",
        "One table a source; NAME is made of `a-z`, `0-9`, `_` and `-`. Only `url` is needed.\n",
    ]
    named = {name for section in _SECTIONS for name in section.model_fields}
    parts += _table([name for name in SourceSettings.model_fields if name not in named], SourceSettings)
    for section in _SECTIONS:
        parts += [f"\n### {section.__name__.removesuffix('Settings')}\n", f"{section.__doc__}\n"]
        parts += _table(list(section.model_fields), section)
    for kind, model in KINDS.items():
        parts += [f'\n### Only with `kind = "{kind}"`\n', f"{model.__doc__}\n"]
        parts += _table([name for name in model.model_fields if _is_own(name, model)], model)
    parts += ["\n## `[links.NAME]`\n", f"{LinkSettings.__doc__} See [links](links.md).\n"]
    names = [name for name in LinkSettings.model_fields if name != "fields"]
    parts += [row.replace("`companions.", "`with.") for row in _table(names, LinkSettings)]
    parts += ["\n### `[links.NAME.fields.FIELD]`\n", f"{LinkFieldSettings.__doc__}\n"]
    parts += _table(list(LinkFieldSettings.model_fields), LinkFieldSettings)
    return "\n".join(parts) + "\n"


def _is_own(name: str, model: type[BaseModel]) -> bool:
    """Is this key of a kind no key of every kind, or has it another default?"""
    common = SourceSettings.model_fields.get(name)
    return common is None or (name != "kind" and model.model_fields[name].default != common.default)


def _table(names: list[str], model: type[BaseModel]) -> Iterator[str]:
    yield "| key | default | |"
    yield "|---|---|---|"
    for name in names:
        field = model.model_fields[name]
        inner = section_of(field)
        if inner is not None and inner is not SourceSettings:
            yield from (f"| `{name}.{row[3:]}" for row in list(_table(list(inner.model_fields), inner))[2:])
            continue
        secret = " *Secret.*" if name in secret_names(model) else ""
        yield f"| `{name}` | {_default(name, field)} | {_text(model, name)}{secret} |"


def _text(model: type[BaseModel], name: str) -> str:
    return text_of(model, name).replace("|", "\\|")


def _default(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    if name == "public_url":
        return "from host and port"
    if name == "data_dir":
        return '`".bridge"`'
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, SecretStr | Path | Enum):
        default = str(default)
    shown = json.dumps("" if default is None else default)
    return "" if shown == '""' else f"`{shown}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
