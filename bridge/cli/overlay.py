"""Reading and taking back what was set in the console, for `config`."""

import os
from getpass import getuser

import anyio

from bridge.bootstrap import ensure_schema, open_database
from bridge.settings import Settings
from bridge.settings.overlay import SettingsOverlay
from bridge.storage import setting
from bridge.storage.setting import RevisionConflictError, SettingChange

DATABASE_SECONDS = 10


async def read(settings: Settings) -> SettingsOverlay:
    """Return what is set. TimeoutError when the database does not answer, BridgeError when it cannot be used."""
    with anyio.fail_after(DATABASE_SECONDS):
        async with open_database(settings, join=True, wait=False) as place, place.database.connection() as connection:
            return await setting.current(connection)


async def drop(settings: Settings) -> str:
    """Take back everything, and return what to say of it."""
    async with open_database(settings, join=True, wait=False) as place:
        await ensure_schema(place)
        while True:
            try:
                async with place.database.transaction() as connection:
                    overlay = await setting.current(connection)
                    if not overlay.entries:
                        return "nothing is set in the console"
                    changes = {
                        key: SettingChange(None if entry.sealed else entry.value, reset=True)
                        for key, entry in overlay.entries.items()
                    }
                    reason = "tmf656-bridge config --drop-overlay"
                    await setting.append(connection, overlay.revision, _user(), reason, changes, via="cli")
                return f"no longer set in the console: {', '.join(sorted(changes))}"
            except RevisionConflictError:  # somebody saved at this moment: that goes, too
                continue


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return f"user {os.getuid()}"
