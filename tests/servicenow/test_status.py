"""States of the usual tables, as they are delivered and as an operator says."""

import pytest

from bridge.domain.status import Status
from bridge.servicenow.status import STATUSES, status_of


@pytest.mark.parametrize(
    ("table", "record", "status"),
    [
        ("incident", {"state": "1"}, "acknowledged"),
        ("incident", {"state": "3", "hold_reason": "4"}, "held"),
        ("incident", {"state": "3", "hold_reason": "1"}, "pending"),
        ("problem", {"state": "107", "resolution_code": "canceled"}, "cancelled"),
        ("problem", {"state": "107", "resolution_code": "fix_applied"}, "closed"),
        ("u_ticket", {"state": "-5"}, "pending"),
        ("incident", {"state": "42"}, "42"),
        ("incident", {}, ""),
    ],
)
def test_states_as_delivered(table: str, record: dict[str, str], status: str) -> None:
    assert status_of(table, record, {}) == status


def test_an_operator_says_otherwise_for_a_state_or_for_a_pair() -> None:
    words = {"42": "held", "3/4": "inProgress", "1": "submitted"}
    assert status_of("incident", {"state": "42"}, words) == "held"
    assert status_of("incident", {"state": "3", "hold_reason": "4"}, words) == "inProgress"
    assert status_of("incident", {"state": "3", "hold_reason": "5"}, words) == "held"
    assert status_of("incident", {"state": "1"}, words) == "submitted"


def test_every_status_is_one_of_the_standard() -> None:
    assert {word for words in STATUSES.values() for word in words.values()} <= {each.value for each in Status}
