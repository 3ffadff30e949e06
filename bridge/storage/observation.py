"""Reads what is known of a batch, has it decided (`bridge.domain.decision`), and writes what was decided.

Everything that is said about a problem enters the tables here. Most batches of notifications are one statement: what
this process wrote last is in the row cache, so nothing is read, and the statement that writes all tables needs no
transaction around it (`Prepared.alone`). What few batches have follows in statements of its own.

Nothing is locked while deciding. Each current row has a revision and is written only on the one that was read: when
fewer rows were written than decided, another writer was faster, the statement undoes itself (ConcurrentUpdateError) and
the batch is decided again. Facts and the log are sets with keys, so a batch that is stored twice (a crash between the
commit and the answer) changes nothing the second time; a crash before the commit leaves nothing of it.

Locks are taken in one order: problems by key, then digests of events, then requests to fetch. A body is kept once, in
its version, which the statement that refers to it writes too. Measurements: docs/performance.md.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from asyncpg import Record

from bridge.domain.current_row import CurrentRow
from bridge.domain.decision import Decision, Entry, HistoryRange, Key, Known, by_problem, decide, history_needed
from bridge.domain.fact import Fact, FactKey
from bridge.domain.observation import CREATED, Kind, Observation, Via
from bridge.domain.problem_history import Outcome, needs_facts
from bridge.storage import awaited_notification, list_digest, row_builder
from bridge.storage.database import Connection
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.queries import queries
from bridge.storage.row_cache import EventDigest, RowCache

__all__ = ["Entry", "Prepared", "Stored", "cached", "invalidate", "lock", "prepare", "store", "write"]

_REFETCH_DELAY_SECONDS = {"regression": 2.0, "deleted": 1.0, "after_delete": 1.0, "late": 1.0}
_REFETCH_DELAY_DEFAULT_SECONDS = 0.1


@dataclass(slots=True)
class Stored:
    """What a batch did. `outcomes` stand in the order of the entries."""

    outcomes: list[str] = field(default_factory=list)
    changes: Counter[tuple[int, Via, Outcome]] = field(default_factory=Counter)
    drift: Counter[int] = field(default_factory=Counter)
    unmoved: Counter[int] = field(default_factory=Counter)
    """By source: answers with another content under an update time that had been confirmed."""
    refetch: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class Prepared:
    """A decision as rows. `touch`: also note that unchanged problems were seen. `duplicates`: events that were stored
    before.
    """

    decision: Decision
    logged: list[row_builder.Row]
    current: row_builder.CurrentRows
    touch: bool
    duplicates: list[EventDigest]

    @property
    def alone(self) -> bool:
        """Is one statement all there is to write together? It then needs no transaction around it."""
        decision, current = self.decision, self.current
        return not (
            decision.arrived
            or decision.requests
            or current.state_only
            or (self.touch and current.touched)
            or any(history.updated or history.timeline.contradicted for history in decision.histories.values())
        )

    @property
    def keys(self) -> list[Key]:
        """The problems whose current rows are written, in order."""
        current = self.current
        rows = current.written + current.state_only + (current.touched if self.touch else [])
        return sorted(row[:2] for row in rows)


async def store(connection: Connection, entries: Sequence[Entry], *, touch: bool = True) -> Stored:
    """Prepare and write a batch inside the caller's transaction."""
    return await write(connection, await prepare(connection, entries, touch=touch))


async def lock(connection: Connection, keys: Collection[Key]) -> None:
    """Keep other writers off these problems until the caller's transaction ends."""
    if keys:
        await connection.execute(queries("service_problem")["lock"], *row_builder.columns(sorted(keys)))


async def prepare(
    connection: Connection, entries: Sequence[Entry], *, touch: bool = True, cache: RowCache | None = None
) -> Prepared:
    """Read what is known, decide, and make the rows.

    `touch`: also note in the current row that an unchanged problem was seen (off for passes over everything). `cache`:
    what need not be read of notifications. Answers, and what a filter may not keep, are decided on what the tables
    hold, whatever the cache says, and so is what leads to nothing that would be written, and checked.
    """
    guessed = _only_notifications(entries) and all(entry.kept for entry in entries)
    if cache is not None and guessed and cache.usable():
        prepared = await _prepare(connection, entries, touch, cache)
        if not prepared.current.touched:
            return prepared
    return await _prepare(connection, entries, touch, None)


