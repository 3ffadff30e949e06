"""The writer: notifications into Postgres, many in one transaction, each answered only after it.

`GroupCommit` gathers what waits; one transaction through the door stores it, and a second at the same time, for other
problems: while Postgres works for one batch we read, decide and answer for the other. When Postgres refuses a batch
because of one row, the batch is halved until the row stands alone; that one becomes a dead letter and its neighbours
are stored. When another writer was faster the batch is decided anew. When Postgres is away the whole batch fails with
DatabaseUnavailableError: nobody is told that something was kept.

A batch that is not stored within a minute may be too large for a thin line (a full one is 8 MiB, and goes over it about
three times), and would be the next time too: for ever, and everything in the journal behind it. If Postgres then still
answers a ping, the rest of the batch is stored in parts of half the size, each with a minute of its own, down to one
item. The ping is what tells a slow line, and a slow Postgres, from one that leads nowhere: that one is waited for
once, as is a connection that was lost. Watching bytes flow would say the same of the line and nothing of a Postgres
that is slow. What it cannot tell is a lock that somebody holds: that is waited for once a halving, ten times for 512
items, where it would otherwise be ten batches once each; nothing is ever waited for once an item. The next batch begins
whole again: a line that was thin need not stay so, and what this costs is less than half of the time.

A crash before the commit leaves nothing of the batch and nobody answered; a crash after it leaves everything stored and
some senders unanswered, whose second try is then a duplicate. A crash, or a failure, between two parts leaves the first
ones stored and nobody answered: a second try finds them as duplicates, which are not sent again, and goes on behind
them. A part whose end nobody saw may have been committed after all; its halves are then duplicates too.
"""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from time import perf_counter, time

import structlog

from bridge.domain.observation import Via
from bridge.domain.value import dataclass
from bridge.errors import BridgeError, DatabaseUnavailableError
from bridge.jobs.batch import MIB, Caller, GroupCommit
from bridge.metrics import Metrics
from bridge.storage import dead_letter, partition, refetch
from bridge.storage.database import (
    Connection,
    Database,
    MissingPartitionError,
    RacedError,
    RefusedError,
    TooSlowError,
)
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.observation import Decision, Entry, Stored, decide, doubt, lock, remember, write

log = structlog.get_logger(__name__)

Item = Entry | DeadLetter
Within = Callable[[Connection], Awaitable[None]]
"""What else belongs into the transaction that stores, before it stores; anew when the batch is decided anew."""
Then = Callable[[Connection, Sequence[Entry], Stored], Awaitable[None]]
"""The same, after it has stored."""
_RACES = 20
_STORE_SECONDS = 60.0
"""A batch that takes longer waits for something that may never come (a lock, or a connection that leads nowhere), or is
too large for its line.
"""
_PING_SECONDS = 10.0


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


async def store_items(
    database: Database,
    items: Sequence[Item],
    *,
    touch: bool = True,
    within: Within | None = None,
    then: Then | None = None,
) -> Stored:
    """Store items in one transaction, or, where one of them is refused or they are too many for their line, in as few
    as it takes. Outcomes in the order of the items. What `within` or `then` raise keeps everything of their transaction
    out. DatabaseUnavailableError may leave the first of several transactions stored.
    """
    return await _store_all(database, items, _How(touch, within, then))


@dataclass(frozen=True, slots=True)
class _How:
    touch: bool
    within: Within | None
    then: Then | None

    @property
    def plainly(self) -> bool:
        """Is there nothing besides the items?"""
        return self.within is None and self.then is None


async def _store_all(database: Database, items: Sequence[Item], how: _How) -> Stored:
    all_stored, start, size = Stored(), 0, len(items)
    while True:
        part = items[start : start + size]
        try:
            stored = await _store_isolating(database, part, how)
        except TooSlowError as error:
            if len(part) <= 1:
                raise DatabaseUnavailableError(f"{error}, even for one item") from error
            await database.ping(timeout_seconds=min(_PING_SECONDS, _STORE_SECONDS))
            size = (len(part) + 1) // 2
            log.warning("slow to store, goes on in smaller parts", error=str(error), items=len(part), smaller=size)
            continue
        _add(all_stored, stored)
        start += size
        if start >= len(items):
            return all_stored


