"""Stores a batch of observations in one transaction, or, where Postgres does not take it so, in as few as it takes.

A batch that is refused because of one item (Postgres will never accept a value, or deciding about it fails) is halved
until the item stands alone; that one becomes a dead letter and the others are stored. When another writer was faster,
the batch is decided again.

A batch that is not stored within a minute may be too large for a slow line. If Postgres still answers a ping, the rest
is stored in parts of half the size, each with a minute of its own; without an answer the line is taken for dead. A lock
that somebody holds is waited for once a halving, never once an item.

A crash, or a failure, between two parts leaves the first ones stored and no caller answered: a second try finds them as
duplicates and goes on behind them.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakKeyDictionary

import structlog

from bridge.domain.decision import UndecidableError
from bridge.domain.observation import Via
from bridge.errors import DatabaseUnavailableError
from bridge.storage import dead_letter, observation, partition, refetch
from bridge.storage.database import Connection, Database
from bridge.storage.dead_letter import DeadLetter
from bridge.storage.errors import ConcurrentUpdateError, MissingPartitionError, RefusedError, TooSlowError
from bridge.storage.observation import Entry, Prepared, Stored
from bridge.storage.row_cache import RowCache

log = structlog.get_logger(__name__)

Item: TypeAlias = Entry | DeadLetter
Within: TypeAlias = Callable[[Connection], Awaitable[None]]
"""What else belongs into the transaction that stores, before it stores; again when the batch is decided again."""
Then: TypeAlias = Callable[[Connection, Sequence[Entry], Stored], Awaitable[None]]
"""The same, after it has stored."""

_ATTEMPTS = 20
"""For a batch that other writers are faster with."""
_STORE_SECONDS = 60.0
"""A batch that takes longer waits for something that may never come (a lock, or a dead connection), or is too large for
its line.
"""
_PING_SECONDS = 10.0

_caches: WeakKeyDictionary[Database, tuple[int, RowCache]] = WeakKeyDictionary()


def row_cache_of(database: Database) -> RowCache:
    """Return what was written through this pool. It is cleared when a connection was made since, which may lead to
    another server, or to an earlier state of the same one.
    """
    made, cache = _caches.get(database) or (database.connections_made, RowCache())
    if made != database.connections_made:
        cache.clear()
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
    """Store items; outcomes in the order of the items. What `within` or `then` raise keeps everything of their
    transaction out. DatabaseUnavailableError may leave the first of several transactions stored.
    """
    try:
        stored = await _store_in_parts(_Target(database, touch, within, then), items)
    except DatabaseUnavailableError as error:
        sqlstate = getattr(error.__cause__, "sqlstate", None) or "08"
        if not sqlstate.startswith(("08", "57")):  # Postgres answered and could not store, as with a full disk
            database.note_write(str(error))
        raise
    database.note_write(None)
    return stored


@dataclass(frozen=True, slots=True)
class _Target:
    """Where items go, and what belongs into their transaction."""

    database: Database
    touch: bool
    within: Within | None
    then: Then | None

    @property
    def only_items(self) -> bool:
        """Is there nothing besides the items?"""
        return self.within is None and self.then is None


async def _store_in_parts(target: _Target, items: Sequence[Item]) -> Stored:
    all_stored, start, size = Stored(), 0, len(items)
    while True:
        part = items[start : start + size]
        try:
            stored = await _store_isolating(target, part)
        except TooSlowError as error:
            if len(part) <= 1:
                raise DatabaseUnavailableError(f"{error}, even for one item") from error
            await target.database.ping(timeout_seconds=min(_PING_SECONDS, _STORE_SECONDS))
            size = (len(part) + 1) // 2
            log.warning("storing is slow, smaller parts", error=str(error), items=len(part), smaller=size)
            continue
        _add(all_stored, stored)
        start += size
        if start >= len(items):
            return all_stored


async def _store_isolating(target: _Target, items: Sequence[Item]) -> Stored:
    try:
        return await _store_batch(target, items)
    except (RefusedError, UndecidableError) as error:
        if len(items) == 1:
            return await _store_as_letter(target, items[0], error)
    middle = len(items) // 2
    stored = await _store_in_parts(target, items[:middle])
    _add(stored, await _store_in_parts(target, items[middle:]))
    return stored


async def _store_as_letter(target: _Target, item: Item, error: RefusedError | UndecidableError) -> Stored:
    """Keep one item that cannot be stored as a dead letter. Its line in the log is left out where that is refused, too:
    a day so far away has no partition.
    """
    letter = item if isinstance(item, DeadLetter) else _letter_of(item, error)
    stored = None
    if letter is not item:
        with suppress(RefusedError):
            stored = await _store_batch(target, [letter])
    if stored is None:
        stored = await _store_batch(target, [letter], logged=False)
    log.warning(
        "kept as dead letter",
        reason=letter.reason,
        problem_id=letter.problem_id,
        error=str(error),
        exc_info=error.__cause__ if isinstance(error, UndecidableError) else None,
    )
    return stored


def _add(stored: Stored, more: Stored) -> None:
    stored.outcomes += more.outcomes
    stored.changes += more.changes
    stored.drift += more.drift
    stored.unmoved += more.unmoved
    stored.refetch += more.refetch


async def _store_batch(target: _Target, items: Sequence[Item], *, logged: bool = True) -> Stored:
    """Store items in one transaction; again when another writer was faster."""
    entries = [item for item in items if isinstance(item, Entry)]
    letters = [item for item in items if isinstance(item, DeadLetter)]
    for attempt in range(_ATTEMPTS):
        try:
            if attempt or letters or not target.only_items:
                prepared, stored = await _store_together(target, entries, letters, again=attempt > 0, logged=logged)
            else:
                prepared, stored = await _store_entries(target, entries)
            break
        except ConcurrentUpdateError as error:
            observation.invalidate(row_cache_of(target.database), entries)
            if attempt == _ATTEMPTS - 1:
                raise
            if isinstance(error, MissingPartitionError):
                await _make_partitions(target.database, items)
    observation.cached(row_cache_of(target.database), prepared)
    if letters:
        outcomes = iter(stored.outcomes)
        stored.outcomes = [next(outcomes) if isinstance(item, Entry) else "dead_letter" for item in items]
    return stored


async def _store_together(
    target: _Target, entries: Sequence[Entry], letters: Sequence[DeadLetter], *, again: bool, logged: bool
) -> tuple[Prepared, Stored]:
    """Store with what belongs to it, in one transaction. What is decided `again` is locked first, since a page of
    hundreds would else lose again and again to a stream of notifications.
    """
    async with target.database.transaction(limit_seconds=_STORE_SECONDS) as connection:
        if target.within is not None:
            await target.within(connection)
        if again:
            await observation.lock(connection, {key for entry in entries if (key := entry.key) is not None})
        cache = None if again else row_cache_of(target.database)
        prepared = await observation.prepare(connection, entries, touch=target.touch, cache=cache)
        stored = await observation.write(connection, prepared)
        await dead_letter.keep(connection, letters, logged=logged)
        await _request_instead(connection, letters, stored)
        if target.then is not None:
            await target.then(connection, entries, stored)
        return prepared, stored


async def _store_entries(target: _Target, entries: Sequence[Entry]) -> tuple[Prepared, Stored]:
    """Most batches: one statement reads, if anything has to be read, one writes, and commits by itself."""
    async with target.database.session(limit_seconds=_STORE_SECONDS) as connection:
        cache = row_cache_of(target.database)
        prepared = await observation.prepare(connection, entries, touch=target.touch, cache=cache)
        if prepared.alone:
            return prepared, await observation.write(connection, prepared)
        async with connection.transaction():
            return prepared, await observation.write(connection, prepared)


async def _request_instead(connection: Connection, letters: Sequence[DeadLetter], stored: Stored) -> None:
    """Have the problems fetched that pushed letters name. What came as an answer is not asked for again by it."""
    named = {
        (letter.source_id, letter.problem_id): (letter.source_id, letter.problem_id, "dead_letter", letter.received_at)
        for letter in letters
        if letter.via == Via.PUSH
        and letter.problem_id is not None
        and letter.problem_id == dead_letter.clean(letter.problem_id)
    }
    if named:
        await refetch.request(connection, [named[key] for key in sorted(named)])
        stored.refetch.update(source_id for source_id, _ in named)


async def _make_partitions(database: Database, items: Sequence[Item]) -> None:
    """Days that were not made ahead: the clock jumped, or an old notification is replayed."""
    days = {item.received_at.date() for item in items if isinstance(item, DeadLetter)}
    days |= {item.notification.received_at.date() for item in items if isinstance(item, Entry) and item.notification}
    async with database.transaction() as connection:
        await partition.ensure(connection, days)


def _letter_of(entry: Entry, error: RefusedError | UndecidableError) -> DeadLetter:
    notification, seen = entry.notification, entry.observation
    if notification is not None:
        raw, received_at, via = notification.body, notification.received_at, Via.PUSH
    elif seen is not None:
        raw, received_at, via = seen.body, seen.observed_at, seen.via
    else:
        raise error
    return DeadLetter(
        source_id=entry.source_id,
        received_at=received_at,
        raw=raw,
        reason="refused_by_postgres" if isinstance(error, RefusedError) else "undecidable",
        detail=str(error),
        hint="see the detail; after an upgrade that handles it: tmf656-bridge dead-letters replay",
        problem_id=(notification.problem_id if notification else None) or (seen.problem_id if seen else None),
        via=via.value,
    )
