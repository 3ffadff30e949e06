"""A target is away when several requests in a row failed, or when it says so."""

import pytest

from bridge.errors import DatabaseUnavailableError, TransientError
from bridge.links.away_count import AwayCount
from bridge.storage.lease import LeaseLostError


def test_failures_of_single_tickets_stop_nothing() -> None:
    away = AwayCount()
    for _ in range(5):
        away.failed(TransientError("500"))
        away.failed(TransientError("500"))
        away.worked()
    assert not away.stop
    assert [str(failure) for failure in away.failures] == ["500"]


def test_the_failure_that_stopped_a_pass_is_the_one_that_is_kept() -> None:
    """The defect: a pause that was asked for was forgotten for a failure of one ticket before it."""
    away = AwayCount()
    for error in (TransientError("500"), TransientError("429", retry_after_seconds=7), TransientError("500")):
        away.failed(error)
    assert [failure.retry_after_seconds for failure in away.failures if isinstance(failure, TransientError)] == [7]


def test_three_failures_in_a_row_stop() -> None:
    away = AwayCount()
    for number in range(3):
        assert away.stop is False, number
        away.failed(TransientError("no connection"))
    assert away.stop


@pytest.mark.parametrize(
    "error",
    [
        TransientError("429", retry_after_seconds=0),
        DatabaseUnavailableError("away"),
        LeaseLostError("another process leads"),
    ],
)
def test_what_concerns_all_rows_stops_at_once(error: TransientError) -> None:
    away = AwayCount()
    away.failed(error)
    assert away.stop
    assert away.failures == [error]
