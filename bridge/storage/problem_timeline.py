"""What is known of one problem, for its page: the current row, its versions with the body before, its statuses, and the
notifications about it. Bodies are JSON in bytes.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct

from bridge.storage.database import Connection
from bridge.storage.errors import sqlstate_of
from bridge.storage.queries import queries

PAGE: Final = 100
"""Versions of a page."""
_INTERVALS = 500
_NOTIFICATIONS = 100
_LINKS = 50
_SEARCH_MILLISECONDS = "700"
_CANCELLED = "57014"


class ProblemRow(Struct, frozen=True):
    """A problem as it is now, as report.service_problem has it."""

    source: str
    id: str
    href: str | None
    name: str | None
    status: str
    status_raw: str | None
    category: str | None
    priority: int | None
    created_at: datetime | None
    updated_at: datetime | None
    status_changed_at: datetime | None
    resolved_at: datetime | None
    first_seen_at: datetime
    last_seen_at: datetime
    last_changed_via: str
    deleted_at: datetime | None
    known_since: datetime | None
    body: bytes


class TimelineVersion(Struct, frozen=True):
    """A problem as it was from `valid_from` on. `body_before` None: nothing is known before. `observed_at`: our clock,
    when it was first received, or asked for.
    """

    valid_from: datetime
    via: str
    event_type: str | None
    status: str
    body_before: bytes | None
    body: bytes
    observed_at: datetime | None


class StatusInterval(Struct, frozen=True):
    """A time in one status; `left_at` None: it still is."""

    status: str
    entered_at: datetime
    left_at: datetime | None
    seconds: float


class LoggedNotification(Struct, frozen=True):
    """A notification about the problem."""

    received_at: datetime
    event_time: datetime | None
    event_type: str | None
    event_id: str | None
    outcome: str


class ProblemLink(Struct, frozen=True):
    """A ticket that is kept in step with the problem. `other_id` None: it is not made yet; `seconds_behind` None: both
    sides are as they should be. `other_number`: the one for people, where its system has one.
    """

    link_id: int
    rule: str
    rule_state: str
    state: str
    other_source: str
    other_id: str | None
    other_status: str | None
    other_number: str | None
    other_name: str | None
    other_href: str | None
    seconds_behind: float | None
    open_writes: int
    waiting_conflicts: int
    last_write_at: datetime | None
    last_error: str | None


async def find(connection: Connection, source: str, problem_id: str) -> ProblemRow | None:
    """Return the problem as it is now."""
    row = await connection.fetchrow(queries("problem_timeline")["problem"], source, problem_id)
    return None if row is None else ProblemRow(**dict(row))


async def versions(
    connection: Connection, source: str, problem_id: str, *, before: datetime | None = None
) -> tuple[list[TimelineVersion], bool]:
    """Return up to `PAGE` versions, the newest first, and whether there are older ones."""
    rows = await connection.fetch(queries("problem_timeline")["versions"], source, problem_id, before, PAGE + 1)
    return [TimelineVersion(**dict(row)) for row in rows[:PAGE]], len(rows) > PAGE


async def intervals(connection: Connection, source: str, problem_id: str) -> list[StatusInterval]:
    """Return the times in each status, in order."""
    rows = await connection.fetch(queries("problem_timeline")["intervals"], source, problem_id, _INTERVALS)
    return [StatusInterval(**dict(row)) for row in rows]


async def notifications(
    connection: Connection, source: str, problem_id: str, since: datetime
) -> list[LoggedNotification] | None:
    """Return the newest notifications about it since an instant; None when the log is too large to be searched in a
    moment. Run inside a transaction, and as its last statement: it may be cancelled.
    """
    await connection.execute(queries("problem_timeline")["limit_time"], _SEARCH_MILLISECONDS)
    try:
        rows = await connection.fetch(
            queries("problem_timeline")["notifications"], source, problem_id, since, _NOTIFICATIONS
        )
    except Exception as error:  # of the driver, which only `storage.errors` reads
        if sqlstate_of(error) == _CANCELLED:
            return None
        raise
    return [LoggedNotification(**dict(row)) for row in rows]


async def known(connection: Connection, source: str, problem_ids: list[str]) -> set[str]:
    """Return which of these problems of a source are known here."""
    rows = await connection.fetch(queries("problem_timeline")["known"], source, problem_ids)
    return {row["id"] for row in rows}


async def links(connection: Connection, source: str, problem_id: str) -> list[ProblemLink]:
    """Return the tickets that are linked with a problem."""
    rows = await connection.fetch(queries("problem_timeline")["links"], source, problem_id, _LINKS)
    return [ProblemLink(**dict(row)) for row in rows]
