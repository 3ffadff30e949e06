"""Reading the configuration from file, environment and secret files, and saying all that is wrong with it at once."""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.errors import ConfigurationError
from bridge.settings.model import (
    SECTIONS,
    DatabaseSettings,
    HttpSettings,
    Key,
    Settings,
    SourceSettings,
    keys_of,
    model_at,
    secret_names,
)
from bridge.telemetry.redaction import MASK, mask

_PREFIX = "BRIDGE_"
_LONGEST_SHOWN = 120
_TABLES = {*SECTIONS, "sources"}


def _meant(word: str, known: list[str]) -> str:
    """`; did you mean X?` when something known is close to `word`, else the list when that is short."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(known)}" if known else ""


@dataclass
class _Draft:
    """A configuration being put together: the merged tables, which variable set what, and the faults so far."""

    tree: dict[str, Any]
    origins: dict[Key, str] = field(default_factory=dict)
    faults: dict[Key, list[str]] = field(default_factory=dict)

    def fault(self, key: Key, wrong: str, value: object = None) -> None:
        """Note what is wrong with `key`; `value` must not be a secret (None: not shown)."""
        shown = "" if value is None else f" = {_shown(value)}"
        origin = f" (from {self.origins[key]})" if key in self.origins else ""
        self.faults.setdefault(key, []).append(_printable(f"{'.'.join(key)}{shown}{origin}: {wrong}"))

    def tables(self) -> Iterator[tuple[Key, dict[str, Any], type[BaseModel]]]:
        """Every table that is a table, with the model it has to fit."""
        for name, model in SECTIONS.items():
            if isinstance(self.tree.get(name), dict):
                yield (name,), self.tree[name], model
        for name, table in self.sources().items():
            if isinstance(table, dict):
                yield ("sources", name), table, SourceSettings

    def sources(self) -> dict[str, Any]:
        """What stands below `sources`; empty when that is no table."""
        sources = self.tree.get("sources")
        return sources if isinstance(sources, dict) else {}

    def put(self, key: Key, value: str) -> None:
        """Set `key`, making the tables above it; what stands in the way stays, for validation to find."""
        table = self.tree
        for part in key[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                return
        table[key[-1]] = value


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = mask(text)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def load(config: Path | None = None, env: Mapping[str, str] = os.environ, cwd: Path | None = None) -> Settings:
    """Read `config`, else BRIDGE_CONFIG's file, else `cwd`/bridge.toml, else take the defaults; put `env` over that.

    Raises ConfigurationError with all faults.
    """
    return trace(config, env, cwd)[0]


def trace(
    config: Path | None = None, env: Mapping[str, str] = os.environ, cwd: Path | None = None
) -> tuple[Settings, dict[Key, str]]:
    """As `load`, and where each key that is set was set: the file, or the variable. A secret from a file of its own
    stands under its `…_file`.
    """
    cwd = Path.cwd() if cwd is None else cwd
    tree = _read_toml(config, env, cwd)
    named = str(config or _named_by_environment(env) or "bridge.toml")
    origins = dict.fromkeys(_keys_in(tree), named)
    draft = _Draft(tree)
    settings = _finished(draft, env, cwd)
    return settings, origins | draft.origins


def _keys_in(tree: dict[str, Any], above: Key = ()) -> Iterator[Key]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _keys_in(value, (*above, name))
        else:
            yield (*above, name)


def assemble(tree: dict[str, Any], env: Mapping[str, str], cwd: Path) -> Settings:
    """Make settings of a file's tables (used up) and the environment; all faults in one ConfigurationError."""
    return _finished(_Draft(tree), env, cwd)


def _finished(draft: _Draft, env: Mapping[str, str], cwd: Path) -> Settings:
    _apply_environment(draft, env)
    _apply_secret_files(draft, cwd)
    _check_together(draft)
    try:
        settings = Settings.model_validate(draft.tree, context={"cwd": cwd})
    except ValidationError as error:
        _explain(draft, error.errors(include_url=False))
    if draft.faults:
        raise ConfigurationError([fault for faults in draft.faults.values() for fault in faults])
    return settings


