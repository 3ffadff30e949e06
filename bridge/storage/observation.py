"""The one door: everything that is ever said about a problem enters the tables here.

A batch is decided, then written. To decide: read what is known of its problems, and which of its notifications were
stored before (one statement), and weigh the observations one by one (`bridge.domain.problem_history`, no I/O). To
write: facts, current rows, log, and which problems are others now, or have another past, in one statement for all
tables (`bridge.storage.row_builder` makes the rows); that is all for most batches of notifications, which need no
transaction around it. What this process wrote last it remembers (`bridge.storage.row_cache`): most batches of
notifications are then decided without reading, and are one round trip. What few batches have (`Decision.alone` is
False) follows in statements of its own. So does what an answer leaves to be tidied up, and may be lost: a third round
trip for a stretch of a page that is new, where it was five.

Nothing is locked while weighing, unless the caller asks for it (`lock`). Each current row carries a revision; a row is
written only on the revision that was read, and when fewer rows were written than decided, another writer was faster:
the statement undoes itself (RacedError), and the batch is decided anew. So it does not matter in which transaction, or
how long before, a batch was decided. Facts and the log are sets with keys, so a batch that is stored twice (a crash
after commit, before the answer) changes nothing the second time. A crash before commit leaves nothing of the batch.

A body is kept once, in its version; the log and the current row refer to that by its key. The statement that makes a
row refer to a version writes this too, even if it is there, so neither a crash nor a pruner leaves a row without body.

Where the time goes (64 senders, events of 1.2 kB; µs of CPU a notification, in rounds in which the bare aiohttp app
takes 28 to 35): 82 to 123 in our process, since requests are taken past aiohttp (`bridge.web.listener.fast_path`); 100
to 150 with aiohttp. In loops of their own, reading an event takes 22, deciding and making rows 7 (30 and 18 in pure
Python, `bridge.compiled`), handing some sixty values to the driver 11; then there is what a batch costs however small
it is, 215 here and 240 in Postgres: for the seventeen that are together in one, on average, 13 and 14 each. What is
left is waking, counting, and code that is not at hand for the processor. While we work the other of two processors is
idle for most of the time (perf sched); two processes (`--workers 2`) answer no more than one all the same.

80 to 105 in Postgres, with the summaries: of a batch of 64 the statement that writes ran for 48 a notification (16 for
the current row, 8 version, 5 status, 5 digest, 3 log: explain analyze, while both row and version had the body; an
eighth less since), the rest is taking in parameters (11, of which JSON is half), and the commit. 3.3 kB of WAL a
change. No part of what a batch costs Postgres stands out (perf; 3 % for what tells listeners, a little for each
constraint and each index that an executor starts with).

At half of that rate batches are of four or five, and a notification takes 155 to 160 here and 137 to 141 in Postgres.
Half of the answers take 2.2 ms, the slowest hundredth 10 to 12: 4 to 8 behind the batch before, 6 to 10 in their own
(1.1 on average). Of the slowest fiftieth of the statements that write, 3.6 ms, the backend worked for 1.5, waited for a
processor for 1.75, and for the disk for 0.13 (perf sched). Meanwhile processors were idle, nine tenths of that time in
sum: the kernel puts it behind another one, and a virtual processor that sleeps is woken late, by up to 5 ms.

With the hot part compiled it is about a tenth less in our process: two bridges that took turns, 64 senders, four series
of 16 or 24 slices while others used the machine: medians of the ratios 0.87, 0.91, 0.91, 0.93.

Written as lists of rows in one statement instead of lists of columns in five it is 15 to 20 % less in our process
(interleaved, batches of 32 and 128) and about the same in Postgres. Tried and left: rows as one JSON parameter
(`json_to_recordset`), which takes 35 µs less of Python a notification and 60 µs more of Postgres. Facts without
`on conflict`, for most are new: 6 to 7 % less in Postgres for events and 13 for a first pass, but those that are there
after all would take a statement of their own, and a second try. Left untried: one row for all that is new of a
notification, instead of four with half of their values in common; some 7 µs of both.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from datetime import datetime

from asyncpg import Record

from bridge.domain.observation import CREATED, Kind, Notification, Observation, Via
from bridge.domain.problem_history import (
    DELETION_REASONS,
    EPOCH,
    CurrentRow,
    Fact,
    Outcome,
    ProblemHistory,
    needs_facts,
)
from bridge.domain.value import dataclass
from bridge.storage import awaited_notification, list_digest, row_builder
from bridge.storage.database import Connection
from bridge.storage.errors import ConcurrentUpdateError
from bridge.storage.queries import queries
from bridge.storage.row_builder import Key
from bridge.storage.row_cache import Digest, RowCache

_REFETCH_DELAY_SECONDS = {"regression": 2.0, "deleted": 1.0, "after_delete": 1.0, "late": 1.0}
_REFETCH_DELAY_DEFAULT_SECONDS = 0.1

_READ_AS_CURRENT = frozenset((Outcome.NEW, Outcome.CHANGED, Outcome.SETTLED, Outcome.UNCHANGED))
"""Outcomes of an answer that says what is current now."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to store: a notification (with or without an observation), or an observation from a pull."""

    source_id: int
    observation: Observation | None
    notification: Notification | None = None


