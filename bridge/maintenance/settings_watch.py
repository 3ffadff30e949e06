"""Taking over settings that were made in the console, in every process that runs.

Each process looks every other second, as it does for callback secrets: one read of one row. What it read is handed over
whole; a revision that arrives meanwhile is found the next time. While Postgres is away nothing changes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from bridge.schedule import Job, every, run_job
from bridge.settings.overlay import SettingsOverlay
from bridge.storage import setting
from bridge.storage.database import Database
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0


@dataclass(slots=True)
class SettingsWatch:
    """Hands over the settings of the console whenever there is a new revision. `revision`: the one taken over last."""

    database: Database
    metrics: Metrics
    take_over: Callable[[SettingsOverlay], Awaitable[None]]
    revision: int = 0

    async def run(self) -> None:
        """Look every other second, until cancelled."""
        await run_job(Job("settings", self.metrics), self.run_once, every(_EVERY_SECONDS), wait_first=True)

    async def run_once(self) -> bool:
        """Take over what is new; return whether there was anything."""
        async with self.database.connection() as connection:
            if await setting.revision(connection) == self.revision:
                return False
            overlay = await setting.current(connection)
        log.info("settings of the console changed", revision=overlay.revision, keys=sorted(overlay.entries))
        await self.take_over(overlay)
        self.revision = overlay.revision
        return True
