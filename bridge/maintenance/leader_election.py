"""Being the one process that asks: polls, reconciles, fetches, registers and prunes, while others on the same database
only listen.

The lease is renewed well before it expires. When it cannot be renewed in time, because Postgres is away or we were
paused, the work is cancelled: by then another process may have it. Writes that must not come from two (watermarks,
registrations, deletions) go through `Fence.hold` besides, because a process that was paused does not know it. Stopping
cleanly releases the lease; after a kill it is free at once, since no connection of its holder is left.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any

import anyio
import structlog

from bridge.errors import DatabaseUnavailableError
from bridge.schedule import jittered
from bridge.storage import lease
from bridge.storage.database import Database
from bridge.storage.lease import LEADER, LeaderFence

log = structlog.get_logger(__name__)

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0
_RELEASE_SECONDS = 1.0


@dataclass(slots=True)
class LeaderElection:
    """Runs `work` while this process holds the lease; `on_change` is told when it gains (True) or loses it."""

    database: Database
    fence: LeaderFence
    work: Callable[[], Coroutine[Any, Any, None]]
    on_change: Callable[[bool], None] = lambda _: None
    lease_seconds: float = LEASE_SECONDS
    renew_seconds: float = RENEW_SECONDS

    async def run(self) -> None:
        """Take the lease whenever it can be had, and work under it."""
        try:
            while True:
                taken_at = monotonic()
                if await self._take():
                    await self._lead(taken_at)
                else:
                    await anyio.sleep(jittered(self.renew_seconds))
        finally:
            await self._release()

    async def _lead(self, taken_at: float) -> None:
        log.info("leading", token=self.fence.token)
        self.on_change(True)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self.work)
                await self._renew(taken_at)
                group.cancel_scope.cancel()
        finally:
            self.on_change(False)
        log.warning("no longer leading")

    async def _renew(self, renewed_at: float) -> None:
        """Return when the lease is lost, or may be."""
        while True:
            await anyio.sleep(self.renew_seconds)
            started_at = monotonic()
            with anyio.move_on_after(max(0.1, renewed_at + self.lease_seconds - started_at)):
                token = self.fence.token
                if await self._take():
                    if self.fence.token != token:
                        return
                    renewed_at = started_at
                    continue
                if self.fence.token is None:
                    return
            if monotonic() - renewed_at >= self.lease_seconds:
                return

    async def _take(self) -> bool:
        """Take or renew. False when somebody else has it (the token is gone then) or Postgres is away (it stays)."""
        try:
            async with self.database.connection() as connection:
                token = await lease.take(connection, LEADER, self.database.identity, seconds=self.lease_seconds)
        except DatabaseUnavailableError as error:
            log.debug("lease cannot be renewed", error=str(error))
            return False
        self.fence.token = token
        return token is not None

    async def _release(self) -> None:
        with anyio.move_on_after(_RELEASE_SECONDS, shield=True):
            try:
                async with self.database.connection(timeout_seconds=_RELEASE_SECONDS) as connection:
                    await lease.release(connection, LEADER, self.database.identity)
            except DatabaseUnavailableError as error:
                log.debug("lease not released", error=str(error))
