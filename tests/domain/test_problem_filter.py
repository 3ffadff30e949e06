"""F16: which problems are kept, by status, category, party and age; what cannot be decided is fetched."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bridge.domain.observation import Kind, Observation, Via
from bridge.domain.problem_filter import problem_filter
from bridge.domain.service_problem import columns_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def seen(kind: Kind = Kind.FULL, **body: Any) -> Observation:
    columns = columns_of(body)
    return Observation(
        problem_id="1",
        kind=kind,
        via=Via.POLL,
        observed_at=NOON,
        effective_at=columns.updated_at or NOON,
        stamped=columns.updated_at is not None,
        body=orjson.dumps(body),
        content_hash=bytes(16),
        status=None if columns.status_raw is None else columns.status,
        category=columns.category,
        created_at=columns.created_at,
        updated_at=columns.updated_at,
    )


def test_without_conditions_there_is_no_filter() -> None:
    assert problem_filter() is None


@pytest.mark.parametrize(
    ("conditions", "body", "kept"),
    [
        ({"statuses": ["held"]}, {"status": "held"}, True),
        ({"statuses": ["held"]}, {"status": "closed"}, False),
        ({"statuses": ["held"]}, {}, False),
        ({"categories": ["Network"]}, {"category": "NETWORK"}, True),
        ({"categories": ["network"]}, {"category": "it"}, False),
        ({"parties": ["ACME"]}, {"relatedParty": [{"id": "7"}, {"name": "Acme"}]}, True),
        ({"parties": ["7"]}, {"responsibleParty": {"id": 7}}, True),
        ({"parties": ["7"]}, {"relatedParty": [{"id": "8"}], "originatorParty": "7"}, False),
        ({"parties": ["7"]}, {}, False),
        ({"max_age_days": 2}, {"lastUpdate": "2026-05-31T12:00:00Z"}, True),
        ({"max_age_days": 2}, {"lastUpdate": "2026-05-30T11:00:00Z"}, False),
        ({"max_age_days": 2}, {"creationDate": "2026-05-01T11:00:00Z"}, False),
        ({"max_age_days": 2}, {}, True),
        ({"since": NOON - timedelta(days=1)}, {"lastUpdate": "2026-05-31T12:00:00Z"}, True),
        ({"since": NOON}, {"lastUpdate": "2026-06-01T11:59:59Z"}, False),
        ({"since": NOON, "statuses": ["held"]}, {"lastUpdate": "2026-06-01T12:00:00Z", "status": "closed"}, False),
    ],
)
def test_a_whole_problem_is_kept_when_all_conditions_hold(
    conditions: dict[str, Any], body: dict[str, Any], kept: bool
) -> None:
    chosen = problem_filter(**conditions)
    assert chosen is not None
    assert chosen.keeps(seen(**body)) is kept


@pytest.mark.parametrize(
    ("body", "kept"),
    [({"name": "x"}, None), ({"status": "held"}, None), ({"status": "closed"}, False), ({"category": "it"}, None)],
)
def test_a_part_that_does_not_say_is_to_be_fetched(body: dict[str, Any], kept: bool | None) -> None:
    chosen = problem_filter(statuses=["held"], categories=["it"])
    assert chosen is not None
    assert chosen.keeps(seen(Kind.PARTIAL, **body)) is kept
    assert chosen.keeps(seen(Kind.PARTIAL, status="held", category="it")) is True


def test_a_deletion_of_what_is_not_known_is_not_kept() -> None:
    chosen = problem_filter(statuses=["held"])
    assert chosen is not None
    assert chosen.keeps(seen(Kind.TOMBSTONE)) is False
