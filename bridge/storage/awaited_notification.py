"""Changes that a poll or reconcile found first and whose notification may still come.

A poll that runs while push works often finds a change a moment before its notification arrives: nothing was missed. So
the change is written down in the transaction that stores it, and marked when a notification says the same (same time of
change or content; a partial one need not state a time). It is counted once it has arrived or is overdue, in the
statement that deletes it: each change is counted once, whichever process counts and whenever it crashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.domain.observation import Kind, Observation
from bridge.storage.database import Connection
from bridge.storage.queries import queries

_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class AwaitedNotification:
    """A change that a poll or reconcile found. `changed_at`, `found_at`, `due_at`: our clock."""

    source_id: int
    seen: Observation
    changed_at: datetime
    found_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class OverdueCount:
    """What became of those due. `changed_at`: the newest change that was missed, by our clock."""

    missed: int
    late: int
    changed_at: datetime | None


async def wait_for(connection: Connection, awaited: Sequence[AwaitedNotification]) -> None:
    """Write changes down; part of the transaction that stores them."""
    rows = [
        (
            each.source_id,
            each.seen.problem_id,
            each.seen.effective_at,
            each.seen.content_hash,
            each.seen.stamped,
            each.changed_at,
            each.found_at,
            each.due_at,
        )
        for each in awaited
    ]
    if rows:
        await connection.execute(queries("awaited_notification")["add"], *_columns(rows))


async def mark_arrived(connection: Connection, notified: Sequence[tuple[int, Observation]]) -> None:
    """Mark what these notifications, (source id, observation), brought after it was known; part of the transaction that
    stores them.
    """
    rows = [
        (
            source_id,
            seen.problem_id,
            seen.effective_at,
            seen.content_hash,
            seen.kind is Kind.PARTIAL,
            seen.observed_at,
        )
        for source_id, seen in notified
    ]
    if rows:
        await connection.execute(queries("awaited_notification")["mark_arrived"], *_columns(rows))


async def count_overdue(connection: Connection, source_id: int, at: datetime) -> OverdueCount:
    """Count what has arrived or is overdue at `at`, and delete it."""
    row = await connection.fetchrow(queries("awaited_notification")["count_overdue"], source_id, at, _AT_ONCE)
    return OverdueCount(0, 0, None) if row is None else OverdueCount(row["missed"], row["late"], row["changed_at"])


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
