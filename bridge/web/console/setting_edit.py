"""A form that changes settings: what it asks for, whether that is possible, and what it would change. Nothing is saved.

Fields: `set:KEY` with a value as text, `reset:KEY`, `secret:KEY`, and `sealed:KEY` for a secret that a review has
encrypted, so that no page ever holds it again. The block of a source has plain names and a field `source`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.errors import ConfigurationError, PermanentError
from bridge.settings import Settings
from bridge.settings.listing import as_text, from_text, value_at
from bridge.settings.overlay import LayeredSettings, is_changeable, is_locked, is_secret
from bridge.settings.read import environment_keys
from bridge.settings.secret_seal import SecretSeal
from bridge.storage.setting import SettingChange

BLOCK: Final = ("enabled", "poll_interval_seconds", "url", "username")
SHORTEST_SECONDS: Final = 10
_INTERVAL = ".poll_interval_seconds"
_ADDRESSES = frozenset({"url", "proxy", "oauth2_token_url", "verify_tls", "ca_file"})


@dataclass(slots=True)
class SettingsEdit:
    """What a form asks for, by key. `short` is confirmed: an interval below `SHORTEST_SECONDS`; `typed_source`: the
    name of a source typed to confirm another url.
    """

    values: dict[str, Any] = field(default_factory=dict)
    resets: set[str] = field(default_factory=set)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    sealed: dict[str, str] = field(default_factory=dict)
    short: bool = False
    typed_source: str = ""

    @property
    def keys(self) -> list[str]:
        """Every key it is about."""
        return sorted(self.values.keys() | self.resets | self.secrets.keys() | self.sealed.keys())

    def leave_out(self, keys: Iterable[str]) -> None:
        """Ask for these values no longer."""
        for key in keys:
            del self.values[key]


@dataclass(frozen=True, slots=True)
class ReviewedChange:
    """One change: texts for a person, and what is saved."""

    key: str
    before: str
    after: str
    change: SettingChange


@dataclass(frozen=True, slots=True)
class EditReview:
    """What would change. `faults`: everything that keeps it from being saved; `moved`: sources whose url would be
    another, which has to be confirmed.
    """

    changes: Sequence[ReviewedChange]
    faults: Sequence[str]
    moved: Sequence[str] = ()
    settings: Settings | None = field(default=None, repr=False)


def is_guarded(key: str) -> bool:
    """Does a change of this key take a recent login? With another address, or with a secret, one reads what is not
    theirs to read.

    >>> is_guarded("sources.noc.url"), is_guarded("sources.noc.password"), is_guarded("sources.noc.page_size")
    (True, True, False)
    """
    return is_secret(key) or is_address(key)


def is_address(key: str) -> bool:
    """Does this key say where passwords are sent to, or how it is known who is there?"""
    return key.startswith("sources.") and key.rpartition(".")[2] in _ADDRESSES


def untouched(edit: SettingsEdit, then: Mapping[str, Any], base: Settings) -> list[str]:
    """Return the keys whose values the form has as its page had them: a form sends all of its fields, also those that
    nobody changed. `then`: what was set here when the page was loaded, `base`: what holds where nothing is.
    """
    return [
        key
        for key, value in edit.values.items()
        if as_text(value) == as_text(then[key] if key in then else _value_or_none(base, key))
    ]


def read_edit(form: Mapping[str, Sequence[str]]) -> SettingsEdit:
    """Read the fields of a form; empty secrets mean no change."""
    edit = SettingsEdit(short=_last(form, "short") == "yes", typed_source=_last(form, "typed_source").strip())
    for name in form:
        kind, colon, key = name.partition(":")
        text = _last(form, name)
        if not colon or not key:
            continue
        if kind == "set" and not (text and is_secret(key)):
            edit.values[key] = from_text(text)
        elif kind in ("set", "secret") and text:
            edit.secrets[key] = text
        elif kind == "reset":
            edit.resets.add(key)
        elif kind == "sealed":
            edit.sealed[key] = text
    source = _last(form, "source").strip()
    if source:
        _read_block(edit, form, source)
    return edit


def _read_block(edit: SettingsEdit, form: Mapping[str, Sequence[str]], source: str) -> None:
    for name in BLOCK:
        if name in form:
            edit.values[f"sources.{source}.{name}"] = from_text(_last(form, name))
    if _last(form, "password"):
        edit.secrets[f"sources.{source}.password"] = _last(form, "password")
    if _last(form, "clear_password") == "yes":
        edit.values[f"sources.{source}.password"] = ""


def review(layers: LayeredSettings, edit: SettingsEdit) -> EditReview:
    """Say what an edit would change, or every fault it has."""
    current = layers.resolved()
    faults = _forbidden(layers, edit)
    seal: SecretSeal | None = None
    secrets: dict[str, str] = {}
    try:
        seal = _seal(layers) if edit.secrets or edit.sealed else None
        secrets = _secrets(edit, seal)
        after = layers.preview(_values(layers, edit, secrets))
    except ConfigurationError as error:
        faults += error.faults
    except PermanentError as error:
        faults.append(str(error))
    if faults:
        return EditReview((), faults)
    changes = list(_changes(layers, current, after, edit, secrets, seal))
    if any(_is_short(each) for each in changes) and not edit.short:
        faults.append(
            f"an interval below {SHORTEST_SECONDS} s loads the source: confirm it, or take {SHORTEST_SECONDS} to 86400"
        )
    known = {f"sources.{name}.url" for name in current.sources if name in after.sources}
    moved = [each.key.split(".")[1] for each in changes if each.key in known]
    return EditReview(changes, faults, moved, after)


def _forbidden(layers: LayeredSettings, edit: SettingsEdit) -> list[str]:
    """Say which keys cannot be set here at all; taking one back is always possible."""
    keys = [key for key in edit.keys if key not in edit.resets]
    variables = environment_keys([key for key in keys if is_changeable(key)], layers.base.sources, layers.env)
    faults = []
    for key in keys:
        if not is_changeable(key):
            faults.append(f"{key} cannot be set here: change the file, and restart the bridge where it needs that")
        elif is_locked(key, layers.base.console.locked):
            faults.append(f"{key} is locked by console.locked in the file")
        elif key in variables:
            faults.append(f"{key} is set by the variable {variables[key]}: change it there")
    return faults


def _seal(layers: LayeredSettings) -> SecretSeal:
    path = layers.base.console.secret_key_file
    if path is None:
        raise PermanentError("secrets cannot be set here without console.secret_key_file: set it in the file")
    return SecretSeal.read(path)


def _secrets(edit: SettingsEdit, seal: SecretSeal | None) -> dict[str, str]:
    opened = {} if seal is None else {key: seal.open(key, text) for key, text in edit.sealed.items()}
    return opened | edit.secrets


def _values(layers: LayeredSettings, edit: SettingsEdit, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return the whole overlay as it would be, secrets opened."""
    kept = LayeredSettings(layers.base, layers.overlay.without(edit.keys), env=layers.env)
    return kept.values() | edit.values | dict(secrets)