@dataclass(slots=True)
class Stored:
    """What a batch did. `outcomes` stand in the order of the entries."""

    outcomes: list[str] = field(default_factory=list)
    changes: Counter[tuple[int, Via, Outcome]] = field(default_factory=Counter)
    drift: Counter[int] = field(default_factory=Counter)
    refetch: Counter[int] = field(default_factory=Counter)


HistoryRange = tuple[int, str, datetime, bool]
"""Part of a problem's history: what stands around a time, and whether also everything after it."""


async def lock(connection: Connection, entries: Sequence[Entry]) -> None:
    """Keep other writers off the problems of a batch until the caller's transaction ends.

    For a batch that was raced: a page of hundreds would else lose again and again to a stream of notifications.
    """
    keys = _keys(entries)
    if keys:
        await connection.execute(queries("service_problem")["lock"], *row_builder.columns(sorted(keys)))


@dataclass(slots=True)
class Decision:
    """What a batch comes to: the outcomes, and everything there is to write."""

    stored: Stored
    histories: dict[Key, ProblemHistory]
    heard: list[row_builder.Row]
    present: row_builder.CurrentRows
    no_news: list[tuple[int, Observation]]
    requests: dict[Key, tuple[str, datetime]]
    memos: dict[row_builder.Row, bytes]
    touch: bool
    repeats: list[Digest]

    @property
    def alone(self) -> bool:
        """Is one statement all there is to write together? It then needs no transaction around it."""
        present = self.present
        return not (
            self.no_news
            or self.requests
            or present.noted
            or (self.touch and present.touched)
            or any(history.touched or history.overtaken for history in self.histories.values())
        )


async def store(connection: Connection, entries: Sequence[Entry], *, touch: bool = True) -> Stored:
    """Decide and write a batch inside the caller's transaction; see `decide` and `write`."""
    return await write(connection, await decide(connection, entries, touch=touch))


async def decide(
    connection: Connection, entries: Sequence[Entry], *, touch: bool = True, recent: RowCache | None = None
) -> Decision:
    """Read what is known, and weigh.

    `touch`: also note in the current row that an unchanged problem was seen (off for passes over everything).
    `recent`: what need not be read of notifications, if that is to be trusted. Answers are weighed on what the tables
    hold, whatever is remembered: they put right what would else stay wrong. So is what leads to nothing that would be
    written, and checked.
    """
    if recent is not None and _all_heard(entries) and recent.trusted():
        decision = await _decide(connection, entries, touch, recent)
        if not decision.present.touched:
            return decision
    return await _decide(connection, entries, touch, None)


async def _decide(connection: Connection, entries: Sequence[Entry], touch: bool, recent: RowCache | None) -> Decision:
    known, repeats = await _known(connection, entries, recent)
    histories = await _lives(connection, [entry for index, entry in enumerate(entries) if index not in repeats], known)
    stored = Stored()
    requests: dict[Key, tuple[str, datetime]] = {}
    memos: dict[row_builder.Row, bytes] = {}
    for index, entry in enumerate(entries):
        outcome = row_builder.DUPLICATE if index in repeats else _weigh(entry, histories, stored, requests)
        seen = entry.observation
        if seen is not None and seen.listed is not None and outcome in _READ_AS_CURRENT:
            memos[entry.source_id, seen.problem_id] = seen.listed + seen.content_hash
        stored.outcomes.append(outcome)
    for key, history in histories.items():
        if history.has_partials:
            history.refold()
        if history.drift:
            stored.drift[key[0]] += history.drift
        if history.last_observed is not None:
            for reason in history.refetch:
                _request(requests, key, reason, history.last_observed.observed_at)
    for source_id, _ in requests:
        stored.refetch[source_id] += 1
    logged = [
        row_builder.logged(entry.source_id, entry.notification, outcome, entry.observation, histories)
        for entry, outcome in zip(entries, stored.outcomes, strict=True)
        if entry.notification is not None
    ]
    no_news = _no_news(entries, stored.outcomes)
    again = [(entries[index].source_id, heard.digest) for index in repeats if (heard := entries[index].notification)]
    return Decision(
        stored, histories, logged, row_builder.CurrentRows(histories), no_news, requests, memos, touch, again
    )


