"""Reading the configuration: file, overlay over it, environment over both; all faults reported at once."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from bridge.errors import ConfigurationError
from bridge.settings import toml_file
from bridge.settings.check import check_shape, check_together
from bridge.settings.draft import Draft, Layer, Origin, printable, suggestion
from bridge.settings.environment import PREFIX, apply_environment, named_file
from bridge.settings.kinds import KINDS
from bridge.settings.model import SECTIONS, Settings, field_at, model_at, text_at
from bridge.settings.secret_file import apply_secret_files
from bridge.settings.section import Key, is_pairs, keys_of, secret_names

_TABLES = {*SECTIONS, "sources", "links"}
_DATABASE_PARTS = {"host", "port", "user", "username", "password", "name", "dbname", "database", "url", "uri"}


def load(
    config: Path | None = None,
    env: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
    overlay: Mapping[str, Any] | None = None,
) -> Settings:
    """Read `config`, else BRIDGE_CONFIG's file, else `cwd`/bridge.toml, else take the defaults; put `overlay` (dotted
    keys) over that, and `env` over both.

    Raises ConfigurationError with all faults.
    """
    return trace(config, env, cwd, overlay)[0]


def trace(
    config: Path | None = None,
    env: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
    overlay: Mapping[str, Any] | None = None,
) -> tuple[Settings, dict[Key, Origin]]:
    """As `load`, and the origin of each key that is set. A secret from a file of its own stands under its `…_file`."""
    cwd = Path.cwd() if cwd is None else cwd
    draft = _read_file(config, env, cwd)
    settings = _finished(draft, env, cwd, overlay or {})
    return settings, draft.origins


def assemble(tree: dict[str, Any], env: Mapping[str, str], cwd: Path) -> Settings:
    """Make settings of a file's tables (used up) and the environment; all faults in one ConfigurationError."""
    return _finished(Draft(tree), env, cwd, {})


def overlaid(settings: Settings, overlay: Mapping[str, Any], env: Mapping[str, str] = os.environ) -> Settings:
    """Return settings that were read before with `overlay` (dotted keys) over them, but for what `env` sets.

    For processes that receive their settings and read no file. Raises ConfigurationError with all faults.
    """
    fixed = environment_keys(overlay, settings.sources, env)
    chosen = {name: value for name, value in overlay.items() if name not in fixed}
    if not chosen:
        return settings
    laid_over = _finished(Draft(_tree(settings)), {}, Path.cwd(), chosen)
    tables = {name.split(".")[0] for name in chosen}
    return settings.model_copy(update={table: getattr(laid_over, table) for table in tables})


