"""Which changes the push should have brought: they are expected once a poll or reconcile found them first.

A notification may arrive a moment after the poll that found its change: then nothing was missed. Counting what is
overdue is done after each pass, and every few seconds by the leader (`maintenance.source_report`).
"""

from datetime import datetime, timedelta

from bridge.domain.observation import Observation
from bridge.sources.state import SourceState
from bridge.storage import awaited_notification
from bridge.storage.awaited_notification import AwaitedNotification
from bridge.storage.database import Connection
from bridge.telemetry.metrics import Metrics

GRACE = timedelta(seconds=10)
"""The notification of a change younger than this may still be on its way."""

_SAME_CLOCK = timedelta(seconds=2)
"""HTTP states the time in whole seconds and takes a while: a smaller difference between two clocks is none."""


def expected_notification(
    source: SourceState, seen: Observation, *, asked_at: datetime, server_at: datetime | None
) -> AwaitedNotification | None:
    """Return the notification that should bring what a page showed first; None when the change is from before
    notifications were expected. `server_at`: the server's clock when it was `asked_at` by ours.
    """
    if source.expected_since is None:
        return None
    ahead = server_at - asked_at if server_at else timedelta(0)
    ahead = ahead if abs(ahead) >= _SAME_CLOCK else timedelta(0)
    interval = timedelta(seconds=source.settings.poll_interval_seconds)
    changed_at = seen.effective_at - ahead if seen.stamped else asked_at - interval
    if changed_at <= source.expected_since:
        return None
    due_at = (min(asked_at, changed_at) if seen.stamped else asked_at) + GRACE
    return AwaitedNotification(source.source_id, seen, changed_at, found_at=asked_at, due_at=due_at)


async def count_missed_pushes(connection: Connection, source: SourceState, metrics: Metrics, at: datetime) -> int:
    """Count the notifications that are overdue `at` and return their number. Doubt the push when one is missing that
    the current registration should have brought.
    """
    overdue = await awaited_notification.count_overdue(connection, source.source_id, at)
    metrics.missed.labels(source.name).inc(overdue.missed)
    metrics.late.labels(source.name).inc(overdue.late)
    registered_at = source.registered_at
    if overdue.changed_at is not None and registered_at is not None and overdue.changed_at > registered_at:
        source.missed(at)
    return overdue.missed
