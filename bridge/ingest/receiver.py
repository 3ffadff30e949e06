"""One posted body: read it, have it stored, count it, wake the jobs that it concerns.

Bodies that come in one turn of the event loop are read together, and counted together when they are committed.

A body is answered once it is durable: in Postgres, or, when the writer does not commit it in time, in the local
journal. What went to both (a commit that was only late) is a duplicate when the journal is replayed.

A body that is no JSON object is stored as a dead letter too, but its sender is answered 400. JSON that is not
understood is stored as a dead letter and accepted, since sending it again would not help; its problem is fetched by id
where the id could be read, else the source is polled, so that the tables come right in any case. So is a body whose
reading meets a defect of ours: it must not keep the bodies beside it from being stored.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Generic, TypeAlias, TypeVar

import structlog
from msgspec import Struct

from bridge.domain.observation import Notification, Via
from bridge.domain.problem_filter import ProblemFilter
from bridge.domain.vocabulary import BUILT_IN, SourceVocabulary
from bridge.errors import BridgeError, DatabaseUnavailableError, OverdueError, UnreadableError, without_frames
from bridge.ingest.group_commit import GroupCommit, OverloadedError, resolve
from bridge.ingest.writer import Writer
from bridge.journal.post import Post
from bridge.sources.state import SourceState
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.observation import Entry
from bridge.storage.observation_store import Item
from bridge.telemetry.exemplar import exemplar
from bridge.telemetry.metrics import KNOWN_EVENT_TYPES, OTHER_EVENT_TYPE, Metrics
from bridge.tmf656 import wire

log = structlog.get_logger(__name__)

Outcome: TypeAlias = str | BridgeError
"""What became of a body, once it is durable: `applied`, `unchanged`, `duplicate`, `stale`, `dead_letter`, or
`journalled` (not in Postgres yet); UnreadableError: stored, but it is no JSON object. TransientError: it is not stored,
its sender has to send it again (OverdueError: it may be stored).
"""
_READING_SECONDS = 0.005
"""Reading bodies holds the event loop no longer than this, plus one body."""

T = TypeVar("T")


class TurnBatch(Generic[T]):
    """Gathers what is added in one turn of the event loop and hands it to `work`, one by one, in the next turn.

    Reading sixty-four bodies one after the other takes less than half of what it takes between sixty-four requests,
    because code and data stay in the processor's caches (docs/performance.md).
    """

    __slots__ = ("_items", "_seconds", "_work")

    def __init__(self, work: Callable[[T], None], *, seconds: float = _READING_SECONDS) -> None:
        """Start empty. After `seconds` other callbacks of the loop get their turn."""
        self._work = work
        self._seconds = seconds
        self._items: deque[T] = deque()

    def add(self, item: T) -> None:
        """Have it worked on in the next turn of the loop, in order."""
        if not self._items:
            asyncio.get_running_loop().call_soon(self._run)
        self._items.append(item)

    def _run(self) -> None:
        ends_at = perf_counter() + self._seconds
        worked = 0
        try:
            for item in list(self._items):
                worked += 1
                self._work(item)
                if perf_counter() >= ends_at:
                    break
        finally:  # also after a defect, which the loop reports: the items behind it are worked on
            for _ in range(worked):
                self._items.popleft()
            if self._items:
                asyncio.get_running_loop().call_soon(self._run)


class ReadItem(Struct, frozen=True):
    """One event of a body: what is to be stored, and the notification or why it could not be understood."""

    item: Item
    notification: Notification | None
    error: UnreadableError | None


class PostedBody:
    """A body that is being stored. `done` gets its outcome."""

    __slots__ = ("context", "done", "event_hint", "items", "outcomes", "raw", "received_at", "source")

    def __init__(
        self,
        source: SourceState,
        raw: bytes,
        event_hint: str | None,
        received_at: datetime,
        done: asyncio.Future[Outcome],
    ) -> None:
        """Nothing is read yet."""
        self.source = source
        self.raw = raw
        self.event_hint = event_hint
        self.received_at = received_at
        self.done = done
        self.items: Sequence[ReadItem] = ()
        self.outcomes: list[Outcome] = []
        self.context: Context | None = None
        """Of the request, where it carries the trace that an exemplar names."""


class Receiver:
    """Takes posted bodies for every source. Without a `journal` a body that Postgres cannot take in time is refused."""

    def __init__(
        self,
        sources: dict[str, SourceState],
        writer: Writer,
        metrics: Metrics,
        journal: GroupCommit[Post, None] | None = None,
    ) -> None:
        """Take for these sources; what the writer commits is counted here from now on."""
        self.sources = sources
        self.writer = writer
        self.metrics = metrics
        self.journal = journal
        self._unread = TurnBatch(self._read_and_enqueue)
        writer.on_committed = self._count_batch

    def submit(
        self, source: SourceState, raw: bytes, event_hint: str | None, received_at: datetime
    ) -> asyncio.Future[Outcome]:
        """Have one body read and stored; the future gets its outcome. It takes as long as the writer and the journal
        have patience, at most. A body whose future is cancelled may be stored all the same.
        """
        body = PostedBody(source, raw, event_hint, received_at, asyncio.get_running_loop().create_future())
        if self.metrics.exemplars:
            body.context = copy_context()
        self._unread.add(body)
        return body.done

    def _read_and_enqueue(self, body: PostedBody) -> None:
        if body.done.done():  # its request was cut off
            return
        source = body.source
        body.items = read(
            source.source_id, body.raw, body.event_hint, body.received_at, source.vocabulary, source.filter
        )
        for each in body.items:
            self.writer.enqueue(each.item, partial(self._stored, body))

    def _stored(self, body: PostedBody, outcome: Outcome) -> None:
        """One event of a body is stored, or not; the body is answered after the last of them."""
        body.outcomes.append(outcome)
        if len(body.outcomes) < len(body.items):
            return
        failure = next((each for each in body.outcomes if isinstance(each, BridgeError)), None)
        if failure is None:
            self._count_unread(body)
            self._answer(body, outcome)
        elif self.journal is not None and isinstance(
            failure, (DatabaseUnavailableError, OverloadedError, OverdueError)
        ):
            self._append_to_journal(self.journal, body)
        else:
            resolve(body.done, failure)

    def _append_to_journal(self, journal: GroupCommit[Post, None], body: PostedBody) -> None:
        post = Post(body.source.name, body.received_at, body.event_hint, body.raw)
        journal.enqueue(post, partial(self._appended, body))

    def _appended(self, body: PostedBody, error: BridgeError | None) -> None:
        if error is not None:
            resolve(body.done, error)
            return
        self.metrics.journalled.labels(body.source.name).inc()
        self._answer(body, "journalled")

    def _answer(self, body: PostedBody, outcome: Outcome) -> None:
        error = body.items[0].error
        resolve(body.done, error if error is not None and error.malformed else outcome)

    def _count_batch(self, items: Sequence[Item], outcomes: Sequence[str]) -> None:
        """Count what the writer has committed, just before the senders are answered."""
        by_source: dict[int, list[tuple[Notification, str]]] = {}
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(item, Entry) and item.notification is not None:
                by_source.setdefault(item.source_id, []).append((item.notification, outcome))
        for source in self.sources.values():
            if source.source_id in by_source:
                count_notifications(self.metrics, source, by_source[source.source_id])

    def _count_unread(self, body: PostedBody) -> None:
        """Count the events of a body that were not understood; and, with exemplars, the age of the others: the context
        of its request knows the trace.
        """
        for each in body.items:
            if each.error is not None:
                count_dead_letter(self.metrics, body.source, each.error)
            elif body.context is not None and each.notification is not None:
                body.context.run(_observe_age_with_exemplar, self.metrics, body.source.name, each.notification)


def read(
    source_id: int,
    raw: bytes,
    event_hint: str | None,
    received_at: datetime,
    vocabulary: SourceVocabulary = BUILT_IN,
    chosen: ProblemFilter | None = None,
) -> list[ReadItem]:
    """Read a body: what is to be stored of each event in it, at least one item. Raises nothing."""
    try:
        events = wire.read_notifications(raw, received_at=received_at, event_hint=event_hint, vocabulary=vocabulary)
    except UnreadableError as unreadable:
        error = without_frames(unreadable)
    except Exception as defect:  # one body is one compartment: a defect in reading it is kept with its bytes
        log.exception("a posted body met a defect of the bridge, kept as dead letter")
        error = UnreadableError(
            "defect",
            f"reading it failed: {type(defect).__name__}: {defect}",
            hint="report it with the traceback in the log; after an upgrade: tmf656-bridge dead-letters replay",
        )
    else:
        return [_item(source_id, event, event_hint, received_at, chosen) for event in events]
    return [ReadItem(dead_letter(source_id, raw, event_hint, received_at, error), None, error)]


def _item(
    source_id: int, event: wire.ReadEvent, event_hint: str | None, received_at: datetime, chosen: ProblemFilter | None
) -> ReadItem:
    notification, error = event.notification, event.error
    if notification is not None:
        observation = notification.observation
        kept = True if chosen is None or observation is None else chosen.keeps(observation)
        return ReadItem(Entry(source_id, observation, notification, kept), notification, None)
    error = error or UnreadableError("unexpected", "an event was neither read nor refused")
    return ReadItem(dead_letter(source_id, event.raw, event_hint, received_at, error), None, error)


def dead_letter(
    source_id: int, raw: bytes, event_hint: str | None, received_at: datetime, error: UnreadableError
) -> DeadLetter:
    """Return what is kept of a body that was not understood."""
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


def count_notifications(metrics: Metrics, source: SourceState, stored: Sequence[tuple[Notification, str]]) -> None:
    """Count notifications of a source that are in Postgres now, with their outcomes, and wake the jobs they concern."""
    numbers = Counter((notification.event_type, outcome) for notification, outcome in stored)
    for (event_type, outcome), number in numbers.items():
        label = event_type if event_type in KNOWN_EVENT_TYPES else OTHER_EVENT_TYPE
        metrics.notifications.labels(source.name, label, outcome).inc(number)
    now = datetime.now(UTC)
    applied, received = [], []
    observe_age = None if metrics.exemplars else metrics.event_age.labels(source.name).observe
    for notification, outcome in stored:
        received.append(notification.received_at)
        if notification.unmapped:
            source.unmapped.add(notification.unmapped)
        if outcome == "applied":
            applied.append(notification.received_at)
        if observe_age is not None and notification.event_time is not None:
            observe_age(max(0.0, (now - notification.event_time).total_seconds()))
        if notification.poll_reason is not None and outcome != "duplicate":
            source.poll_wake.call(notification.poll_reason)
    if applied:
        metrics.changes.labels(source.name, Via.PUSH.value).inc(len(applied))
        source.change_pushed(max(applied))
    last_at = max(received)
    if last_at not in applied:
        source.notification_stored(last_at)
    metrics.last_push.labels(source.name).set(last_at.timestamp())


def count_dead_letter(metrics: Metrics, source: SourceState, error: UnreadableError) -> None:
    """Count what was not understood, and have the source polled where it does not even name a problem."""
    metrics.notifications.labels(source.name, OTHER_EVENT_TYPE, "dead_letter").inc()
    log.warning("dead letter", source=source.name, reason=error.reason, problem_id=error.problem_id)
    if not error.malformed and error.problem_id is None:
        source.poll_wake.call("dead letter")


def _observe_age_with_exemplar(metrics: Metrics, source: str, notification: Notification) -> None:
    if notification.event_time is not None:
        age_seconds = max(0.0, (datetime.now(UTC) - notification.event_time).total_seconds())
        metrics.event_age.labels(source).observe(age_seconds, exemplar(notification.problem_id))