async def _prepare(connection: Connection, entries: Sequence[Entry], touch: bool, cache: RowCache | None) -> Prepared:
    known = await _read_known(connection, entries, cache)
    decision = decide(entries, known)
    logged = [
        row_builder.logged(entry.source_id, entry.notification, outcome, entry.observation, decision.histories)
        for entry, outcome in zip(entries, decision.outcomes, strict=True)
        if entry.notification is not None
    ]
    duplicates = [
        (entries[index].source_id, notification.digest)
        for index in sorted(known.duplicates)
        if (notification := entries[index].notification) is not None
    ]
    return Prepared(decision, logged, row_builder.CurrentRows(decision.histories), touch, duplicates)


async def write(connection: Connection, prepared: Prepared) -> Stored:
    """Write what was decided: in the caller's transaction, or, where one statement is all, by itself.

    Raises ConcurrentUpdateError when another writer was faster, RefusedError when Postgres refuses a value (both from
    the surrounding `translated`).
    """
    decision, current = prepared.decision, prepared.current
    if not prepared.alone:
        await lock(connection, prepared.keys)
    statuses = row_builder.statuses(decision.histories)
    if current.written or current.versions or statuses or decision.altered or prepared.logged:
        await connection.fetch(
            queries("observation")["write"],
            current.written,
            current.versions,
            statuses,
            prepared.logged,
            [key[0] for key in decision.altered],
            [key[1] for key in decision.altered],
            row_builder.list_digests(current.written, decision.list_digests),
            sum(row[row_builder.REVISION] == 0 for row in current.written),
        )
    await _write_afterwards(connection, prepared)
    if not prepared.alone:
        await _write_rare(connection, prepared)
    requested = Counter(source_id for source_id, _ in decision.requests)
    return Stored(decision.outcomes, decision.changes, decision.drift, decision.unmoved, requested)


def cached(cache: RowCache, prepared: Prepared) -> None:
    """Take over what was written and committed."""
    current = prepared.current
    digests: list[EventDigest] = [
        (row[0], row[row_builder.DIGEST]) for row in prepared.logged if row[row_builder.DIGEST] is not None
    ]
    cache.update(current.written, (row[:2] for row in current.state_only), prepared.duplicates + digests)


def invalidate(cache: RowCache, entries: Sequence[Entry]) -> None:
    """Another writer was faster, or what the cache says of these problems was wrong."""
    cache.invalidate(_keys(entries), guessed=_only_notifications(entries))


def _keys(entries: Sequence[Entry]) -> set[Key]:
    return {key for entry in entries if (key := entry.key) is not None}


def _only_notifications(entries: Sequence[Entry]) -> bool:
    return all(entry.notification is not None for entry in entries)


async def _read_known(connection: Connection, entries: Sequence[Entry], cache: RowCache | None) -> Known:
    """Read what the tables hold about a batch, apart from what can be guessed."""
    problems = by_problem(entries)
    guesses = {} if cache is None else _guesses(cache, problems)
    keys = problems.keys() - guesses.keys()
    rows = {key: guess for key, guess in guesses.items() if guess is not None}
    keyed = [
        (index, (entry.source_id, entry.notification.digest))
        for index, entry in enumerate(entries)
        if entry.notification is not None and entry.notification.dedupable
    ]
    asked = [digest for _, digest in keyed if cache is None or cache.has_event(digest)]
    stored: set[EventDigest] = set()
    for row in await _read_rows(connection, keys, asked):
        if row[1] is None:
            stored.add((row[0], row[4]))
        else:
            rows[row[0], row[1]] = _current_row_of(row)
    duplicates = set()
    for index, digest in keyed:
        if digest in stored:
            duplicates.add(index)
        stored.add(digest)
    new = [entry for index, entry in enumerate(entries) if index not in duplicates]
    return Known(rows, await _read_facts(connection, history_needed(new, rows)), frozenset(duplicates))


