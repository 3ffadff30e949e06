"""The one door: everything that is ever said about a problem enters the tables here.

A batch goes through in one transaction of the caller: find repeats among the notifications, read what is known of the
problems (one statement), weigh the observations one by one (`bridge.domain.life`, no I/O), write facts, current rows
and log (one statement a table), and note which problems are others now, or have another past (`bridge.storage.change`).

Nothing is locked while weighing, unless the caller asks for it (`lock`). Each current row carries a revision; a row is
written only on the revision that was read, and when fewer rows were written than decided, another writer was faster:
RacedError, the caller's transaction rolls back and the batch is decided anew. Facts and the log are sets with keys, so
a batch that is stored twice (a crash after commit, before the answer) changes nothing the second time. A crash before
commit leaves nothing of the batch.

Where the time goes (py-spy, pg_stat_statements; 64 connections, 32 notifications a batch): 42 % of the bridge's CPU is
spent here, more than half of that on handing some sixty values a notification to the driver; 15 % on reading the event,
30 % in aiohttp. Of Postgres' CPU a third goes into the current row, a quarter into the version, a seventh each into
log, status and digest. Tried and left: rows as one JSON parameter (`json_to_recordset`), which takes 35 µs less of
Python a notification and 60 µs more of Postgres.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import field
from datetime import datetime

import orjson

from bridge.domain.life import EPOCH, TOLD_GONE, Fact, Known, Life, Outcome, hash_of, needs_facts
from bridge.domain.observation import Kind, Notification, Observation, Via
from bridge.domain.service_problem import Columns, columns_of
from bridge.domain.status import Status
from bridge.domain.value import dataclass
from bridge.storage import awaited_notification, change
from bridge.storage.database import Connection, RacedError
from bridge.storage.queries import queries

_REFETCH_DELAY_SECONDS = {"regression": 2.0, "deleted": 1.0, "after_delete": 1.0, "late": 1.0}
_REFETCH_DELAY_DEFAULT_SECONDS = 0.1


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


Key = tuple[int, str]
Stretch = tuple[int, str, datetime, bool]
"""Part of a problem's history: what stands around a time, and whether also everything after it."""


async def lock(connection: Connection, entries: Sequence[Entry]) -> None:
    """Keep other writers off the problems of a batch until the caller's transaction ends.

    For a batch that was raced: a page of hundreds would else lose again and again to a stream of notifications.
    """
    keys = {(entry.source_id, entry.observation.problem_id) for entry in entries if entry.observation is not None}
    if keys:
        await connection.execute(queries("service_problem")["lock"], *_columns(sorted(keys)))


async def store(connection: Connection, entries: Sequence[Entry], *, touch: bool = True) -> Stored:
    """Store a batch inside the caller's transaction.

    `touch`: also note in the current row that an unchanged problem was seen (off for passes over everything). Raises
    RacedError when another writer was faster, RefusedError (from the surrounding `translated`) when Postgres refuses a
    value.
    """
    repeats = await _repeats(connection, entries)
    lives = await _lives(connection, [entry for index, entry in enumerate(entries) if index not in repeats])
    stored = Stored()
    requests: dict[Key, tuple[str, datetime]] = {}
    for index, entry in enumerate(entries):
        outcome = "duplicate" if index in repeats else _weigh(entry, lives, stored, requests)
        stored.outcomes.append(outcome)
    for key, life in lives.items():
        stored.drift[key[0]] += life.drift
        if life.last_observed is not None:
            for reason in life.refetch:
                _request(requests, key, reason, life.last_observed.observed_at)
    for source_id, _ in requests:
        stored.refetch[source_id] += 1
    await _write(connection, lives, touch=touch)
    await _write_log(connection, entries, stored.outcomes, repeats, lives)
    await awaited_notification.told(connection, _no_news(entries, stored.outcomes))
    await _write_requests(connection, requests, lives)
    return stored


def _weigh(entry: Entry, lives: dict[Key, Life], stored: Stored, requests: dict[Key, tuple[str, datetime]]) -> str:
    seen, notification = entry.observation, entry.notification
    outcome = Outcome.UNCHANGED
    if seen is not None:
        outcome = lives[entry.source_id, seen.problem_id].observe(seen)
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
    if key in requests and requests[key][0] in TOLD_GONE:
        reason = requests[key][0]
    requests[key] = (reason, at)


async def _repeats(connection: Connection, entries: Sequence[Entry]) -> set[int]:
    """Positions of notifications that were stored before, or stand earlier in the batch."""
    keyed = [
        (index, (entry.source_id, entry.notification.digest))
        for index, entry in enumerate(entries)
        if entry.notification is not None and entry.notification.dedupable
    ]
    if not keyed:
        return set()
    rows = await connection.fetch(
        queries("notification")["digests"], [key[0] for _, key in keyed], [key[1] for _, key in keyed]
    )
    known = {(row["source_id"], row["digest"]) for row in rows}
    repeats = set()
    for index, key in keyed:
        if key in known:
            repeats.add(index)
        known.add(key)
    return repeats


