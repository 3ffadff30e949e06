"""What the HTTP server reaches of the bridge at this moment, and how the bridge is: nothing while it starts."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bridge.domain.stream_event import StreamFilter
from bridge.errors import DatabaseUnavailableError, TransientError
from bridge.journal.journal import Journal
from bridge.schedule import Job
from bridge.storage.database import Database
from bridge.stream.broadcaster import Broadcaster
from bridge.stream.follower import Follower
from bridge.web.ops.health import Readiness


@dataclass(slots=True)
class Backend:
    """The parts of the bridge that requests need; None until each is there."""

    database: Database | None = None
    journal: Journal | None = None
    broadcaster: Broadcaster | None = None
    state_writer: Job | None = None
    """The job that writes into Postgres every few seconds: while it fails, writing fails."""
    receiving: bool = False
    stopping: bool = False

    def follow(self, wish: StreamFilter) -> AbstractAsyncContextManager[Follower]:
        """Follow the changes; TransientError while the bridge starts."""
        if self.broadcaster is None:
            raise TransientError("starting", retry_after_seconds=2)
        return self.broadcaster.follow(wish)

    async def readiness(self) -> Readiness:
        """Say how the bridge is, and what keeps it from being ready."""
        if self.stopping:
            return Readiness("stopping", ["stopping"])
        if self.database is None:
            return Readiness("starting", ["waiting for Postgres"])
        if not self.receiving:
            return Readiness("starting", ["starting"])
        unwritable = []
        if self.journal is not None and self.journal.problem is not None:
            unwritable = [f"the local journal cannot be written: {self.journal.problem}"]
        try:
            await self.database.check_writes()
        except DatabaseUnavailableError as error:
            if self.journal is None or self.journal.full:
                return Readiness("unavailable", [str(error), *unwritable])
            kept = f"notifications are kept in the local journal, {self.journal.waiting} so far"
            return Readiness("degraded", [f"{error}; {kept}"])
        missing = [*unwritable, *self._refused_writes()]
        return Readiness("degraded", missing) if missing else Readiness("ready")

    def _refused_writes(self) -> list[str]:
        """Postgres answers, and may refuse writes all the same: its disk is full, or it is read-only."""
        if self.state_writer is None or self.state_writer.error is None:
            return []
        return [f"Postgres answers but refuses writes: {self.state_writer.error}"]
