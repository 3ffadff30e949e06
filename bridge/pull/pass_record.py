"""What a pass says of itself when it has ended: complete or not, in the log, the database (`status`) and the metric."""

from datetime import datetime

import structlog

from bridge.domain.problem_history import Outcome
from bridge.pull.page_import import Tally
from bridge.sources.state import SourceState
from bridge.storage import last_pass
from bridge.storage.database import Connection
from bridge.storage.last_pass import LastPass
from bridge.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


def note_update_times(source: SourceState, tally: Tally) -> None:
    """Learn from a pass over everything whether a filter by update time can find changes."""
    changed = tally.outcomes[Outcome.CHANGED]
    if source.note_update_times(changed=changed, unmoved=tally.unmoved) and not source.update_times_move:
        log.warning("update times stand still, every poll reads everything", source=source.name, problems=tally.unmoved)


async def record_pass(
    connection: Connection,
    source: SourceState,
    metrics: Metrics,
    kind: str,
    tally: Tally,
    started_at: datetime,
    ended_at: datetime,
) -> None:
    """Record a pass of that kind; it is logged when it is the first incomplete one, or complete again."""
    completeness = tally.completeness
    gap = None if completeness.gap is None else str(completeness)
    last = LastPass(kind, started_at, ended_at, gap, tally.problems, tally.filtered)
    await last_pass.write(connection, source.source_id, last)
    metrics.polls.labels(source.name, kind, "ok" if gap is None else "incomplete").inc()
    metrics.last_poll_success.labels(source.name, kind).set(ended_at.timestamp())
    metrics.pass_complete.labels(source.name, kind).set(gap is None)
    before = source.incomplete.get(kind)
    if gap is not None and completeness.gap != before:
        source.incomplete[kind] = completeness.gap
        log.warning("pass incomplete", source=source.name, kind=kind, reason=gap)
    elif gap is None and source.incomplete.pop(kind, None) is not None:
        log.info("pass complete again", source=source.name, kind=kind, problems=tally.problems)
