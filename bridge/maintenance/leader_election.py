"""Elects one leader among the processes on a database: it polls, reconciles, fetches, registers and prunes, while the
others only receive notifications.

The leader renews its lease well before it expires. When it cannot renew in time, because Postgres is away or the
process was paused, its work is cancelled: another process may hold the lease by then. Since a process does not know
that it was paused, writes of the leader (watermarks, registrations, deletions) also check the lease in their own
transaction (`LeaderFence.hold`). A clean stop releases the lease; after a kill another process can take it at once,
because the holder has no connection left.
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
    """Runs `work` while this process holds the lease; `on_change` is called when it gains (True) or loses it."""

    database: Database
    fence: LeaderFence
    work: Callable[[], Coroutine[Any, Any, None]]
    on_change: Callable[[bool], None] = lambda _: None
    lease_seconds: float = LEASE_SECONDS
    renew_seconds: float = RENEW_SECONDS

    async def run(self) -> None:
        """Take the lease whenever it is free, and run the work while it is held."""
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
        """Renew until the lease is lost, or may be lost."""
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
        """Take or renew the lease; return whether it is ours.

        The token is dropped when another process holds the lease, and kept while Postgres is away.
        """
        try:
            async with self.database.connection() as connection:
                with self.fence.renewal():
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
