"""What needs a person is said with what to do; nothing is said of a source that is well."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.sources.remark import remarks

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WELL: dict[str, Any] = {
    "name": "noc",
    "configured": True,
    "mode": "push",
    "mode_since": NOW,
    "fallback_reason": None,
    "reconcile_gap": None,
    "reconcile_complete_at": NOW,
    "poll_gap": None,
    "held_back": 0,
    "moved_at": None,
    "passes_since_move": 0,
    "held_back_reason": None,
    "unmapped": [],
    "missed_24h": 0,
    "miss_ratio_24h": None,
    "refetch_waiting": 0,
    "dead_letters": 0,
    "failing_jobs": {},
    "last_error": None,
    "last_error_at": None,
}


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, []),
        ({"configured": False}, ["is not in this configuration; `tmf656-bridge forget noc` removes it"]),
        (
            {"mode": "fallback", "mode_since": NOW - timedelta(hours=3)},
            ["not registered at its hub; it is polled instead, for 3 h now"],
        ),
        ({"missed_24h": 1, "miss_ratio_24h": 0.25}, ["push missed 1 change within 24 h, 25.0%; polls found them"]),
        ({"missed_24h": 2}, ["push missed 2 changes within 24 h; polls found them"]),
        (
            {"moved_at": NOW, "passes_since_move": 1, "held_back": 7, "held_back_reason": "of the move, too"},
            [
                (
                    "it has been read from another address since 2026-06-01 12:00 UTC; deletions wait until 2 complete "
                    "passes have listed 90% of the known problems (1 so far); if they are gone: tmf656-bridge sync "
                    "noc --accept-deletions"
                )
            ],
        ),
        ({"refetch_waiting": 1}, ["1 problem waits to be fetched by id"]),
        ({"last_error": "refused", "last_error_at": NOW - timedelta(minutes=5)}, ["5 min ago: refused"]),
        (
            {"failing_jobs": {"poll": {"failures": 3, "error": "away"}}},
            ["the job poll failed 3 times in a row: away"],
        ),
        (
            {"failing_jobs": {"poll": {"failures": 3, "error": "away"}}, "last_error": "away", "last_error_at": NOW},
            ["the job poll failed 3 times in a row: away"],
        ),
    ],
)
def test_each_trouble_is_one_sentence(facts: dict[str, Any], said: list[str]) -> None:
    assert list(remarks(WELL | facts, NOW, running=True)) == said


def test_without_a_running_bridge_no_mode_is_doubted() -> None:
    assert list(remarks(WELL | {"mode": "fallback"}, NOW, running=False)) == []