def _changes(
    layers: LayeredSettings,
    current: Settings,
    after: Settings,
    edit: SettingsEdit,
    secrets: Mapping[str, str],
    seal: SecretSeal | None,
) -> Iterator[ReviewedChange]:
    for key in edit.keys:
        before = _value_or_none(current, key)
        entry = layers.overlay.entries.get(key)
        if key in edit.resets:
            if entry is not None:
                shown = as_text(_value_or_none(after, key)) or "not set"
                yield ReviewedChange(key, as_text(before), f"as configured: {shown}", SettingChange(before, reset=True))
        elif key in secrets and seal is not None:
            sealed = edit.sealed.get(key) or seal.seal(key, secrets[key])
            yield ReviewedChange(key, as_text(before), "another secret", SettingChange(before, sealed=sealed))
        else:
            value = "" if is_secret(key) else value_at(after, key)
            if value_at(after, key) != before:
                shown = "not set" if is_secret(key) else as_text(value)
                yield ReviewedChange(key, as_text(before), shown, SettingChange(before, value))


def _value_or_none(settings: Settings, key: str) -> Any:
    try:
        return value_at(settings, key)
    except KeyError:
        return None


def _is_short(each: ReviewedChange) -> bool:
    value = each.change.value
    return each.key.endswith(_INTERVAL) and isinstance(value, int | float) and value < SHORTEST_SECONDS


def _last(form: Mapping[str, Sequence[str]], name: str) -> str:
    return form[name][-1] if form.get(name) else ""
