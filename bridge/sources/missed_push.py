"""Judging push: what was found by asking and not told of in time was missed.

Done after every pass and every few seconds by the process that leads (`maintenance.source_report`).
"""

from bridge.schedule import now
from bridge.sources.state import SourceState
from bridge.storage import awaited_notification
from bridge.storage.database import Connection
from bridge.telemetry.metrics import Metrics


async def count_missed_pushes(connection: Connection, source: SourceState, metrics: Metrics) -> int:
    """Count what is due, and doubt the push when it missed something that the registration in use should have brought;
    return how many were missed.
    """
    verdict = await awaited_notification.count_overdue(connection, source.source_id, now())
    metrics.missed.labels(source.name).inc(verdict.missed)
    metrics.late.labels(source.name).inc(verdict.late)
    if (
        verdict.changed_at is not None
        and source.registered_at is not None
        and verdict.changed_at > source.registered_at
    ):
        source.missed(now())
    return verdict.missed
