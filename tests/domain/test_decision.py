"""A batch is decided the same way every time, and what one item breaks is that item's own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bridge.domain.decision import (
    DUPLICATE,
    FILTERED,
    Entry,
    Known,
    UndecidableError,
    by_problem,
    decide,
    history_needed,
)
from bridge.domain.observation import Via
from bridge.tmf656 import wire

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOTHING = Known(duplicates=frozenset(), rows={}, facts={})


def row(problem_id: str, minute: int = 0, status: str = "held", *, kept: bool | None = True) -> Entry:
    at = NOON + timedelta(minutes=minute)
    problem = {"id": problem_id, "status": status, "lastUpdate": at.isoformat()}
    return Entry(1, wire.read_problem(problem, asked_at=at, via=Via.POLL), kept=kept)


def pushed(**problem: Any) -> Entry:
    event = {"eventType": "ServiceProblemStateChangeEvent", "eventTime": NOON.isoformat()}
    raw = orjson.dumps(event | {"event": {"serviceProblem": problem}})
    notification = wire.read_notification(raw, received_at=NOON)
    return Entry(1, notification.observation, notification)


def test_outcomes_are_those_of_the_entries_in_their_order() -> None:
    entries = [row("a"), row("b"), row("a", 1, "closed"), row("a", 1, "closed")]
    decision = decide(entries, NOTHING)
    assert decision.outcomes == ["new", "new", "changed", "unchanged"]
    assert set(decision.altered) == {(1, "a"), (1, "b")}
    assert decide(entries, NOTHING).outcomes == decision.outcomes


def test_what_was_stored_before_is_a_duplicate_and_decides_nothing() -> None:
    decision = decide([row("a")], Known(duplicates=frozenset({0}), rows={}, facts={}))
    assert (decision.outcomes, decision.histories, decision.altered) == ([DUPLICATE], {}, [])


def test_what_the_filter_does_not_keep_is_fetched_only_when_it_cannot_be_told() -> None:
    decision = decide([row("no", kept=False), row("unclear", kept=None)], NOTHING)
    assert decision.outcomes == [FILTERED, FILTERED]
    assert list(decision.requests) == [(1, "unclear")]


def test_a_part_of_an_unknown_problem_has_the_whole_fetched() -> None:
    decision = decide([pushed(id="SP-1", status="held")], NOTHING)
    assert list(decision.requests) == [(1, "SP-1")]


def test_of_a_problem_said_to_be_deleted_the_fetcher_is_told_that_above_all() -> None:
    decision = decide([], NOTHING)
    for reason in ("deleted", "partial"):
        decision.request((1, "a"), reason, NOON)
    for reason in ("partial", "tie"):
        decision.request((1, "b"), reason, NOON)
    assert {key: reason for key, (reason, _) in decision.requests.items()} == {(1, "a"): "deleted", (1, "b"): "tie"}


def test_an_unexpected_failure_names_the_batch_as_undecidable() -> None:
    with pytest.raises(UndecidableError, match="AttributeError"):
        decide([Entry(1, row("a").observation), Entry(1, object())], NOTHING)


def test_of_an_unknown_problem_all_facts_are_needed() -> None:
    assert list(by_problem([row("a"), row("b"), row("a", 1)])) == [(1, "a"), (1, "b")]
    assert history_needed([], {}) == []
