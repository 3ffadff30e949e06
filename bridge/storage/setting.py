"""Settings made in the console: `bridge.setting_revision`, to which rows are only added, and what follows from it.

Two who save what they made from the same revision: one gets the next number, the other `RevisionConflictError` and
nothing is written. A crash leaves a whole revision or none.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import orjson
from msgspec import Struct

from bridge.errors import PermanentError
from bridge.settings.overlay import OverlayEntry, SettingsOverlay
from bridge.storage.database import Connection
from bridge.storage.dead_letter import clean
from bridge.storage.queries import queries

Via = Literal["console", "cli", "api"]


class RevisionConflictError(PermanentError):
    """Somebody else saved meanwhile: look at what they changed, and save again."""


class SettingChange(Struct, frozen=True):
    """A change of one key. `before`: the value in force (of a secret: whether it was set). `sealed`: the secret,
    encrypted; `reset`: the key is no longer set here, and `value` means nothing.
    """

    before: Any
    value: Any = None
    sealed: str | None = None
    reset: bool = False

    def shown(self) -> dict[str, Any]:
        """As it is kept: no secret."""
        if self.reset:
            return {"before": self.before, "reset": True}
        if self.sealed is not None:
            return {"before": self.before, "secret": True}
        return {"before": self.before, "value": self.value}


class SettingRevision(Struct, frozen=True):
    """A revision as its history shows it. `changes`: key → before and value, secret or reset."""

    id: int
    made_at: datetime
    via: Via
    made_by: str
    reason: str
    changes: dict[str, dict[str, Any]]


async def revision(connection: Connection) -> int:
    """Return the number of the newest revision, 0 before the first."""
    return int(await connection.fetchval(queries("setting")["revision"]))


async def current(connection: Connection) -> SettingsOverlay:
    """Return everything that is set now. Run inside a transaction that sees one moment, or take a later revision."""
    newest = await revision(connection)
    entries = {}
    for row in await connection.fetch(queries("setting")["current"]):
        value = None if row["value"] is None else orjson.loads(row["value"])
        entries[row["key"]] = OverlayEntry(value, row["sealed"], row["made_by"], row["made_at"], row["revision"])
    return SettingsOverlay(newest, entries)


async def append(
    connection: Connection, base: int, made_by: str, reason: str, changes: Mapping[str, SettingChange], *, via: Via
) -> int:
    """Add a revision that was made from revision `base`; return its number. RevisionConflictError when there is
    another one since.
    """
    shown = orjson.dumps({key: change.shown() for key, change in changes.items()})
    sealed = orjson.dumps({key: change.sealed for key, change in changes.items() if change.sealed is not None})
    number = await connection.fetchval(queries("setting")["append"], base, via, made_by, clean(reason), shown, sealed)
    if number is None:
        raise RevisionConflictError("somebody else has changed the configuration since this page was loaded")
    return int(number)


async def history(connection: Connection, *, before: int, limit: int) -> list[SettingRevision]:
    """Return revisions below `before`, the newest first."""
    return [
        SettingRevision(**dict(row) | {"changes": orjson.loads(row["changes"])})
        for row in await connection.fetch(queries("setting")["history"], before, limit)
    ]


async def values_at(connection: Connection, number: int) -> tuple[dict[str, Any], list[str]]:
    """Return the values that were set after revision `number`, and the keys of secrets that were: those stay as they
    are, because an old secret is of no use.
    """
    values, secrets = {}, []
    for row in await connection.fetch(queries("setting")["at"], number):
        if row["secret"]:
            secrets.append(row["key"])
        elif not row["reset"]:
            values[row["key"]] = None if row["value"] is None else orjson.loads(row["value"])
    return values, secrets