async def _store_isolating(database: Database, items: Sequence[Item], how: _How) -> Stored:
    try:
        return await _store_once(database, items, how)
    except RefusedError as error:
        if len(items) == 1:
            letter = _as_letter(items[0], error)
            log.warning("refused by postgres, kept as dead letter", reason=letter.reason, problem_id=letter.problem_id)
            return await _store_once(database, [letter], how)
    middle = len(items) // 2
    stored = await _store_all(database, items[:middle], how)
    _add(stored, await _store_all(database, items[middle:], how))
    return stored


def _add(stored: Stored, more: Stored) -> None:
    stored.outcomes += more.outcomes
    stored.changes += more.changes
    stored.drift += more.drift
    stored.refetch += more.refetch


async def _store_once(database: Database, items: Sequence[Item], how: _How) -> Stored:
    entries = [item for item in items if isinstance(item, Entry)]
    letters = [item for item in items if isinstance(item, DeadLetter)]
    for attempt in range(_RACES):
        try:
            if attempt or letters or not how.plainly:
                decision = await _store_together(database, entries, letters, how, again=attempt > 0)
            else:
                decision = await _store_plainly(database, entries, how)
            break
        except RacedError as error:
            doubt(database.recent, entries)
            if attempt == _RACES - 1:
                raise
            if isinstance(error, MissingPartitionError):
                await _make_partitions(database, items)
    remember(database.recent, decision)
    stored = decision.stored
    if letters:
        outcomes = iter(stored.outcomes)
        stored.outcomes = [next(outcomes) if isinstance(item, Entry) else "dead_letter" for item in items]
    return stored


async def _store_together(
    database: Database, entries: Sequence[Entry], letters: Sequence[DeadLetter], how: _How, *, again: bool
) -> Decision:
    """Store with what belongs to it, in one transaction. What has to be decided `again` is read, and locked."""
    async with database.transaction(limit_seconds=_STORE_SECONDS) as connection:
        if how.within is not None:
            await how.within(connection)
        if again:
            await lock(connection, entries)
        recent = None if again else database.recent
        decision = await decide(connection, entries, touch=how.touch, recent=recent)
        stored = await write(connection, decision)
        await dead_letter.keep(connection, letters)
        await _ask_instead(connection, letters, stored)
        if how.then is not None:
            await how.then(connection, entries, stored)
        return decision


async def _store_plainly(database: Database, entries: Sequence[Entry], how: _How) -> Decision:
    """Most batches, of notifications or answers: one statement reads, if anything has to be read, one writes, and
    commits by itself.
    """
    async with database.session(limit_seconds=_STORE_SECONDS) as connection:
        decision = await decide(connection, entries, touch=how.touch, recent=database.recent)
        if decision.alone:
            await write(connection, decision)
            return decision
        async with connection.transaction():
            await write(connection, decision)
        return decision


async def _ask_instead(connection: Connection, letters: Sequence[DeadLetter], stored: Stored) -> None:
    """Have the problems fetched that pushed letters name. What was met while asking is not asked for again by it."""
    named = {
        (letter.source_id, letter.problem_id): (letter.source_id, letter.problem_id, "dead_letter", letter.received_at)
        for letter in letters
        if letter.via == Via.PUSH
        and letter.problem_id is not None
        and letter.problem_id == dead_letter.clean(letter.problem_id)
    }
    if named:
        await refetch.request(connection, list(named.values()))
        stored.refetch.update(source_id for source_id, _ in named)


async def _make_partitions(database: Database, items: Sequence[Item]) -> None:
    """Days that were not made ahead: the clock jumped, or an old notification is replayed."""
    days = {item.received_at.date() for item in items if isinstance(item, DeadLetter)}
    days |= {item.notification.received_at.date() for item in items if isinstance(item, Entry) and item.notification}
    async with database.transaction() as connection:
        await partition.ensure(connection, days)


def _as_letter(item: Item, error: RefusedError) -> DeadLetter:
    if isinstance(item, DeadLetter):
        raise error
    heard, seen = item.notification, item.observation
    if heard is not None:
        raw, received_at, via = heard.body, heard.received_at, "push"
    elif seen is not None:
        raw, received_at, via = seen.body, seen.observed_at, seen.via.value
    else:
        raise error
    return DeadLetter(
        source_id=item.source_id,
        received_at=received_at,
        raw=raw,
        reason="refused_by_postgres",
        detail=str(error),
        hint="see the detail; after an upgrade that handles it: tmf656-bridge dead-letters replay",
        problem_id=(heard.problem_id if heard else None) or (seen.problem_id if seen else None),
        via=via,
    )
