"""The writer: notifications into Postgres, many in one transaction, each answered only after it.

A group commit of what was posted (`bridge.storage.observation_store` stores a batch in one transaction). While Postgres
works for one batch, the event loop reads, decides and answers for the other. When Postgres is away the whole batch
fails with DatabaseUnavailableError: no sender is answered that something was kept.

A crash before the commit leaves nothing of the batch and no sender answered; a crash after it leaves everything stored
and some senders unanswered, whose second try is then a duplicate.
"""

from collections.abc import Callable, Hashable, Sequence
from time import perf_counter, time

from bridge.errors import BridgeError
from bridge.ingest.group_commit import MIB, GroupCommit
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.observation import Stored
from bridge.storage.observation_store import Item, store_items
from bridge.telemetry.metrics import Metrics


class Writer(GroupCommit[Item, str]):
    """Results are outcomes: `applied`, `unchanged`, `duplicate`, `stale`, `dead_letter`. `on_stored` gets what each
    commit did (which sources have problems to be fetched).
    """

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        *,
        max_rows: int = 512,
        max_waiting: int = 8192,
        max_waiting_bytes: int = 64 * MIB,
        patience_seconds: float | None = None,
        on_stored: Callable[[Stored], None] | None = None,
    ) -> None:
        """Prepare; `run` does the work. The limits are those of `GroupCommit`."""
        super().__init__(
            self._store,
            _size_bytes,
            key=_problem_id,
            max_rows=max_rows,
            max_waiting=max_waiting,
            max_waiting_bytes=max_waiting_bytes,
            patience_seconds=patience_seconds,
        )
        self._database = database
        self._metrics = metrics
        self._on_stored = on_stored
        metrics.waiting.set_function(lambda: self.waiting)

    async def _store(self, items: Sequence[Item]) -> list[str]:
        started = perf_counter()
        try:
            stored = await store_items(self._database, items)
        except BridgeError:
            self._metrics.commit_failures.inc()
            raise
        self._metrics.commit_rows.observe(len(items))
        self._metrics.commit_seconds.observe(perf_counter() - started)
        self._metrics.last_commit.set(time())
        if self._on_stored is not None and stored.refetch:
            self._on_stored(stored)
        return stored.outcomes


def _problem_id(item: Item) -> Hashable:
    if isinstance(item, DeadLetter):
        return item.problem_id
    return item.observation.problem_id if item.observation else None


def _size_bytes(item: Item) -> int:
    if isinstance(item, DeadLetter):
        return len(item.raw)
    event, seen = item.notification, item.observation
    return (len(event.body) if event else 0) + (len(seen.body) if seen else 0)
