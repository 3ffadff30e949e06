"""What happens to one posted body: read it, hand it to the writer, wake whom it concerns.

Nothing is answered before it is durable: in Postgres, or, when the writer does not commit it in time, in the local
journal. What went to both (a commit that was only late) is a duplicate when the journal is replayed.

A body that is no JSON object is kept as a dead letter too, but the sender is told (400); one that is JSON and not
understood is kept and accepted: sending it again would not help. Its problem is fetched by id where that much could be
read, else the source is polled, so the tables come right in any case.
"""

from collections.abc import Sequence
from datetime import datetime
from hmac import compare_digest

import structlog

from bridge.domain.observation import Notification, Via
from bridge.domain.value import dataclass
from bridge.errors import DatabaseUnavailableError, OverdueError, RetiredError, UnreadableError
from bridge.exemplar import exemplar
from bridge.jobs.batch import GroupCommit, OverloadedError
from bridge.jobs.feed import Feed, Mode
from bridge.jobs.writer import Item, Writer, store_items
from bridge.metrics import OTHER_EVENT_TYPE, Metrics, event_type_label
from bridge.storage import source
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.journal import Post
from bridge.storage.observation import Entry, Stored
from bridge.tmf656 import wire

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """A body, understood or not."""

    item: Item
    heard: Notification | None
    error: UnreadableError | None

    @property
    def label(self) -> str:
        return event_type_label(self.heard.event_type) if self.heard else OTHER_EVENT_TYPE


@dataclass(slots=True)
class Receiver:
    """Takes posted bodies for every source. Without a `journal` what Postgres cannot take in time is refused."""

    feeds: dict[str, Feed]
    writer: Writer
    metrics: Metrics
    journal: GroupCommit[Post, None] | None = None

    def admit(self, name: str, secret: str) -> Feed | None:
        """Return the feed whose callback this is, or None; RetiredError when it was, but is not any more.

        Takes the same time whether secret or source is wrong.
        """
        feed = self.feeds.get(name)
        accepted = feed.secrets if feed is not None and feed.mode is not Mode.DISABLED else ("",)
        given = secret.encode("utf-8", "surrogatepass")
        admitted = False
        for each in accepted:
            admitted |= compare_digest(each.encode(), given) and bool(each)
        if feed is not None and not admitted and source.digest(secret) in feed.retired:
            raise RetiredError("this callback has been replaced")
        return feed if admitted else None

    async def receive(self, feed: Feed, raw: bytes, event_hint: str | None, received_at: datetime) -> str:
        """Keep one body; return the outcome once it is durable (`journalled`: not in Postgres yet).

        Raises UnreadableError when the body is no JSON object (kept all the same), TransientError when it could not be
        kept, OverdueError when not in time. Takes as long as the writer and the journal have patience, at most.
        """
        read = _read(feed.source_id, raw, event_hint, received_at)
        try:
            outcome = await self.writer.put(read.item)
        except (DatabaseUnavailableError, OverloadedError, OverdueError):
            if self.journal is None:
                raise
            await self.journal.put(Post(feed.name, received_at, event_hint, raw))
            self.metrics.journalled.labels(feed.name).inc()
            outcome = "journalled"
        else:
            self._stored(feed, read, outcome, received_at)
        if read.error is None or not read.error.malformed:
            return outcome
        try:
            raise read.error.with_traceback(None)
        finally:
            del read  # the traceback holds this frame: they would hold each other, and the body

    async def replay(self, database: Database, posts: Sequence[Post]) -> None:
        """Store posts from the journal in order. TransientError when Postgres is away."""
        places: list[tuple[Feed | None, _Read, datetime]] = []
        for post in posts:
            feed = self.feeds.get(post.source)
            former = None if feed else await self._former(database, post.source)
            if feed is None and former is None and post.damaged:
                feed = next(iter(self.feeds.values()), None)  # perhaps the name is damaged, and a letter needs a source
            source_id = feed.source_id if feed else former
            if source_id is None:
                log.warning("journalled for a source nobody knows, dropped", source=post.source)
            else:
                places.append((feed, _replayed(source_id, post), post.received_at))
        if not places:
            return
        stored = await store_items(database, [read.item for _, read, _ in places])
        self._wake(stored)
        for (feed, read, received_at), outcome in zip(places, stored.outcomes, strict=True):
            if feed is not None:
                self._stored(feed, read, outcome, received_at)

    async def _former(self, database: Database, name: str) -> int | None:
        """The key of a source that is not configured any more."""
        async with database.connection() as connection:
            return await source.find(connection, name)

    def _wake(self, stored: Stored) -> None:
        for feed in self.feeds.values():
            if stored.refetch[feed.source_id]:
                feed.refetch_wake.call("replayed")

    def _stored(self, feed: Feed, read: _Read, outcome: str, received_at: datetime) -> None:
        """Count what is in Postgres now, and wake whom it concerns."""
        self.metrics.notifications.labels(feed.name, read.label, outcome).inc()
        if read.error is not None:
            log.warning("dead letter", source=feed.name, reason=read.error.reason, problem_id=read.error.problem_id)
            if not read.error.malformed and read.error.problem_id is None:
                feed.poll_wake.call("dead letter")
            return
        if outcome == "applied":
            self.metrics.changes.labels(feed.name, Via.PUSH.value).inc()
        heard = read.heard
        if heard is not None and heard.event_time is not None:
            age_seconds = (datetime.now(received_at.tzinfo) - heard.event_time).total_seconds()
            behind = exemplar(heard.problem_id) if self.metrics.exemplars else None
            self.metrics.event_age.labels(feed.name).observe(max(0.0, age_seconds), behind)
        self.metrics.last_push.labels(feed.name).set(received_at.timestamp())
        feed.pushed(received_at, applied=outcome == "applied")
        if heard is not None and heard.poll_reason is not None and outcome != "duplicate":
            feed.poll_wake.call(heard.poll_reason)


def _read(source_id: int, raw: bytes, event_hint: str | None, received_at: datetime) -> _Read:
    try:
        heard = wire.read_notification(raw, received_at=received_at, event_hint=event_hint)
    except UnreadableError as error:
        return _Read(_letter(source_id, raw, event_hint, received_at, error), None, error)
    return _Read(Entry(source_id, heard.observation, heard), heard, None)


def _replayed(source_id: int, post: Post) -> _Read:
    if not post.damaged:
        return _read(source_id, post.raw, post.event_hint, post.received_at)
    error = UnreadableError(
        "journal_damaged",
        f"the bytes are not those that were written to the local journal (for source {post.source!r})",
        hint="check the disk of data_dir; the next poll brings the problem's state",
    )
    return _Read(_letter(source_id, post.raw, post.event_hint, post.received_at, error), None, error)


def _letter(
    source_id: int, raw: bytes, event_hint: str | None, received_at: datetime, error: UnreadableError
) -> DeadLetter:
    return DeadLetter(
        source_id=source_id,
        received_at=received_at,
        raw=raw,
        reason=error.reason,
        detail=str(error),
        hint=error.hint,
        problem_id=error.problem_id,
        event_hint=event_hint,
    )
