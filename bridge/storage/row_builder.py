"""What was decided, as rows of the tables: pure, in the order of the columns of the row types in
`sql/migrations/0001_core.sql` and of the parameters in `sql/queries`.

Rows stand in the order of their keys, problems by code point, whatever order the observations came in: Postgres locks
them in this order, and the histories of a decision are in it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import orjson

from bridge.domain.decision import DUPLICATE, FILTERED, Key
from bridge.domain.fact import Fact, hash_of
from bridge.domain.observation import Kind, Notification, Observation
from bridge.domain.problem_history import ProblemHistory
from bridge.domain.service_problem import Columns, columns_of
from bridge.domain.status import Status

Row: TypeAlias = tuple[Any, ...]

REVISION = 2
"""Place of the revision in `bridge.problem_row`: of the row the decision was made on, 0 for a new problem."""
DIGEST = 9
"""Place of the digest in `bridge.notification_row`."""


def corrected_versions(histories: Mapping[Key, ProblemHistory]) -> list[Row]:
    """Facts that were known, and of which something is new (`correct`)."""
    return [
        _corrected_row(key, history.facts[fact_key])
        for key, history in histories.items()
        for fact_key in history.updated
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


def _corrected_row(key: Key, fact: Fact) -> Row:
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
        for _, fact in sorted(history.timeline.added.items())
    ]


def contradicted_statuses(histories: Mapping[Key, ProblemHistory]) -> list[Row]:
    """Facts of status that the server has contradicted."""
    return [
        (*key, *status, stated_at)
        for key, history in histories.items()
        for status, stated_at in history.timeline.contradicted.items()
    ]


class CurrentRows:
    """Current rows by what has to be written of each: everything (`written`: `bridge.problem_row`), only its state
    (`state_only`), only that it was seen (`touched`). And the `versions` (`bridge.version_row`) written with them.

    A problem that is as its last whole statement has it is written without its body: the row refers to that version by
    its key. So that version is always among `versions`, also when it was known: should it have been deleted by
    retention since it was read, it is there again in the statement that refers to it.
    """

    __slots__ = ("state_only", "touched", "versions", "written")

    def __init__(self, histories: Mapping[Key, ProblemHistory]) -> None:
        self.versions: list[Row] = []
        self.written: list[Row] = []
        self.state_only: list[Row] = []
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
                self.state_only.append(_state_row(key, history, last))
            self.versions += [_version_row(key, history.facts[fact_key]) for fact_key in sorted(facts)]


def _body_known(history: ProblemHistory) -> bool:
    """Is the current body at hand? Not when only the state of a problem changed whose body was not read."""
    return history.content is None or bool(history.content.body)


def _current_row(key: Key, history: ProblemHistory, last: Observation) -> Row:
    content, patches = history.content, history.active_patches()
    seen = history.content_observation
    body = history.body()
    columns: Columns | Observation
    if seen is not None and not patches and seen.kind is Kind.FULL:
        columns = seen
    else:
        columns = columns_of(orjson.loads(body), last.vocabulary)
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


def _state_row(key: Key, history: ProblemHistory, last: Observation) -> Row:
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
    source_id: int,
    notification: Notification,
    outcome: str,
    seen: Observation | None,
    histories: Mapping[Key, ProblemHistory],
) -> Row:
    """A line of the log (`bridge.notification_row`). A problem that has just become a version is not written a second
    time. Of a repeat, and of what a filter does not keep, nothing is kept but that it came.
    """
    repeat = outcome == DUPLICATE
    without_body = repeat or outcome == FILTERED
    kept = (
        None
        if without_body or notification.frame is None or seen is None
        else _kept((source_id, seen.problem_id), seen, histories)
    )
    return (
        source_id,
        notification.received_at,
        notification.event_id,
        notification.event_type,
        notification.event_time,
        notification.problem_id,
        outcome,
        *(kept or (None, None)),
        notification.digest if notification.dedupable and not repeat else None,
        None if without_body else notification.frame if kept else notification.body,
    )


def _kept(key: Key, seen: Observation, histories: Mapping[Key, ProblemHistory]) -> tuple[datetime, bytes] | None:
    """The key of the version that this very transaction adds for an observation."""
    fact_key = (seen.effective_at, seen.content_hash)
    return fact_key if fact_key in histories[key].added else None


def list_digests(written: Sequence[Row], known: Mapping[Key, bytes]) -> list[bytes | None]:
    """The list digests for current rows that are written, in their order; nothing at all when there are none."""
    return [known.get(row[:2]) for row in written] if known else []


def digests_of_touched(touched: Sequence[Row], known: Mapping[Key, bytes]) -> list[Row]:
    """The list digests for current rows that are not written: source id, problem id, digest."""
    return [(*row[:2], known[row[:2]]) for row in touched if row[:2] in known]


def columns(rows: Sequence[Row]) -> list[list[object]]:
    """Rows to the arrays that `unnest` takes. It fills up with nulls what is missing of one, so a column without any
    value is an empty array: the driver takes a microsecond to look at each.
    """
    return [[] if column.count(None) == len(column) else list(column) for column in zip(*rows, strict=True)]