async def write(connection: Connection, decision: Decision) -> Stored:
    """Write what was decided: in the caller's transaction, or, where one statement is all, by itself.

    Raises RacedError when another writer was faster, RefusedError when Postgres refuses a value (both from the
    surrounding `translated`).
    """
    histories, written = decision.histories, decision.present.written
    versions, statuses = decision.present.versions, row_builder.statuses(histories)
    altered = [key for key, history in histories.items() if history.altered]
    if written or versions or statuses or altered or decision.heard:
        rows = (written, versions, statuses, decision.heard, [key[0] for key in altered], [key[1] for key in altered])
        memos = row_builder.memos(written, decision.memos)
        new = sum(row[row_builder.REVISION] == 0 for row in written)
        await connection.fetch(queries("observation")["write"], *rows, memos, new)
    await _write_afterwards(connection, decision)
    if not decision.alone:
        await _write_rare(connection, decision)
    return decision.stored


def remember(recent: RowCache, decision: Decision) -> None:
    """Take over what was written and committed."""
    present = decision.present
    digests: list[Digest] = [
        (row[0], row[row_builder.DIGEST]) for row in decision.heard if row[row_builder.DIGEST] is not None
    ]
    recent.learn(present.written, (row[:2] for row in present.noted), decision.repeats + digests)


def doubt(recent: RowCache, entries: Sequence[Entry]) -> None:
    """Another writer was faster, or what was taken for known of these was not so."""
    recent.doubt(_keys(entries), guessed=_all_heard(entries))


def _keys(entries: Sequence[Entry]) -> set[Key]:
    return {(entry.source_id, entry.observation.problem_id) for entry in entries if entry.observation is not None}


def _weigh(
    entry: Entry, histories: dict[Key, ProblemHistory], stored: Stored, requests: dict[Key, tuple[str, datetime]]
) -> str:
    seen, notification = entry.observation, entry.notification
    outcome = Outcome.UNCHANGED
    if seen is not None:
        outcome = histories[entry.source_id, seen.problem_id].observe(seen)
        stored.changes[entry.source_id, seen.via, outcome] += 1
    if notification is not None and (seen is None or outcome.applied):
        for problem_id, reason in notification.refetch:
            _request(requests, (entry.source_id, problem_id), reason, notification.received_at)
    if notification is None:
        return outcome.value
    return "applied" if outcome.applied else outcome.value


def _no_news(entries: Sequence[Entry], outcomes: Sequence[str]) -> list[tuple[int, Observation]]:
    """What notifications say that was known, or may have been in part: somebody may have found it out by asking."""
    return [
        (entry.source_id, entry.observation)
        for entry, outcome in zip(entries, outcomes, strict=True)
        if entry.notification is not None
        and entry.observation is not None
        and (outcome in ("unchanged", "stale") or entry.observation.kind is Kind.PARTIAL)
    ]


def _request(requests: dict[Key, tuple[str, datetime]], key: Key, reason: str, at: datetime) -> None:
    """That a deletion was told is what the fetcher has to know above all."""
    if key in requests and requests[key][0] in DELETION_REASONS:
        reason = requests[key][0]
    requests[key] = (reason, at)


async def _lives(
    connection: Connection, entries: Sequence[Entry], known: dict[Key, CurrentRow]
) -> dict[Key, ProblemHistory]:
    seen = _by_problem(entries)
    since = [
        stretch
        for key, observations in seen.items()
        if needs_facts(known.get(key), observations)
        for stretch in _stretches(key, known.get(key), observations)
    ]
    facts = await _facts(connection, since)
    return {key: ProblemHistory(key[1], known=known.get(key), facts=facts.get(key, {})) for key in sorted(seen)}


def _by_problem(entries: Sequence[Entry]) -> dict[Key, list[Observation]]:
    seen: dict[Key, list[Observation]] = {}
    for entry in entries:
        if entry.observation is not None:
            seen.setdefault((entry.source_id, entry.observation.problem_id), []).append(entry.observation)
    return seen


