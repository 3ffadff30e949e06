"""Environment variables over the file: BRIDGE_ and the path of a key joined by `__`."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from bridge.settings.console import OidcSettings
from bridge.settings.draft import Draft, Layer, Origin
from bridge.settings.kinds import any_kind
from bridge.settings.links import LinkSettings
from bridge.settings.model import SECTIONS, model_at
from bridge.settings.section import Key, keys_of, secret_names, section_of

PREFIX = "BRIDGE_"


def named_file(env: Mapping[str, str]) -> Path | None:
    """The configuration file that BRIDGE_CONFIG names."""
    return next((Path(value) for name, value in env.items() if name.upper() == f"{PREFIX}CONFIG" and value), None)


def apply_environment(draft: Draft, env: Mapping[str, str]) -> None:
    """Put every BRIDGE_ variable where it belongs.

    Unknown ones without `__` are left alone: a cluster sets BRIDGE_PORT and the like by itself for a neighbour called
    *bridge*.
    """
    sources = list(draft.sources())
    for variable, value in sorted(env.items()):
        path = variable.upper().removeprefix(PREFIX).lower().split("__")
        if not variable.upper().startswith(PREFIX):
            continue
        key = _key_of(path, sources)
        if key is not None:
            _apply(draft, key, variable, value)
        elif len(path) > 1:
            names = [*sources, "__".join(path[1:-1])]
            draft.fault((variable,), f"is not a variable this program knows{_likely(variable, names)}")


def _apply(draft: Draft, key: Key, variable: str, value: str) -> None:
    before = draft.get(key)
    if value == "" and before not in (None, "", {}) and _is_secret(key):
        instead = " and start an embedded Postgres" if key[0] == "database" else ""
        place = draft.origins.get(key, "the file")
        draft.origins[key] = Origin(Layer.ENVIRONMENT, variable)
        draft.fault(
            key,
            f"is empty, which would take the place of the value in {place}{instead}; "
            f"unset {variable}, or take {key[-1]} out of the file",
        )
        return
    draft.put(key, value, Origin(Layer.ENVIRONMENT, variable))


def _is_secret(key: Key) -> bool:
    model = model_at(key[:-1])
    return model is not None and key[-1].removesuffix("_file") in secret_names(model)


def _key_of(path: list[str], sources: list[str]) -> Key | None:
    """The key that a variable with this lower-case path sets, None when there is none."""
    *tables, last = path
    if not tables:
        return (last,) if last == "data_dir" else None
    if tables[0] == "links" and len(tables) > 1:
        return _link_key(tables[1:], last)
    if tables[0] != "sources" or len(tables) == 1:
        model = model_at(tuple(tables)) if tables[0] in SECTIONS else None
        return (*tables, last) if model is not None and last in keys_of(model) else None
    if last in keys_of(any_kind()):
        return ("sources", _configured("__".join(tables[1:]), sources), last)
    inner = section_of(any_kind().model_fields[tables[-1]]) if tables[-1] in any_kind().model_fields else None
    if inner is not None and last in keys_of(inner) and len(tables) > 2:
        return ("sources", _configured("__".join(tables[1:-1]), sources), tables[-1], last)
    return None


def _link_key(tables: list[str], last: str) -> Key | None:
    """The key of a rule that a variable sets; tables that the operator names keys of are for the file alone."""
    name = "__".join(tables)
    if last in keys_of(LinkSettings):
        return ("links", name, last)
    section = section_of(LinkSettings.model_fields[tables[-1]]) if tables[-1] in LinkSettings.model_fields else None
    if section is not None and tables[-1] != "fields" and last in keys_of(section) and len(tables) > 1:
        return ("links", "__".join(tables[:-1]), tables[-1], last)
    return None


def _configured(name: str, sources: list[str]) -> str:
    """The configured source that a variable means by `name`; `_` also stands for `-`, which no shell allows there."""
    same = [one for one in sources if one.lower().replace("-", "_") == name.replace("-", "_")]
    return name if name in same or not same else same[0]


def _likely(variable: str, sources: list[str]) -> str:
    known = ["data_dir", *(f"{section}__{key}" for section, model in SECTIONS.items() for key in keys_of(model))]
    known += [f"console__oidc__{key}" for key in keys_of(OidcSettings)]
    known += [f"sources__{name}__{key}" for name in sources if name for key in keys_of(any_kind())]
    close = difflib.get_close_matches(variable.upper(), [f"{PREFIX}{key.upper()}" for key in known], n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else "; a key's variable is BRIDGE_ and its path joined by __"