def _read_toml(config: Path | None, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
    named = config or _named_by_environment(env)
    path = cwd / (named or Path("bridge.toml")).expanduser()
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as error:
        if named is None:
            return {}
        raise ConfigurationError([f"{named}: no such configuration file; check --config or {_PREFIX}CONFIG"]) from error
    except OSError as error:
        raise ConfigurationError([f"{path}: the configuration cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            [f"{path}: the configuration is not UTF-8 (byte {error.start}); save it as UTF-8"]
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"{path}: is not valid TOML: {error}"]) from error


def _named_by_environment(env: Mapping[str, str]) -> Path | None:
    return next((Path(value) for name, value in env.items() if name.upper() == f"{_PREFIX}CONFIG" and value), None)


def _apply_environment(draft: _Draft, env: Mapping[str, str]) -> None:
    """Put every BRIDGE_ variable where it belongs.

    Unknown ones without `__` are left alone: a cluster sets BRIDGE_PORT and the like by itself for a neighbour called
    *bridge*.
    """
    sources = list(draft.sources())
    for variable, value in sorted(env.items()):
        path = variable.upper().removeprefix(_PREFIX).lower().split("__")
        if not variable.upper().startswith(_PREFIX):
            continue
        key = _key_of(path, sources)
        if key is not None:
            draft.origins[key] = variable
            draft.put(key, value)
        elif len(path) > 1:
            names = [*sources, "__".join(path[1:-1])]
            draft.fault((variable,), f"is not a variable this program knows{_meant_variable(variable, names)}")


def _key_of(path: list[str], sources: list[str]) -> Key | None:
    """The key that a variable with this lower-case path sets, None when there is none."""
    *tables, last = path
    if not tables:
        return (last,) if last == "data_dir" else None
    if tables[0] == "sources" and len(tables) > 1:
        name = "__".join(tables[1:])
        return ("sources", _configured(name, sources), last) if last in keys_of(SourceSettings) else None
    model = SECTIONS.get(tables[0]) if len(tables) == 1 else None
    return (tables[0], last) if model is not None and last in keys_of(model) else None


def _configured(name: str, sources: list[str]) -> str:
    """The configured source that a variable means by `name`; `_` also stands for `-`, which no shell allows there."""
    same = [one for one in sources if one.lower().replace("-", "_") == name.replace("-", "_")]
    return name if name in same or not same else same[0]


def _meant_variable(variable: str, sources: list[str]) -> str:
    known = ["data_dir", *(f"{section}__{key}" for section, model in SECTIONS.items() for key in keys_of(model))]
    known += [f"sources__{name}__{key}" for name in sources if name for key in keys_of(SourceSettings)]
    close = difflib.get_close_matches(variable.upper(), [f"{_PREFIX}{key.upper()}" for key in known], n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else "; a key's variable is BRIDGE_ and its path joined by __"


def _apply_secret_files(draft: _Draft, cwd: Path) -> None:
    """Replace every `…_file` of a secret by the secret."""
    for key, table, model in draft.tables():
        for name in secret_names(model):
            file = table.pop(f"{name}_file", "")
            if file == "":
                continue
            file_key = (*key, f"{name}_file")
            if table.get(name):
                draft.fault(file_key, f"is given beside {name}; give one of the two")
                continue
            try:
                table[name] = _read_secret(file, cwd)
            except ValueError as error:
                draft.fault(file_key, str(error), file)
                # Given, though not known: whatever else is checked is not to complain of it once more.
                draft.faults.setdefault((*key, name), [])
                table[name] = MASK


def _read_secret(file: object, cwd: Path) -> str:
    if not isinstance(file, str):
        raise ValueError("should be the path of a file")  # noqa: TRY004 - a fault of the configuration, not of the program
    try:
        secret = (cwd / Path(file).expanduser()).read_bytes().decode()
    except OSError as error:
        raise ValueError(
            f"cannot be read: {error.strerror}; name a file with the secret that this user may read"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8; put the secret there as text") from error
    secret = secret.removesuffix("\n").removesuffix("\r")
    if not secret or "\n" in secret:
        raise ValueError("should hold exactly one line, the secret")
    return secret


def _check_together(draft: _Draft) -> None:
    """Find what is wrong between keys of one table, by their presence: the values need not be valid yet."""
    for key, table, model in draft.tables():
        if model is SourceSettings:
            given = {name for name, value in table.items() if value not in ("", None)}
            _check_authorisation(draft, key, given)
            if "client_key_file" in given and "client_cert_file" not in given:
                draft.fault((*key, "client_key_file"), "needs client_cert_file beside it")
            _check_callback(draft, key, table, given)
        if model is HttpSettings and not table.get("tls_cert_file"):
            for name in ("tls_key_file", "tls_client_ca_file"):
                if table.get(name):
                    draft.fault((*key, name), "needs tls_cert_file beside it")
        if model is DatabaseSettings:
            least, most = (
                table.get(name, model.model_fields[name].default) for name in ("pool_min_size", "pool_max_size")
            )
            if isinstance(least, int) and isinstance(most, int) and least > most:
                draft.fault((*key, "pool_min_size"), f"should not be more than pool_max_size, which is {most}", least)


def _check_callback(draft: _Draft, key: Key, table: dict[str, Any], given: set[str]) -> None:
    both = {"callback_username", "callback_password"}
    if len(both & given) == 1:
        (missing,), (present,) = both - given, both & given
        draft.fault((*key, missing), f"is missing; {present} needs {missing} beside it")
    http = draft.tree.get("http")
    if table.get("callback_tls_subjects") and not (isinstance(http, dict) and http.get("tls_client_ca_file")):
        draft.fault((*key, "callback_tls_subjects"), "needs http.tls_client_ca_file: who is to have signed them?")


def _check_authorisation(draft: _Draft, key: Key, given: set[str]) -> None:
    oauth2 = ("oauth2_token_url", "oauth2_client_id", "oauth2_client_secret")
    ways = {
        "username and password": {"username", "password"} & given,
        "token": {"token"} & given,
        "oauth2_…": {*oauth2} & given,
    }
    used = [way for way, names in ways.items() if names]
    if len(used) > 1:
        draft.fault(key, f"has more than one way to log in ({', '.join(used)}); keep one")
    for together in (("username", "password"), oauth2):
        missing = [name for name in together if name not in given]
        if missing and len(missing) < len(together):
            present = next(name for name in together if name in given)
            draft.fault((*key, missing[0]), f"is missing; {present} needs {' and '.join(missing)} beside it")


def _explain(draft: _Draft, errors: list[ErrorDetails]) -> None:
    """Turn what pydantic found into faults, leaving out keys that have one already."""
    for error in errors:
        key = tuple(str(part) for part in error["loc"] if part != "[key]")
        if key in draft.faults or error["type"] == "default_factory_not_called":
            continue
        model = model_at(key[:-1])
        if error["type"] == "extra_forbidden":
            draft.fault(key, f"is not a key this program knows{_meant(key[-1], keys_of(model) if model else [])}")
            continue
        own = error.get("ctx", {}).get("error")
        wrong = str(own) if own else error["msg"].removeprefix("Input ")
        about = model.model_fields[key[-1]].description if model and key[-1] in model.model_fields else None
        if error["type"] == "missing":
            draft.fault(key, f"is missing; give {about}{_only_from_environment(draft, key)}")
            continue
        hidden = not model or key[-1] in secret_names(model) or key[-1] in _TABLES or isinstance(error["input"], dict)
        draft.fault(key, f"{wrong} ({about})" if about else wrong, None if hidden else error["input"])


def _only_from_environment(draft: _Draft, key: Key) -> str:
    """Say so when a source without URL is there only because a variable names it: mostly a misspelt name."""
    variables = [variable for one, variable in draft.origins.items() if one[:-1] == key[:-1]]
    if not variables or len(variables) != len(draft.sources().get(key[1], {})):
        return ""
    others = [name for name in draft.sources() if name != key[1]]
    return f"; {key[1]} is known only from {', '.join(variables)}{_meant(key[1], others)}"