def _stretches(key: Key, known: CurrentRow | None, observations: Sequence[Observation]) -> list[HistoryRange]:
    """What has to be read of a problem's history: everything since the content, and what stands around each time from
    before it.
    """
    content_at = (known.content_at if known else None) or EPOCH
    times = {seen.effective_at for seen in observations} - {content_at}
    return [(*key, content_at, True)] + [(*key, at, at >= content_at) for at in sorted(times)]


async def _known(
    connection: Connection, entries: Sequence[Entry], recent: RowCache | None
) -> tuple[dict[Key, CurrentRow], set[int]]:
    """What the current rows hold, by problem; and the positions of notifications that were stored before, or stand
    earlier in the batch. What can be guessed is not asked for.
    """
    guesses = {} if recent is None else _guesses(recent, _by_problem(entries))
    keys = _keys(entries) - guesses.keys()
    known = {key: guess for key, guess in guesses.items() if guess is not None}
    keyed = [
        (index, (entry.source_id, entry.notification.digest))
        for index, entry in enumerate(entries)
        if entry.notification is not None and entry.notification.dedupable
    ]
    asked = [key for _, key in keyed if recent is None or recent.heard(key)]
    digests: set[Digest] = set()
    for row in await _read(connection, keys, asked):
        if row[1] is None:
            digests.add((row[0], row[4]))
        else:
            known[row[0], row[1]] = _known_of(row)
    repeats = set()
    for index, digest in keyed:
        if digest in digests:
            repeats.add(index)
        digests.add(digest)
    return known, repeats


async def _read(connection: Connection, keys: Collection[Key], digests: Sequence[Digest]) -> list[Record]:
    if not keys and not digests:
        return []
    return await connection.fetch(
        queries("observation")["read_current"],
        [key[0] for key in keys],
        [key[1] for key in keys],
        [key[0] for key in digests],
        [key[1] for key in digests],
    )


def _all_heard(entries: Sequence[Entry]) -> bool:
    return all(entry.notification is not None for entry in entries)


def _guesses(recent: RowCache, seen: Mapping[Key, Sequence[Observation]]) -> dict[Key, CurrentRow | None]:
    """What current rows hold of problems, None: that there is none yet, as far as it is remembered or announced. Where
    facts have to be read, the row is too.
    """
    guesses: dict[Key, CurrentRow | None] = {}
    for key, observations in seen.items():
        held = recent.known(key)
        remembered = held is not None or observations[0].event_type == CREATED
        if remembered and not needs_facts(held, observations):
            guesses[key] = held
    return guesses


def _known_of(row: Record) -> CurrentRow:
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


async def _facts(
    connection: Connection, stretches: Sequence[HistoryRange]
) -> dict[Key, dict[tuple[datetime, bytes], Fact]]:
    if not stretches:
        return {}
    rows = await connection.fetch(queries("service_problem_version")["history_range"], *row_builder.columns(stretches))
    facts: dict[Key, dict[tuple[datetime, bytes], Fact]] = {}
    for row in rows:
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


async def _write_afterwards(connection: Connection, decision: Decision) -> None:
    """What may be lost: a question that was answered is asked again then, and a row without a memo read again."""
    answered = [
        (*key, history.pulled_at) for key, history in decision.histories.items() if history.pulled_at is not None
    ]
    if answered:
        await connection.execute(queries("refetch")["settle"], *row_builder.columns(answered))
    if decision.memos and not decision.touch:
        await list_digest.remember(connection, row_builder.late_memos(decision.present.touched, decision.memos))


async def _write_rare(connection: Connection, decision: Decision) -> None:
    """What few batches have."""
    histories, present = decision.histories, decision.present
    if present.noted:
        noted = await connection.fetch(queries("service_problem")["update_state"], *row_builder.columns(present.noted))
        if len(noted) != len(present.noted):
            raise ConcurrentUpdateError("another writer changed the same problems first")
    if decision.touch and present.touched:
        await connection.execute(queries("service_problem")["touch"], *row_builder.columns(present.touched))
    if mended := row_builder.mended_versions(histories):
        await connection.execute(queries("service_problem_version")["correct"], *row_builder.columns(mended))
    if overtaken := row_builder.overtaken_statuses(histories):
        await connection.execute(queries("status_change")["supersede"], *row_builder.columns(overtaken))
    await awaited_notification.mark_arrived(connection, decision.no_news)
    if decision.requests:
        rows = [
            (*key, reason, at, _REFETCH_DELAY_SECONDS.get(reason, _REFETCH_DELAY_DEFAULT_SECONDS))
            for key, (reason, at) in decision.requests.items()
        ]
        await connection.execute(queries("refetch")["request"], *row_builder.columns(rows))
