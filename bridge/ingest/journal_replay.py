"""Brings what the local journal kept into Postgres, in order of arrival, once Postgres takes it again.

A batch is read and stored like bodies that were just received, and dropped from the journal after the commit. A crash
between the two replays the batch: facts are sets and events have digests, so the second time changes nothing. A post
that cannot be stored is set aside, those behind it go on. Each process replays its own journal; no lease is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from bridge.domain.observation import Notification
from bridge.domain.vocabulary import BUILT_IN
from bridge.errors import TransientError, UnreadableError
from bridge.ingest.receiver import ReadItem, count_dead_letter, count_notifications, dead_letter, read
from bridge.journal.journal import Journal
from bridge.journal.post import Post
from bridge.schedule import Backoff, Job, Wake, run_job
from bridge.sources.state import SourceState
from bridge.storage import source as source_table
from bridge.storage.database import Database
from bridge.storage.observation_store import store_items
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_BATCH = 500
_IDLE_SECONDS = 1.0
_BACKOFF_LAST_SECONDS = 2.0


@dataclass(slots=True)
class Replayer:
    """Empties one journal into a database."""

    journal: Journal
    database: Database
    sources: Mapping[str, SourceState]
    metrics: Metrics
    wake: Wake = field(default_factory=Wake)

    async def run(self) -> None:
        """Replay what waits, trying again every second or two while Postgres is away."""
        backoff = Backoff(first_seconds=0.2, last_seconds=_BACKOFF_LAST_SECONDS)
        await run_job(Job("journal_replay", self.metrics), self.run_once, self._wait, backoff=backoff)

    async def _wait(self) -> None:
        if not self.journal.waiting:
            await self.wake.wait(_IDLE_SECONDS)

    async def run_once(self) -> int:
        """Replay one batch; return how many posts. TransientError while Postgres is away."""
        if not self.journal.waiting:
            await self.journal.check()
            self.show()
            return 0
        self.show()
        numbered = await self.journal.first(_BATCH)
        aside = await self._store_isolating(numbered)
        if numbered:
            await self.journal.drop(numbered[-1][0], aside=aside)
            log.info("replayed from the journal", posts=len(numbered) - len(aside), waiting=self.journal.waiting)
        self.show()
        return len(numbered)

    async def _store_isolating(self, numbered: Sequence[tuple[int, Post]]) -> list[int]:
        """Store posts; return the numbers of those that cannot be stored, which must not keep back those behind them.
        TransientError when Postgres is away.
        """
        try:
            await self.store([post for _, post in numbered])
        except TransientError:
            raise
        except Exception as error:  # what one sender sent is one compartment, also when it meets a defect of ours
            if len(numbered) > 1:
                middle = len(numbered) // 2
                aside = await self._store_isolating(numbered[:middle])
                return aside + await self._store_isolating(numbered[middle:])
            for number, post in numbered:
                log.exception(
                    "a notification cannot be stored, kept in the journal until the next start",
                    source=post.source,
                    number=number,
                    error=str(error),
                )
            return [number for number, _ in numbered]
        return []

    async def store(self, posts: Sequence[Post]) -> None:
        """Store posts in order. TransientError when Postgres is away."""
        read_items: list[tuple[SourceState | None, ReadItem]] = []
        for post in posts:
            source, source_id = await self._source_of(post)
            if source_id is None:
                log.warning(
                    "journalled notification dropped: its source is neither configured nor in the database",
                    source=post.source,
                )
            else:
                read_items += [(source, item) for item in _read(source_id, post, source)]
        if not read_items:
            return
        stored = await store_items(self.database, [each.item for _, each in read_items])
        for source in self.sources.values():
            if stored.refetch[source.source_id]:
                source.refetch_wake.call("replayed")
        by_source: dict[str, list[tuple[Notification, str]]] = {}
        for (source, each), outcome in zip(read_items, stored.outcomes, strict=True):
            if source is None:
                continue
            if each.error is not None:
                count_dead_letter(self.metrics, source, each.error)
            elif each.notification is not None:
                by_source.setdefault(source.name, []).append((each.notification, outcome))
        for name, notifications in by_source.items():
            count_notifications(self.metrics, self.sources[name], notifications)

    async def _source_of(self, post: Post) -> tuple[SourceState | None, int | None]:
        """Return the source and its key: also of a source that is not configured any more; None for an unknown one. A
        damaged post may have a damaged name, and its dead letter needs a source: it gets the first.
        """
        source = self.sources.get(post.source)
        if source is not None:
            return source, source.source_id
        async with self.database.connection() as connection:
            former_id = await source_table.find(connection, post.source)
        if former_id is None and post.damaged:
            source = next(iter(self.sources.values()), None)
            return source, None if source is None else source.source_id
        return None, former_id

    def show(self) -> None:
        """Set the metrics of the journal."""
        self.metrics.journal_waiting.set(self.journal.waiting + self.journal.aside)
        self.metrics.journal_unwritable.set(self.journal.problem is not None)
        self.metrics.journal_bytes.set(self.journal.waiting_bytes)
        oldest_at = self.journal.oldest_at
        self.metrics.journal_oldest.set(oldest_at.timestamp() if oldest_at else 0)


def _read(source_id: int, post: Post, source: SourceState | None) -> list[ReadItem]:
    if not post.damaged:
        vocabulary, chosen = (source.vocabulary, source.filter) if source else (BUILT_IN, None)
        return read(source_id, post.raw, post.event_hint, post.received_at, vocabulary, chosen)
    error = UnreadableError(
        "journal_damaged",
        f"the bytes are not those that were written to the local journal (for source {post.source!r})",
        hint="check the disk of data_dir; the next poll brings the problem's state",
    )
    return [ReadItem(dead_letter(source_id, post.raw, post.event_hint, post.received_at, error), None, error)]
