"""Judging push: what was found by asking and not told of in time was missed.

Done after every pass and every few seconds by the process that leads (`jobs.report`).
"""

from bridge.jobs.feed import Feed
from bridge.jobs.pacing import now
from bridge.metrics import Metrics
from bridge.storage import awaited_notification
from bridge.storage.database import Connection


async def judge(connection: Connection, feed: Feed, metrics: Metrics) -> int:
    """Count what is due, and doubt the push when it missed something that the registration in use should have brought;
    return how many were missed.
    """
    verdict = await awaited_notification.judge(connection, feed.source_id, now())
    metrics.missed.labels(feed.name).inc(verdict.missed)
    metrics.late.labels(feed.name).inc(verdict.late)
    if verdict.changed_at is not None and feed.registered_at is not None and verdict.changed_at > feed.registered_at:
        feed.missed(now())
    return verdict.missed
