"""So many a minute to one side, so many an hour to one ticket."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.links.write_limit import WriteLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=80))
def test_no_minute_sees_more_than_twice_what_is_allowed_and_none_waits_longer_than_needed(
    per_minute: int, pauses: list[float]
) -> None:
    clock = Clock()
    limit = WriteLimit(per_minute, 1000, clock)
    written: list[float] = []
    for pause in pauses:
        clock.now += pause
        waits = limit.wait_seconds()
        assert 0 <= waits <= 60 / per_minute + 1e-6
        clock.now += waits
        limit.count(1)
        written.append(clock.now)
    for start in written:
        assert sum(start <= at < start + 60 for at in written) <= 2 * per_minute + 1


def test_a_burst_is_let_through_and_then_paced() -> None:
    clock = Clock()
    limit = WriteLimit(3, 1000, clock)
    for _ in range(3):
        assert limit.wait_seconds() == 0
        limit.count(1)
    assert limit.wait_seconds() == 20
    clock.now += 20
    assert limit.wait_seconds() == 0


def test_a_ticket_waits_until_its_first_write_is_an_hour_ago_and_no_other_does() -> None:
    clock = Clock()
    limit = WriteLimit(1000, 2, clock)
    limit.count(7)
    clock.now += 600
    limit.count(7)
    assert (limit.ticket_wait_seconds(7), limit.ticket_wait_seconds(8)) == (3000, 0)
    clock.now += 3000
    assert limit.ticket_wait_seconds(7) == 0
