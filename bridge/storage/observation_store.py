"""Storing observations: a batch decided and written in one transaction, whatever Postgres makes of it.

When Postgres refuses a batch because of one row, the batch is halved until the row stands alone; that one becomes a
dead letter and its neighbours are stored. When another writer was faster the batch is decided again.

A batch that is not stored within a minute may be too large for a slow line. If Postgres then still answers a ping, the
rest is stored in parts of half the size, each with a minute of its own, down to one item; without an answer the line
is taken for dead. A lock that somebody holds is waited for once a halving, never once an item.

A crash, or a failure, between two parts leaves the first ones stored and no caller told: a second try finds them as
duplicates and goes on behind them.
"""

from collections.abc import Awaitable, Callable, Sequence
from weakref import WeakKeyDictionary

import structlog

from bridge.domain.observation import Via
from bridge.domain.value import dataclass
from bridge.errors import DatabaseUnavailableError
from bridge.storage import dead_letter, partition, refetch
from bridge.storage.database import Connection, Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.errors import ConcurrentUpdateError, MissingPartitionError, RefusedError, TooSlowError
from bridge.storage.observation import Decision, Entry, Stored, decide, doubt, lock, remember, write
from bridge.storage.row_cache import RowCache

log = structlog.get_logger(__name__)

Item = Entry | DeadLetter
Within = Callable[[Connection], Awaitable[None]]
"""What else belongs into the transaction that stores, before it stores; again when the batch is decided again."""
Then = Callable[[Connection, Sequence[Entry], Stored], Awaitable[None]]
"""The same, after it has stored."""
_RACES = 20
_STORE_SECONDS = 60.0
"""A batch that takes longer waits for something that may never come (a lock, or a dead connection), or is too large for
its line.
"""
_PING_SECONDS = 10.0


_caches: WeakKeyDictionary[Database, tuple[int, RowCache]] = WeakKeyDictionary()


def row_cache_of(database: Database) -> RowCache:
    """Return what was written through this pool, forgotten when a connection was made since: that may lead to another
    server, or to the same one put back to an earlier state.
    """
    made, cache = _caches.get(database) or (database.connections_made, RowCache())
    if made != database.connections_made:
        cache.forget()
    _caches[database] = (database.connections_made, cache)
    return cache


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
        except ConcurrentUpdateError as error:
            doubt(row_cache_of(database), entries)
            if attempt == _RACES - 1:
                raise
            if isinstance(error, MissingPartitionError):
                await _make_partitions(database, items)
    remember(row_cache_of(database), decision)
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
        recent = None if again else row_cache_of(database)
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
        decision = await decide(connection, entries, touch=how.touch, recent=row_cache_of(database))
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
