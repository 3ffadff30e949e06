"""The series of a rule in the metrics. All exist at 0 before anything happens, so that an alert can see a rise."""

from collections.abc import Mapping
from datetime import datetime
from itertools import product
from typing import Final

from bridge.domain.link.comparison import MapComparison
from bridge.domain.link.field import ConflictKind
from bridge.domain.link.life import LinkState
from bridge.domain.link.rule import LinkRule
from bridge.domain.link.word_map import Side
from bridge.schedule import now
from bridge.storage.outbox import OutboxRow, WriteKind, WriteOutcome
from bridge.telemetry.metrics import REQUEST_OUTCOMES, WRITE_OPERATIONS, Metrics

RULE_STATES: Final = ("on", "plan", "off", "paused", "held", "gone")
WRITE_OUTCOMES: Final = (*(outcome.value for outcome in WriteOutcome), "blocked", "retried", "unsure", "unexpected")
"""What a write comes to, as metrics count it."""
NOTE_EDITED: Final = "edited"
"""Outcome of a note that was copied and edited afterwards: its copy stays as it is."""
SETTLED: Final = ("ours", "not_done", "uncertain", "failed")
"""What reading the target showed of a write without an answer; failed: nothing yet."""


def introduce_rule(metrics: Metrics, rule: LinkRule, poll_seconds: Mapping[Side, float]) -> None:
    """Create the series of a rule. `poll_seconds`: how often the source of a side is polled."""
    figures, name = metrics.links, rule.name
    for kind in ConflictKind:
        metrics.conflicts.labels(name, kind.value)
    for counter in (metrics.duplicates, metrics.write_budget_exhausted, figures.echoes, figures.drift):
        counter.labels(name)
    figures.oscillating.labels(name)
    for mapped in rule.fields:
        if isinstance(mapped.rule.comparison, MapComparison):
            figures.unmapped.labels(name, mapped.name)
    for side, outcome in product(Side, (*WRITE_OUTCOMES, NOTE_EDITED)):
        figures.notes.labels(name, side.value, outcome)
    for side in Side:
        figures.sync_seconds.labels(name, side.value)
        figures.sync_age_seconds.labels(name, side.value)
        figures.poll_interval.labels(name, side.value).set(poll_seconds[side.other])


def introduce_target(metrics: Metrics, target: str) -> None:
    """Create the series of a source that is written to."""
    for kind, outcome in product(WriteKind, WRITE_OUTCOMES):
        metrics.writes.labels(target, kind.value, outcome)
    for settled in SETTLED:
        metrics.intents_settled.labels(target, settled)
    for operation, of_request in product(WRITE_OPERATIONS, REQUEST_OUTCOMES):
        metrics.upstream.labels(target, operation, of_request)
    metrics.write_seconds.labels(target)


def measure_sync(metrics: Metrics, name: str, row: OutboxRow) -> None:
    """Count how long the change took that is on the other side now. `name`: of the rule."""
    figures, labels = metrics.links, (name, row.side.value)
    for stamp, seconds in (("observed_at", figures.sync_seconds), ("changed_at", figures.sync_age_seconds)):
        if row.cause is not None and (text := row.cause.get(stamp)) is not None:
            passed = (now() - datetime.fromisoformat(text)).total_seconds()
            seconds.labels(*labels).observe(max(passed, 0.0))


def show_nothing(metrics: Metrics, name: str, targets: tuple[str, str]) -> None:
    """Set what is shown of a rule and its targets to 0."""
    figures = metrics.links
    for state in LinkState:
        figures.links.labels(name, state.value).set(0)
    for rule_state in RULE_STATES:
        figures.rule_state.labels(name, rule_state).set(0)
    for kind in WriteKind:
        figures.blocked.labels(name, kind.value).set(0)
        for target in targets:
            figures.waiting.labels(target, kind.value).set(0)
    for gauge in (figures.conflicts_waiting, figures.decide_lag):
        gauge.labels(name).set(0)
    for target in targets:
        figures.oldest.labels(target).set(0)


def count_edited(metrics: Metrics, name: str, edited: Mapping[Side, int]) -> None:
    """Count notes of a rule that were edited after they were copied, by the side that they stand on."""
    for side, edits in edited.items():
        metrics.links.notes.labels(name, side.other.value, NOTE_EDITED).inc(edits)