def environment_keys(
    names: Iterable[str], sources: Iterable[str] = (), env: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return which of these dotted keys a variable sets, and the variable; also that of a secret's file. `sources`:
    those that are configured.
    """
    known = {name.split(".")[1] for name in names if name.startswith("sources.")} | set(sources)
    draft = Draft({"sources": {name: {} for name in known}})
    apply_environment(draft, env)
    found = {".".join(key): str(origin) for key, origin in draft.origins.items()}
    return {
        name: found.get(name) or found[f"{name}_file"] for name in names if name in found or f"{name}_file" in found
    }


def _tree(value: Any) -> Any:
    """The tables that settings were made of, secrets included; what nobody set is left out."""
    if isinstance(value, BaseModel):
        return {name: _tree(getattr(value, name)) for name in value.model_fields_set}
    if isinstance(value, dict):
        return {name: _tree(each) for name, each in value.items()}
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _finished(draft: Draft, env: Mapping[str, str], cwd: Path, overlay: Mapping[str, Any]) -> Settings:
    check_shape(draft)
    fixed = environment_keys(overlay, draft.sources(), env)
    for name, value in overlay.items():
        if name not in fixed:
            _put_overlay(draft, tuple(name.split(".")), value)
    apply_environment(draft, env)
    apply_secret_files(draft, cwd)
    check_together(draft)
    if draft.get(("links",)):
        from bridge.settings.check_links import check_links  # noqa: PLC0415 -- imports what only links need

        check_links(draft)
    settings = None
    try:
        settings = Settings.model_validate(draft.tree, context={"cwd": cwd})
    except ValidationError as error:
        _explain(draft, error.errors(include_url=False))
    faults = [fault for faults in draft.faults.values() for fault in faults]
    if faults or settings is None:
        raise ConfigurationError(faults)
    return settings


def _put_overlay(draft: Draft, key: Key, value: Any) -> None:
    """Set a key; a secret also takes the place of the file that held it."""
    draft.put(key, value, Origin(Layer.OVERLAY, "here"))
    table = draft.get(key[:-1])
    if isinstance(table, dict) and table.pop(f"{key[-1]}_file", None) is not None:
        draft.origins.pop((*key[:-1], f"{key[-1]}_file"), None)


def _read_file(config: Path | None, env: Mapping[str, str], cwd: Path) -> Draft:
    named = config or named_file(env)
    path = cwd / (named or Path("bridge.toml")).expanduser()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        if named is None:
            return Draft({})
        raise ConfigurationError([f"{named}: no such configuration file; check --config or {PREFIX}CONFIG"]) from error
    except OSError as error:
        raise ConfigurationError([f"{path}: the configuration cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            [f"{path}: the configuration is not UTF-8 (byte {error.start}); save it as UTF-8"]
        ) from error
    file = toml_file.parse(text, _may_be_shown)
    draft = Draft(file.tree)
    for key, line, wrong in file.faults:
        place = f"{path}, line {line}" if line else str(path)
        name = f"{'.'.join(key)} ({place})" if key else place
        draft.faults.setdefault(key, []).append(printable(f"{name}: {wrong}"))
    for key in _keys_in(file.tree):
        line = file.lines.get(key) or next(
            (file.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in file.lines), 0
        )
        draft.origins[key] = Origin(Layer.FILE, f"{named or path.name}:{line}" if line else str(named or path.name))
    return draft


def _may_be_shown(key: Key) -> bool:
    """Is the value of this key no secret? What is not known may be a misspelt secret."""
    model = model_at(key[:-1])
    return model is not None and key[-1] in model.model_fields and key[-1] not in secret_names(model)


def _keys_in(tree: dict[str, Any], above: Key = ()) -> Iterator[Key]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _keys_in(value, (*above, name))
        else:
            yield (*above, name)


_EXPECTED: Final = {
    "int_parsing": "should be a whole number",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "string_type": "should be a text in quotes",
    "dict_type": "should be a table, {name = value}",
    "model_type": "should be a table, {name = value}",
    "model_attributes_type": "should be a table, {name = value}",
    "list_type": "should be a list in brackets",
    "tuple_type": "should be a list in brackets",
}
"""Kind of fault → what to write, in the words of TOML instead of Python's."""


def _explain(draft: Draft, errors: list[ErrorDetails]) -> None:
    """Turn what pydantic found into faults, leaving out keys that have one already."""
    for error in errors:
        key = tuple(str(part) for part in error["loc"] if part != "[key]")
        if key in draft.faults or error["type"] == "default_factory_not_called":
            continue
        if error["type"] == "extra_forbidden":
            draft.fault(key, f"is not a key this program knows{_known_elsewhere(draft, key)}")
            continue
        own = error.get("ctx", {}).get("error")
        wrong = str(own) if own else _EXPECTED.get(error["type"], error["msg"].removeprefix("Input "))
        field = field_at(key)
        about = text_at(key)
        if error["type"] == "missing":
            draft.fault(key, f"is missing; give {about}{_only_from_environment(draft, key)}")
            continue
        model = model_at(key[:-1])
        secret = field is None or is_pairs(field) or (model is not None and key[-1] in secret_names(model))
        hidden = secret or key[-1] in _TABLES or isinstance(error["input"], dict)
        draft.fault(key, f"{wrong} ({about})" if about else wrong, None if hidden else error["input"])


def _known_elsewhere(draft: Draft, key: Key) -> str:
    """Where a key that is not known here belongs, or the one that was meant."""
    value = draft.get(key)
    name = key[-1]
    if len(key) == 1 and isinstance(value, dict) and "url" in value:
        return f"; a source is a table of its own: write [sources.{name}]"
    kinds = [kind for kind, one in KINDS.items() if name in keys_of(one)]
    if kinds and len(key) > 2 and key[0] == "sources":
        return f"; it is a key of kind = {' or '.join(kinds)}"
    model = draft.source_model(key[1]) if len(key) == 3 and key[0] == "sources" else model_at(key[:-1])
    likely = suggestion(name, keys_of(model) if model else [])
    if "did you mean" in likely:
        return likely
    if key[0] == "database" and name in _DATABASE_PARTS:
        return '; the whole address is one key: dsn = "postgresql://user:password@host:5432/database"'
    places = [f"[{section}]" for section, one in SECTIONS.items() if name in keys_of(one)]
    places += ["[sources.NAME]"] if kinds else []
    return f"; it belongs below {' or '.join(places)}" if places else likely


def _only_from_environment(draft: Draft, key: Key) -> str:
    """Say so when a source without URL is there only because a variable names it: mostly a misspelt name."""
    variables = [
        str(origin) for one, origin in draft.origins.items() if one[:2] == key[:2] and origin.layer is Layer.ENVIRONMENT
    ]
    if not variables or len(variables) != len(draft.sources().get(key[1], {})):
        return ""
    others = [name for name in draft.sources() if name != key[1]]
    return f"; {key[1]} is known only from {', '.join(variables)}{suggestion(key[1], others)}"
