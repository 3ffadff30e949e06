"""What happens to one posted body: read it, hand it to the writer, wake whom it concerns.

What came in one turn of the loop is read at a stretch (`bridge.ingest.turn_batch`), and counted at a stretch when it is
committed: in between, and for each by itself, are only the parts of aiohttp.

Nothing is answered before it is durable: in Postgres, or, when the writer does not commit it in time, in the local
journal. What went to both (a commit that was only late) is a duplicate when the journal is replayed.

A body that is no JSON object is kept as a dead letter too, but the sender is told (400); one that is JSON and not
understood is kept and accepted: sending it again would not help. Its problem is fetched by id where that much could be
read, else the source is polled, so the tables come right in any case.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hmac import compare_digest

import structlog

from bridge.domain.observation import Notification, Via
from bridge.domain.value import dataclass
from bridge.errors import BridgeError, DatabaseUnavailableError, OverdueError, RetiredError, UnreadableError
from bridge.ingest.group_commit import Caller, GroupCommit, OverloadedError, result_of
from bridge.ingest.turn_batch import TurnBatch
from bridge.ingest.writer import Writer
from bridge.journal.journal import Post
from bridge.sources.state import Mode, SourceState
from bridge.storage import source as source_table
from bridge.storage.database import Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.observation import Entry, Stored
from bridge.storage.observation_store import Item, store_items
from bridge.telemetry.exemplar import exemplar
from bridge.telemetry.metrics import OTHER_EVENT_TYPE, Metrics, event_type_label
from bridge.tmf656 import wire

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """A body, understood or not."""

    item: Item
    heard: Notification | None
    error: UnreadableError | None


class ReceivedBody:
    """A body that was posted, who waits for what becomes of it and, once it is read, what it says."""

    __slots__ = ("caller", "event_hint", "raw", "read", "received_at", "source")

    def __init__(self, source: SourceState, raw: bytes, event_hint: str | None, received_at: datetime) -> None:
        """Nobody has been told anything yet. Needs a loop that runs."""
        self.source = source
        self.raw = raw
        self.event_hint = event_hint
        self.received_at = received_at
        self.read: _Read | None = None
        self.caller: Caller[str] | None = asyncio.get_running_loop().create_future()

    def understood(self) -> _Read:
        """Read it, once."""
        if self.read is None:
            self.read = _read(self.source.source_id, self.raw, self.event_hint, self.received_at)
        return self.read

    async def told(self) -> str:
        """Wait for what the writer says, and return it or raise it; once."""
        assert self.caller is not None, "only one waits"  # noqa: S101 -- for the type checker
        try:
            return result_of(await self.caller)
        finally:
            self.caller = None  # an error holds this frame, and the future the error


class Receiver:
    """Takes posted bodies for every source. Without a `journal` what Postgres cannot take in time is refused."""

    def __init__(
        self,
        sources: dict[str, SourceState],
        writer: Writer,
        metrics: Metrics,
        journal: GroupCommit[Post, None] | None = None,
    ) -> None:
        """Take for these feeds; what the writer has stored is told to this receiver from now on."""
        self.sources = sources
        self.writer = writer
        self.metrics = metrics
        self.journal = journal
        self._by_id = {source.source_id: source for source in sources.values()}
        self._arrivals = TurnBatch(self._take)
        writer.tell(self._committed)

    def admit(self, name: str, secret: str) -> SourceState | None:
        """Return the feed whose callback this is, or None; RetiredError when it was, but is not any more.

        Takes the same time whether secret or source is wrong.
        """
        source = self.sources.get(name)
        accepted = source.secrets if source is not None and source.mode is not Mode.DISABLED else ("",)
        given = secret.encode("utf-8", "surrogatepass")
        admitted = False
        for each in accepted:
            admitted |= compare_digest(each.encode(), given) and bool(each)
        if source is not None and not admitted and source_table.digest(secret) in source.retired:
            raise RetiredError("this callback has been replaced")
        return source if admitted else None

    async def receive(self, source: SourceState, raw: bytes, event_hint: str | None, received_at: datetime) -> str:
        """Keep one body; return the outcome once it is durable. Raises as `end` does."""
        return await self.end(self.begin(source, raw, event_hint, received_at))

    def begin(
        self,
        source: SourceState,
        raw: bytes,
        event_hint: str | None,
        received_at: datetime,
        then: Callable[[ReceivedBody], None] | None = None,
    ) -> ReceivedBody:
        """Have one body read and stored. Somebody has to `end` it, at once or, if it is not `ended`, when `then` is
        called.
        """
        arrival = ReceivedBody(source, raw, event_hint, received_at)
        if then is not None and arrival.caller is not None:
            arrival.caller.add_done_callback(lambda _: then(arrival))
        self._arrivals.add(arrival)
        return arrival

    def ended(self, arrival: ReceivedBody) -> bool:
        """Is it in Postgres, and is its sender to hear nothing but that? Then it is over, and counted."""
        caller, read = arrival.caller, arrival.read
        if read is None or caller is None or caller.cancelled() or caller.exception() is not None:
            return False
        if isinstance(caller.result(), BridgeError) or (read.error is not None and read.error.malformed):
            return False
        self._count_apart(arrival.source, read)
        return True

    async def end(self, arrival: ReceivedBody) -> str:
        """See that a body is kept; return the outcome once it is durable (`journalled`: not in Postgres yet).

        Raises UnreadableError when the body is no JSON object (kept all the same), TransientError when it could not be
        kept, OverdueError when not in time. Takes as long as the writer and the journal have patience, at most.
        """
        source = arrival.source
        try:
            outcome = await arrival.told()
        except (DatabaseUnavailableError, OverloadedError, OverdueError):
            if self.journal is None:
                raise
            await self.journal.put(Post(source.name, arrival.received_at, arrival.event_hint, arrival.raw))
            self.metrics.journalled.labels(source.name).inc()
            outcome = "journalled"
        else:
            self._count_apart(source, arrival.understood())
        error = arrival.understood().error
        if error is None or not error.malformed:
            return outcome
        try:
            raise error.with_traceback(None)
        finally:
            del arrival, error  # the traceback holds this frame: they would hold each other, and the body

    def _take(self, arrival: ReceivedBody) -> None:
        """Read a body and hand it to the writer."""
        caller = arrival.caller
        if caller is None or caller.done():  # the request was cut off: nobody will be told
            return
        try:
            self.writer.enqueue(arrival.understood().item, caller)
        except BridgeError as error:
            caller.set_result(error)
        except Exception as error:  # noqa: BLE001 -- a defect is raised where somebody waits
            caller.set_exception(error)

    async def replay(self, database: Database, posts: Sequence[Post]) -> None:
        """Store posts from the journal in order. TransientError when Postgres is away."""
        places: list[tuple[SourceState | None, _Read]] = []
        for post in posts:
            source = self.sources.get(post.source)
            former = None if source else await self._former(database, post.source)
            if source is None and former is None and post.damaged:
                source = next(
                    iter(self.sources.values()), None
                )  # perhaps the name is damaged, and a letter needs a source
            source_id = source.source_id if source else former
            if source_id is None:
                log.warning("journalled for a source nobody knows, dropped", source=post.source)
            else:
                places.append((source, _replayed(source_id, post)))
        if not places:
            return
        stored = await store_items(database, [read.item for _, read in places])
        self._wake(stored)
        for (source, read), outcome in zip(places, stored.outcomes, strict=True):
            if source is None:
                continue
            if read.heard is not None:
                self._count(source, [(read.heard, outcome)])
            self._count_apart(source, read)

    async def _former(self, database: Database, name: str) -> int | None:
        """The key of a source that is not configured any more."""
        async with database.connection() as connection:
            return await source_table.find(connection, name)

    def _wake(self, stored: Stored) -> None:
        for source in self.sources.values():
            if stored.refetch[source.source_id]:
                source.refetch_wake.call("replayed")

    def _committed(self, items: Sequence[Item], outcomes: Sequence[str]) -> None:
        """The writer has stored a batch, and its callers are about to be told."""
        heard: dict[int, list[tuple[Notification, str]]] = {}
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(item, Entry) and item.notification is not None:
                heard.setdefault(item.source_id, []).append((item.notification, outcome))
        for source_id, told in heard.items():
            self._count(self._by_id[source_id], told)

    def _count(self, source: SourceState, told: Sequence[tuple[Notification, str]]) -> None:
        """Count notifications of a source that are in Postgres now, with what became of them, and wake whom it
        concerns.
        """
        numbers = Counter((event_type_label(heard.event_type), outcome) for heard, outcome in told)
        for (label, outcome), number in numbers.items():
            self.metrics.notifications.labels(source.name, label, outcome).inc(number)
        now = datetime.now(UTC)
        if not self.metrics.exemplars:
            observe = self.metrics.event_age.labels(source.name).observe
            for heard, _ in told:
                if heard.event_time is not None:
                    observe(_age_seconds(now, heard.event_time))
        for heard, outcome in told:
            if heard.poll_reason is not None and outcome != "duplicate":
                source.poll_wake.call(heard.poll_reason)
        applied = [heard.received_at for heard, outcome in told if outcome == "applied"]
        if applied:
            self.metrics.changes.labels(source.name, Via.PUSH.value).inc(len(applied))
            source.pushed(max(applied), applied=True)
        received_at = max(heard.received_at for heard, _ in told)
        source.heard(received_at)
        self.metrics.last_push.labels(source.name).set(received_at.timestamp())

    def _count_apart(self, source: SourceState, read: _Read) -> None:
        """The same for what is not understood; and, with exemplars, the age of what is: the task that received it knows
        its trace.
        """
        heard, error = read.heard, read.error
        if error is not None:
            self.metrics.notifications.labels(source.name, OTHER_EVENT_TYPE, "dead_letter").inc()
            log.warning("dead letter", source=source.name, reason=error.reason, problem_id=error.problem_id)
            if not error.malformed and error.problem_id is None:
                source.poll_wake.call("dead letter")
        elif self.metrics.exemplars and heard is not None and heard.event_time is not None:
            age_seconds = _age_seconds(datetime.now(UTC), heard.event_time)
            self.metrics.event_age.labels(source.name).observe(age_seconds, exemplar(heard.problem_id))


def _age_seconds(now: datetime, event_time: datetime) -> float:
    return max(0.0, (now - event_time).total_seconds())


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
