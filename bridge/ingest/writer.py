"""The writer: notifications into Postgres, many in one transaction, each answered only after it.

`GroupCommit` gathers what waits; one transaction stores it (`bridge.storage.observation_store`), and a second at the
same time, for other problems: while Postgres works for one batch we read, decide and answer for the other. When
Postgres is away the whole batch fails with DatabaseUnavailableError: no sender is answered that something was kept.

A crash before the commit leaves nothing of the batch and no sender answered; a crash after it leaves everything stored
and some senders unanswered, whose second try is then a duplicate.
"""

from collections.abc import Callable, Hashable, Sequence
from time import perf_counter, time

from bridge.errors import BridgeError
from bridge.ingest.group_commit import MIB, Caller, GroupCommit
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.observation import Stored
from bridge.storage.observation_store import Item, store_items
from bridge.telemetry.metrics import Metrics


class Writer:
    """The group commit into Postgres. `on_stored` is told, after each, which sources have problems to be fetched."""

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
        self._database = database
        self._metrics = metrics
        self._on_stored = on_stored
        self._group = GroupCommit(
            self._commit,
            _size_of,
            key=_problem_of,
            max_rows=max_rows,
            max_waiting=max_waiting,
            max_waiting_bytes=max_waiting_bytes,
            patience_seconds=patience_seconds,
        )
        metrics.waiting.set_function(lambda: self._group.waiting)

    async def put(self, item: Item) -> str:
        """Store one item and return its outcome (`applied`, `unchanged`, `duplicate`, `stale`, `dead_letter`) after the
        commit. Raises as `GroupCommit.put` does.
        """
        return await self._group.put(item)

    def tell(self, committed: Callable[[Sequence[Item], Sequence[str]], None]) -> None:
        """Call this from now on with what was stored and its outcomes, just before each batch's callers go on."""
        self._group.on_committed = committed

    def enqueue(self, item: Item, caller: Caller[str]) -> None:
        """Have one item stored and its caller told, as `GroupCommit.enqueue` does."""
        self._group.enqueue(item, caller)

    async def run(self) -> None:
        """Store batch after batch, until cancelled; whoever still waits then is told."""
        await self._group.run()

    async def _commit(self, items: Sequence[Item]) -> list[str]:
        started = perf_counter()
        try:
            stored = await store_items(self._database, items)
        except BridgeError:
            self._metrics.commit_failures.inc()
            raise
        self._metrics.commit_rows.observe(len(items))
        self._metrics.commit_seconds.observe(perf_counter() - started)
        self._metrics.last_commit.set(time())
        if self._on_stored is not None:
            self._on_stored(stored)
        return stored.outcomes


def _problem_of(item: Item) -> Hashable:
    if isinstance(item, DeadLetter):
        return item.problem_id
    return item.observation.problem_id if item.observation else None


def _size_of(item: Item) -> int:
    if isinstance(item, DeadLetter):
        return len(item.raw)
    heard, seen = item.notification, item.observation
    return (len(heard.body) if heard else 0) + (len(seen.body) if seen else 0)
