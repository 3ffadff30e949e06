"""Reading and taking back what was set in the console, for `config`."""

import anyio

from bridge.bootstrap import ensure_schema, open_database
from bridge.cli.audited import entry, who
from bridge.settings import Settings
from bridge.settings.overlay import SettingsOverlay
from bridge.storage import audit, setting
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
                    number = await setting.append(connection, overlay.revision, who(), reason, changes, via="cli")
                    before = {key: change.before for key, change in changes.items()}
                    row = entry("configuration.save", f"revision {number}", before=before, reason=reason)
                    await audit.record(connection, row)
                return f"no longer set in the console: {', '.join(sorted(changes))}"
            except RevisionConflictError:  # somebody saved at this moment: that goes, too
                continue
