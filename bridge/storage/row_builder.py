"""What the door has decided, as rows of the tables: pure, in the order of the columns of `sql/migrations/0001_core.sql`
and of the parameters in `sql/queries`.

Rows of tables stand in the order of their keys, problems by code point, whatever order they were told in: Postgres
locks them in this order. The door's lives are in that order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import orjson

from bridge.domain.observation import Kind, Notification, Observation
from bridge.domain.problem_history import Fact, ProblemHistory, hash_of
from bridge.domain.service_problem import Columns, columns_of
from bridge.domain.status import Status

Key: TypeAlias = tuple[int, str]
"""Source and problem."""

Row: TypeAlias = tuple[Any, ...]

REVISION = 2
"""Place of the revision in `bridge.problem_row`: of the row the decision was made on, 0 for a new problem."""
DIGEST = 9
"""Place of the digest in `bridge.notification_row`."""

DUPLICATE = "duplicate"
"""Outcome of a notification that was stored before."""


def mended_versions(histories: Mapping[Key, ProblemHistory]) -> list[Row]:
    """Facts known before of which something is new."""
    return [
        _mended_row(key, history.facts[fact_key])
        for key, history in histories.items()
        for fact_key in history.touched
        if fact_key not in history.added
    ]


def _version_row(key: Key, fact: Fact) -> Row:
    partial = fact.kind is Kind.PARTIAL
    body = (fact.folded or fact.body) if partial else fact.body
    return (
        *key,
        fact.effective_at,
        fact.content_hash,
        fact.kind,
        fact.observed_at,
        fact.confirmed_at,
        fact.via,
        fact.event_type,
        fact.status,
        fact.superseded,
        hash_of(body) if partial else None,
        fact.body if partial else None,
        body,
    )


def _mended_row(key: Key, fact: Fact) -> Row:
    folded = fact.folded
    return (
        *key,
        fact.effective_at,
        fact.content_hash,
        fact.superseded,
        fact.confirmed_at,
        None if folded is None else fact.status,
        None if folded is None else fact.folded_hash,
        folded,
    )


def statuses(histories: Mapping[Key, ProblemHistory]) -> list[Row]:
    """Facts of status (`bridge.status_row`)."""
    return [
        (
            *key,
            fact.effective_at,
            fact.status,
            fact.status_raw,
            fact.stated_at,
            fact.observed_at,
            fact.confirmed_at,
            fact.via,
            fact.partial,
        )
        for key, history in histories.items()
        for _, fact in sorted(history.statuses.items())
    ]


def overtaken_statuses(histories: Mapping[Key, ProblemHistory]) -> list[Row]:
    """Facts of status that the server has contradicted."""
    return [
        (*key, *status, stated_at)
        for key, history in histories.items()
        for status, stated_at in history.overtaken.items()
    ]


class CurrentRows:
    """Current rows, sorted by what has to be written of each: everything (`bridge.problem_row`), only what is known
    about it, only that it was seen. And the `versions` (`bridge.version_row`) to be written with them.

    A problem that is as its last whole statement has it is written without its body: the row refers to that version by
    its key. So that version is always among `versions`, also when it was known: should it have been pruned since it was
    read, it is there again in the statement that refers to it.
    """

    __slots__ = ("noted", "touched", "versions", "written")

    def __init__(self, histories: Mapping[Key, ProblemHistory]) -> None:
        self.versions: list[Row] = []
        self.written: list[Row] = []
        self.noted: list[Row] = []
        self.touched: list[Row] = []
        for key, history in histories.items():
            last = history.last_observed
            if last is None:
                continue
            missed = (
                history.known is not None and history.known.missed_at is not None and last.kind is not Kind.TOMBSTONE
            )
            if not history.changed and not history.added and not missed:
                self.touched.append((*key, last.observed_at))
                continue
            facts = dict(history.added)
            if _body_known(history):
                self.written.append(_current_row(key, history, last))
                if history.content is not None and not history.active_patches():
                    facts[history.content.key] = None
            else:
                self.noted.append(_noted_row(key, history, last))
            self.versions += [_version_row(key, history.facts[fact_key]) for fact_key in sorted(facts)]


def _body_known(history: ProblemHistory) -> bool:
    """Is the current body at hand? Not when only the circumstances of an unloaded one changed."""
    return history.content is None or bool(history.content.body)


def _current_row(key: Key, history: ProblemHistory, last: Observation) -> Row:
    content, patches = history.content, history.active_patches()
    seen = history.content_observation
    body = history.body()
    columns: Columns | Observation
    columns = seen if seen is not None and not patches and seen.kind is Kind.FULL else columns_of(orjson.loads(body))
    status = columns.status or Status.UNKNOWN
    return (
        *key,
        history.known.revision if history.known else 0,
        bool(patches),
        (history.known is not None and history.known.has_partials) or history.has_partials,
        history.head_at,
        history.observed_at,
        content.effective_at if content else None,
        content.observed_at if content else None,
        content.confirmed_at if content else None,
        history.doubt[1] if history.doubt else None,
        history.deleted_at,
        last.observed_at,
        columns.created_at,
        columns.updated_at,
        columns.status_at,
        columns.resolved_at,
        columns.priority,
        columns.affected_services,
        history.via or last.via,
        content.via if content else None,
        status,
        columns.status_raw,
        columns.category,
        content.content_hash if content else None,
        history.doubt[0] if history.doubt else None,
        body if content is None or patches else None,
    )


def _noted_row(key: Key, history: ProblemHistory, last: Observation) -> Row:
    content = history.content
    return (
        *key,
        history.known.revision if history.known else 0,
        bool(history.active_patches()),
        history.head_at,
        history.observed_at,
        content.effective_at if content else None,
        content.observed_at if content else None,
        content.confirmed_at if content else None,
        content.content_hash if content else None,
        history.doubt[1] if history.doubt else None,
        history.doubt[0] if history.doubt else None,
        history.deleted_at,
        history.via or last.via,
        last.observed_at,
    )


def logged(
    source_id: int, heard: Notification, outcome: str, seen: Observation | None, histories: Mapping[Key, ProblemHistory]
) -> Row:
    """A line of the log (`bridge.notification_row`). A problem that has just become a version is not written a second
    time: 45 % fewer bytes a change. Of a repeat nothing is kept but that it came.
    """
    repeat = outcome == DUPLICATE
    kept = (
        None if repeat or heard.frame is None or seen is None else _kept((source_id, seen.problem_id), seen, histories)
    )
    return (
        source_id,
        heard.received_at,
        heard.event_id,
        heard.event_type,
        heard.event_time,
        heard.problem_id,
        outcome,
        *(kept or (None, None)),
        heard.digest if heard.dedupable and not repeat else None,
        None if repeat else heard.frame if kept else heard.body,
    )


def _kept(key: Key, seen: Observation, histories: Mapping[Key, ProblemHistory]) -> tuple[datetime, bytes] | None:
    """The key of the version that this very transaction adds for an observation."""
    fact_key = (seen.effective_at, seen.content_hash)
    return fact_key if fact_key in histories[key].added else None


def memos(written: Sequence[Row], known: Mapping[Row, bytes]) -> list[bytes | None]:
    """The memos for current rows that are written, in their order; nothing at all when there are none."""
    return [known.get(row[:2]) for row in written] if known else []


def late_memos(touched: Sequence[Row], known: Mapping[Row, bytes]) -> list[Row]:
    """The memos for current rows that are not written: source id, problem id, memo."""
    return [(*row[:2], known[row[:2]]) for row in touched if row[:2] in known]


def columns(rows: Sequence[Row]) -> list[list[object]]:
    """Rows to the arrays that `unnest` takes. It fills up with nulls what is missing of one, so a column without any
    value is an empty array: the driver takes a microsecond to look at each.
    """
    return [[] if column.count(None) == len(column) else list(column) for column in zip(*rows, strict=True)]
