"""Keeps the columns of `report.service_problem_extra` as configured, also after the configuration is read again.

Only the leader does this, and its write is fenced. The view changes in one transaction; a crash leaves it as it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio
import structlog

from bridge.errors import BridgeError
from bridge.storage import extra_column
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 5.0
_AGAIN_SECONDS = 300.0

Columns = Mapping[str, Mapping[str, str]]
"""Source → name of the column → path."""


@dataclass(slots=True)
class ExtraColumns:
    """Writes the extra columns of one database. `wanted` returns the configured columns."""

    database: Database
    wanted: Callable[[], Columns]
    fence: LeaderFence = field(default_factory=LeaderFence)

    async def run(self) -> None:
        """Write the columns whenever the configured ones differ from those written."""
        written: Columns | None = None
        while True:
            wanted = self.wanted()
            try:
                if wanted != written:
                    await self.run_once(wanted)
                    written = wanted
                await anyio.sleep(_EVERY_SECONDS)
            except BridgeError as error:
                log.warning("extra columns failed", error=str(error), remedy="see sources.NAME.columns")
                await anyio.sleep(_AGAIN_SECONDS)

    async def run_once(self, wanted: Columns) -> None:
        """Write these columns."""
        async with self.database.transaction() as connection:
            await self.fence.hold(connection)
            if await extra_column.write(connection, wanted):
                log.info("extra columns changed", columns=sorted({name for each in wanted.values() for name in each}))