async def _lives(connection: Connection, entries: Sequence[Entry]) -> dict[Key, Life]:
    seen: dict[Key, list[Observation]] = {}
    for entry in entries:
        if entry.observation is not None:
            seen.setdefault((entry.source_id, entry.observation.problem_id), []).append(entry.observation)
    if not seen:
        return {}
    known = await _known(connection, list(seen))
    since = [
        stretch
        for key, observations in seen.items()
        if needs_facts(known.get(key), observations)
        for stretch in _stretches(key, known.get(key), observations)
    ]
    facts = await _facts(connection, since)
    return {key: Life(key[1], known=known.get(key), facts=facts.get(key, {})) for key in sorted(seen)}


def _stretches(key: Key, known: Known | None, observations: Sequence[Observation]) -> list[Stretch]:
    """What has to be read of a problem's history: everything since the content, and what stands around each time from
    before it.
    """
    content_at = (known.content_at if known else None) or EPOCH
    times = {seen.effective_at for seen in observations} - {content_at}
    return [(*key, content_at, True)] + [(*key, at, at >= content_at) for at in sorted(times)]


async def _known(connection: Connection, keys: list[Key]) -> dict[Key, Known]:
    rows = await connection.fetch(
        queries("service_problem")["known"], [key[0] for key in keys], [key[1] for key in keys]
    )
    return {
        (row[0], row[1]): Known(
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
        for row in rows
    }


async def _facts(connection: Connection, stretches: Sequence[Stretch]) -> dict[Key, dict[tuple[datetime, bytes], Fact]]:
    if not stretches:
        return {}
    rows = await connection.fetch(queries("service_problem_version")["recent"], *_columns(stretches))
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


async def _write(connection: Connection, lives: dict[Key, Life], *, touch: bool) -> None:
    for life in lives.values():
        if any(fact.kind is Kind.PARTIAL for fact in life.facts.values()):
            life.refold()
    await _write_versions(connection, lives)
    await _write_statuses(connection, lives)
    await _write_current(connection, lives, touch=touch)
    await change.add(connection, [key for key, life in lives.items() if life.altered])


async def _write_versions(connection: Connection, lives: dict[Key, Life]) -> None:
    added = [
        _version_row(source_id, problem_id, life.facts[fact_key])
        for (source_id, problem_id), life in lives.items()
        for fact_key in life.added
    ]
    if added:
        await connection.execute(queries("service_problem_version")["add"], *_columns(added))
    mended = [
        _mended_row(source_id, problem_id, life.facts[fact_key])
        for (source_id, problem_id), life in lives.items()
        for fact_key in life.touched
        if fact_key not in life.added
    ]
    if mended:
        await connection.execute(queries("service_problem_version")["mend"], *_columns(mended))


def _version_row(source_id: int, problem_id: str, fact: Fact) -> tuple[object, ...]:
    partial = fact.kind is Kind.PARTIAL
    body = (fact.folded or fact.body) if partial else fact.body
    return (
        source_id,
        problem_id,
        fact.effective_at,
        fact.content_hash,
        fact.kind.value,
        fact.observed_at,
        fact.confirmed_at,
        fact.via.value,
        fact.event_type,
        fact.status,
        fact.superseded,
        hash_of(body) if partial else None,
        fact.body if partial else None,
        body,
    )


def _mended_row(source_id: int, problem_id: str, fact: Fact) -> tuple[object, ...]:
    folded = fact.folded
    return (
        source_id,
        problem_id,
        fact.effective_at,
        fact.content_hash,
        fact.superseded,
        fact.confirmed_at,
        None if folded is None else fact.status,
        None if folded is None else fact.folded_hash,
        folded,
    )


async def _write_statuses(connection: Connection, lives: dict[Key, Life]) -> None:
    rows = [
        (
            source_id,
            problem_id,
            fact.effective_at,
            fact.status,
            fact.status_raw,
            fact.stated_at,
            fact.observed_at,
            fact.confirmed_at,
            fact.via.value,
            fact.partial,
        )
        for (source_id, problem_id), life in lives.items()
        for fact in life.statuses.values()
    ]
    if rows:
        await connection.execute(queries("status_change")["add"], *_columns(rows))
    overtaken = [
        (*key, *status, stated_at) for key, life in lives.items() for status, stated_at in life.overtaken.items()
    ]
    if overtaken:
        await connection.execute(queries("status_change")["supersede"], *_columns(overtaken))


async def _write_current(connection: Connection, lives: dict[Key, Life], *, touch: bool) -> None:
    written, noted, touched = [], [], []
    for (source_id, problem_id), life in lives.items():
        last = life.last_observed
        if last is None:
            continue
        missed = life.known is not None and life.known.missed_at is not None and last.kind is not Kind.TOMBSTONE
        if not life.changed and not life.added and not missed:
            touched.append((source_id, problem_id, last.observed_at))
        elif _body_known(life):
            written.append(_current_row(source_id, problem_id, life, last))
        else:
            noted.append(_noted_row(source_id, problem_id, life, last))
    if written:
        await _all_or_raced(connection, queries("service_problem")["write"], written)
    if noted:
        await _all_or_raced(connection, queries("service_problem")["note"], noted)
    if touch and touched:
        await connection.execute(queries("service_problem")["touch"], *_columns(touched))


async def _all_or_raced(connection: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    came_back = await connection.fetch(statement, *_columns(rows))
    if len(came_back) != len(rows):
        raise RacedError("another writer changed the same problems first")


def _body_known(life: Life) -> bool:
    """Is the current body at hand? Not when only the circumstances of an unloaded one changed."""
    return life.content is None or bool(life.content.body)


def _current_row(source_id: int, problem_id: str, life: Life, last: Observation) -> tuple[object, ...]:
    content, patches = life.content, life.active_patches()
    seen = life.content_observation
    body = life.body()
    columns: Columns | Observation
    columns = seen if seen is not None and not patches and seen.kind is Kind.FULL else columns_of(orjson.loads(body))
    status = columns.status or Status.UNKNOWN
    return (
        source_id,
        problem_id,
        life.known.revision if life.known else 0,
        bool(patches),
        (life.known is not None and life.known.has_partials)
        or any(fact.kind is Kind.PARTIAL for fact in life.facts.values()),
        life.head_at,
        life.observed_at,
        content.effective_at if content else None,
        content.observed_at if content else None,
        content.confirmed_at if content else None,
        life.doubt[1] if life.doubt else None,
        life.deleted_at,
        last.observed_at,
        columns.created_at,
        columns.updated_at,
        columns.status_at,
        columns.resolved_at,
        columns.priority,
        columns.affected_services,
        (life.via or last.via).value,
        content.via.value if content else None,
        status.value,
        columns.status_raw,
        columns.category,
        content.content_hash if content else None,
        life.doubt[0] if life.doubt else None,
        body,
    )


def _noted_row(source_id: int, problem_id: str, life: Life, last: Observation) -> tuple[object, ...]:
    content = life.content
    return (
        source_id,
        problem_id,
        life.known.revision if life.known else 0,
        bool(life.active_patches()),
        life.head_at,
        life.observed_at,
        content.effective_at if content else None,
        content.observed_at if content else None,
        content.confirmed_at if content else None,
        content.content_hash if content else None,
        life.doubt[1] if life.doubt else None,
        life.doubt[0] if life.doubt else None,
        life.deleted_at,
        (life.via or last.via).value,
        last.observed_at,
    )


async def _write_log(
    connection: Connection, entries: Sequence[Entry], outcomes: Sequence[str], repeats: set[int], lives: dict[Key, Life]
) -> None:
    """Log what was received. A problem that has just become a version is not written a second time: 45 % fewer bytes a
    change.
    """
    rows = []
    digests = []
    for index, (entry, outcome) in enumerate(zip(entries, outcomes, strict=True)):
        heard = entry.notification
        if heard is None:
            continue
        repeat = index in repeats
        kept = None if repeat or heard.frame is None else _kept(entry, lives)
        rows.append(
            (
                entry.source_id,
                heard.received_at,
                heard.event_id,
                heard.event_type,
                heard.event_time,
                heard.problem_id,
                outcome,
                *(kept or (None, None)),
                None if repeat else heard.frame if kept else heard.body,
            )
        )
        if heard.dedupable and not repeat:
            digests.append((entry.source_id, heard.digest, heard.received_at))
    if digests:
        await _all_or_raced(connection, queries("notification")["remember"], digests)
    if rows:
        await connection.execute(queries("notification")["add"], *_columns(rows))


def _kept(entry: Entry, lives: dict[Key, Life]) -> tuple[datetime, bytes] | None:
    """The key of the version that this very transaction adds for an entry."""
    seen = entry.observation
    if seen is None:
        return None
    key = (seen.effective_at, seen.content_hash)
    return key if key in lives[entry.source_id, seen.problem_id].added else None


async def _write_requests(
    connection: Connection, requests: dict[Key, tuple[str, datetime]], lives: dict[Key, Life]
) -> None:
    answered = [
        (source_id, problem_id, life.pulled_at)
        for (source_id, problem_id), life in lives.items()
        if life.pulled_at is not None
    ]
    if answered:
        await connection.execute(queries("refetch")["settle"], *_columns(answered))
    if requests:
        rows = [
            (source_id, problem_id, reason, at, _REFETCH_DELAY_SECONDS.get(reason, _REFETCH_DELAY_DEFAULT_SECONDS))
            for (source_id, problem_id), (reason, at) in requests.items()
        ]
        await connection.execute(queries("refetch")["request"], *_columns(rows))


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    """Rows to the arrays that `unnest` takes. It fills up with nulls what is missing of one, so a column without any
    value is an empty array: that is a sixth of all values, and the driver takes a microsecond to look at each.
    """
    return [[] if column.count(None) == len(column) else list(column) for column in zip(*rows, strict=True)]
