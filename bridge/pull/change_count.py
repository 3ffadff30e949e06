"""What a batch of answers changed, added to the metrics."""

from bridge.domain.problem_history import Outcome
from bridge.sources.state import SourceState
from bridge.storage.observation import Stored
from bridge.telemetry.metrics import Metrics

APPLIED = frozenset(outcome for outcome in Outcome if outcome.applied)
"""Outcomes that changed a current row."""


def count_changes(source: SourceState, metrics: Metrics, stored: Stored) -> None:
    """Add what a batch changed to the metrics."""
    for (source_id, via, outcome), number in stored.changes.items():
        if outcome in APPLIED and source_id == source.source_id:
            metrics.changes.labels(source.name, via.value).inc(number)
    drift = stored.drift[source.source_id]
    if drift:
        metrics.drift.labels(source.name, "regression").inc(drift)
