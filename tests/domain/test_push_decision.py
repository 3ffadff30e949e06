"""Notifications: the event's time, deletions and statuses that stand still."""

from collections.abc import Sequence
from datetime import datetime

import pytest
from msgspec.structs import replace

from bridge.domain.decision import decide_observation
from bridge.domain.observation import CREATED, Kind
from bridge.domain.problem_history import Outcome, ProblemHistory
from bridge.domain.timestamp import Precision
from tests.domain.observations import STATUSES, at, deletion, observed, stated, timeline, whole


def statuses_of(history: ProblemHistory) -> Sequence[tuple[datetime, str]]:
    return sorted(history.timeline.added)


def test_c11_the_event_s_time_orders_what_an_update_time_that_stands_still_does_not() -> None:
    changes = [
        stated(whole(status, 0, creationDate=at(0).isoformat()), received=60 + number, event=number)
        for number, status in enumerate(STATUSES)
    ]
    changes[0] = replace(changes[0], event_type=CREATED)
    expected = [(at(number), status) for number, status in enumerate(STATUSES)]
    for order in (changes, changes[::-1], changes[2:] + changes[:2]):
        history, _ = observed(*order)
        assert timeline(history) == expected
        assert history.content is not None
        assert history.content.status == STATUSES[-1]


def test_c11_it_is_noticed_without_a_date_of_creation_too() -> None:
    history, outcomes = observed(
        *(stated(whole(status, 0), received=60 + number, event=number) for number, status in enumerate(STATUSES))
    )
    assert timeline(history) == [(at(number), status) for number, status in enumerate(STATUSES)]
    assert outcomes == [Outcome.NEW] + [Outcome.CHANGED] * 4


def test_c11_without_a_time_of_the_event_the_order_of_arrival_counts() -> None:
    history, _ = observed(*(stated(whole(status, 0), received=60 + number) for number, status in enumerate(STATUSES)))
    assert [status for _, status in timeline(history)] == list(STATUSES)
    repeated = stated(whole(STATUSES[-1], 0), received=80)
    assert decide_observation(history, repeated) is Outcome.UNCHANGED


@pytest.mark.parametrize("kind", [Kind.FULL, Kind.PARTIAL])
@pytest.mark.parametrize("event", [0, 1])
def test_c12_a_deletion_s_state_is_the_last_one_before_it(kind: Kind, event: float) -> None:
    body = whole("cancelled", None) if kind is Kind.FULL else {"status": "cancelled"}
    last = stated(body, received=61, event=event, kind=kind)
    created = stated(whole("submitted", 0), received=60, event=0, event_type=CREATED)
    history, outcomes = observed(created, deletion(event, 61, last))
    assert outcomes == [Outcome.NEW, Outcome.DELETED]
    assert history.deleted_at == at(event)
    assert b'"cancelled"' in history.body()
    assert not history.refetch
    reversed_history, _ = observed(deletion(event, 60, replace(last, observed_at=at(60))), created)
    assert reversed_history.deleted_at == at(event)


def test_c12_a_deletion_that_is_stated_in_seconds_comes_after_what_it_deletes() -> None:
    created = stated(whole("submitted", "2026-06-01T12:01:00.412Z"), received=60, event=1.1, event_type=CREATED)
    deleted = replace(deletion(1, 61), precision=Precision.SECOND)
    history, outcomes = observed(created, deleted)
    assert outcomes == [Outcome.NEW, Outcome.DELETED]
    assert timeline(history)[-1][1] == "-"
    turned, _ = observed(replace(deleted, observed_at=at(60)), replace(created, observed_at=at(61)))
    assert turned.deleted_at is not None


def test_a_status_change_date_that_stands_still_is_not_believed() -> None:
    bodies = [whole(status, number, statusChangeDate=at(0).isoformat()) for number, status in enumerate(STATUSES[:3])]
    history, _ = observed(*(stated(body, received=60 + n, event=n) for n, body in enumerate(bodies)))
    assert statuses_of(history) == [(at(n), status) for n, status in enumerate(STATUSES[:3])]