async def _read_rows(connection: Connection, keys: Collection[Key], digests: Sequence[EventDigest]) -> Sequence[Record]:
    if not keys and not digests:
        return []
    return await connection.fetch(
        queries("observation")["read_current"],
        [key[0] for key in keys],
        [key[1] for key in keys],
        [key[0] for key in digests],
        [key[1] for key in digests],
    )


def _guesses(cache: RowCache, seen: Mapping[Key, Sequence[Observation]]) -> dict[Key, CurrentRow | None]:
    """Return current rows of problems as far as they are kept; None for one that is announced as new. Where facts have
    to be read, the row is too.
    """
    guesses: dict[Key, CurrentRow | None] = {}
    for key, observations in seen.items():
        held = cache.row(key)
        guessed = held is not None or observations[0].event_type == CREATED
        if guessed and not needs_facts(held, observations):
            guesses[key] = held
    return guesses


def _current_row_of(row: Record) -> CurrentRow:
    return CurrentRow(
        revision=row[2],
        content_at=row[3],
        content_hash=row[4],
        content_observed_at=row[5],
        content_via=None if row[6] is None else Via(row[6]),
        confirmed_at=row[7],
        effective_at=row[8],
        observed_at=row[9],
        patched=row[10],
        has_partials=row[11],
        deleted_at=row[12],
        doubt_hash=row[13],
        doubt_at=row[14],
        missed_at=row[15],
        status=row[16],
        status_at=row[17],
        updated_at=row[18],
        via=Via(row[19]),
    )


async def _read_facts(connection: Connection, ranges: Sequence[HistoryRange]) -> dict[Key, dict[FactKey, Fact]]:
    if not ranges:
        return {}
    arguments = row_builder.columns([(each.source_id, each.problem_id, each.at, each.open) for each in ranges])
    facts: dict[Key, dict[FactKey, Fact]] = {}
    for row in await connection.fetch(queries("service_problem_version")["history_range"], *arguments):
        fact = Fact(
            effective_at=row["effective_at"],
            content_hash=row["content_hash"],
            kind=Kind(row["kind"]),
            observed_at=row["observed_at"],
            via=Via(row["via"]),
            body=row["said"],
            confirmed_at=row["confirmed_at"],
            event_type=row["event_type"],
            superseded=row["superseded"],
            folded_hash=row["body_hash"],
            status=row["status"],
        )
        facts.setdefault((row["source_id"], row["problem_id"]), {})[fact.key] = fact
    return facts


async def _write_rare(connection: Connection, prepared: Prepared) -> None:
    """What few batches have."""
    decision, current = prepared.decision, prepared.current
    if current.state_only:
        arguments = row_builder.columns(current.state_only)
        updated = await connection.fetch(queries("service_problem")["update_state"], *arguments)
        if len(updated) != len(current.state_only):
            raise ConcurrentUpdateError("another writer changed the same problems first")
    if prepared.touch and current.touched:
        await connection.execute(queries("service_problem")["touch"], *row_builder.columns(current.touched))
    if corrected := row_builder.corrected_versions(decision.histories):
        await connection.execute(queries("service_problem_version")["correct"], *row_builder.columns(corrected))
    if contradicted := row_builder.contradicted_statuses(decision.histories):
        await connection.execute(queries("status_change")["supersede"], *row_builder.columns(contradicted))
    await awaited_notification.mark_arrived(connection, decision.arrived)
    if decision.requests:
        rows: list[tuple[int, str, str, datetime, float]] = [
            (*key, reason, at, _REFETCH_DELAY_SECONDS.get(reason, _REFETCH_DELAY_DEFAULT_SECONDS))
            for key, (reason, at) in sorted(decision.requests.items())
        ]
        await connection.execute(queries("refetch")["request"], *row_builder.columns(rows))


async def _write_afterwards(connection: Connection, prepared: Prepared) -> None:
    """What may be lost: a request that was answered is then made again, and a row without a digest read again."""
    decision = prepared.decision
    answered = [
        (*key, history.pulled_at) for key, history in decision.histories.items() if history.pulled_at is not None
    ]
    if answered:
        await connection.execute(queries("refetch")["settle"], *row_builder.columns(answered))
    if decision.list_digests and not prepared.touch:
        rows = row_builder.digests_of_touched(prepared.current.touched, decision.list_digests)
        await list_digest.remember(connection, rows)
