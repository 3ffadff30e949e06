"""What a running bridge can take over of a configuration that was changed, and what needs a restart. Pure."""

from dataclasses import dataclass

from pydantic import BaseModel

from bridge.settings.model import Settings

_RELOADED = frozenset({"console", "links", "log.level", "retention"})
"""Keys and tables, beside the sources, that a running bridge takes over; another front process serves the console."""


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """The settings to run with from now on, and how they differ from those before.

    `added`, `changed`, `removed`: names of sources. `reloaded`: keys such as `log.level` that were taken over;
    `restart`: keys such as `http.port` that stay as they were until the next start.
    """

    settings: Settings
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    reloaded: tuple[str, ...]
    restart: tuple[str, ...]


def is_reloaded(key: str) -> bool:
    """Does a running bridge take this key over when it reads the configuration again?

    >>> is_reloaded("console.port"), is_reloaded("sources.noc.url"), is_reloaded("http.port")
    (True, True, False)
    """
    return key in _RELOADED or key.partition(".")[0] in {*_RELOADED, "sources"}


def change_of(before: Settings, read: Settings) -> SettingsChange:
    """Compare the settings in force with those just read."""
    reloaded: list[str] = []
    restart: list[str] = []
    for key in _different_keys(before, read):
        (reloaded if is_reloaded(key) else restart).append(key)
    log = before.log.model_copy(update={"level": read.log.level})
    taken = {name: getattr(read, name) for name in ("console", "links", "retention", "sources")} | {"log": log}
    return SettingsChange(
        settings=before.model_copy(update=taken),
        added=tuple(name for name in read.sources if name not in before.sources),
        changed=tuple(
            name for name, source in read.sources.items() if name in before.sources and source != before.sources[name]
        ),
        removed=tuple(name for name in before.sources if name not in read.sources),
        reloaded=tuple(reloaded),
        restart=tuple(restart),
    )


def _different_keys(before: Settings, now: Settings) -> list[str]:
    """Keys with different values, but those of sources."""
    different = []
    for section in type(before).model_fields:
        one, other = getattr(before, section), getattr(now, section)
        if section == "sources" or one == other:
            continue
        if isinstance(one, BaseModel) and isinstance(other, BaseModel):
            written = one.model_fields_set | other.model_fields_set  # others follow from these
            names = [name for name in type(one).model_fields if name in written]
            different += [f"{section}.{name}" for name in names if getattr(one, name) != getattr(other, name)]
        else:
            different.append(section)
    return different
