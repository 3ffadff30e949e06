"""A silence differs from a pause by what is usual, and push that comes and goes does not change the mode each time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.push_health import ENOUGH, ArrivalInterval, PushTrust


def arrivals(gaps: list[float], *, least: float = 30, most: float = 3600) -> ArrivalInterval:
    """A source that pushed with these gaps, last at the time returned by `arrived_at`."""
    made = ArrivalInterval(least, most)
    at = 0.0
    made.arrived(at)
    for gap in gaps:
        at += gap
        made.arrived(at)
    return made


@pytest.mark.parametrize(
    ("gaps", "limit"),
    [
        ([], 3600),  # nothing known: patient
        ([5] * (ENOUGH - 1), 3600),  # not enough known
        ([5] * ENOUGH, 30),  # busy: the minimum
        ([60] * 20, 240),  # a multiple of what is usual
        ([60] * 20 + [5000], 240),  # one night does not count
        ([5] * 30 + [600] * 30, 2400),  # of two habits the slower one
        ([3000] * 20, 3600),  # never above the maximum
        ([0.01] * 500, 3600),  # one burst of five seconds is not yet a habit
        ([0.01] * 5000, 30),  # a stream is
    ],
)
def test_the_limit_is_a_multiple_of_what_is_usual(gaps: list[float], limit: float) -> None:
    assert arrivals(gaps).limit_seconds == pytest.approx(limit)


def test_silence_begins_with_the_last_notification_or_the_last_poll_after_it() -> None:
    interval = arrivals([20] * 10)
    assert interval.arrived_at == 200
    assert not interval.silent(279)
    assert interval.silent(280)
    interval.polled(270)
    assert not interval.silent(349)
    assert interval.silent(350)
    interval.arrived(345)
    assert not interval.silent(424)


def test_nothing_is_silent_before_anything_was_heard_or_asked() -> None:
    assert not ArrivalInterval(30, 3600).silent(1e9)


def test_a_silence_that_was_asked_about_in_vain_is_asked_about_ever_more_rarely_until_a_notification() -> None:
    quiet = arrivals([5] * 20)
    asked = []
    at = quiet.arrived_at or 0.0
    while at < 24 * 3600:
        at += 1
        if quiet.silent(at):
            quiet.polled(at)
            asked.append(at)
    assert len(asked) <= 7 + 24  # doubling from half a minute to an hour, then once an hour
    quiet.arrived(at)
    assert quiet.limit_seconds == 30


def test_a_gap_that_begins_in_doubt_is_not_learned() -> None:
    lost = arrivals([20] * 10)
    lost.interrupted()
    for at in range(9000, 9000 + 20 * 4, 20):
        lost.arrived(at)
    assert max(lost.gaps) == 20


@given(
    gaps=st.lists(st.floats(0, 1e6), max_size=200),
    least=st.floats(1, 1000),
    more=st.floats(1, 1000),
    quiet=st.integers(0, 100),
)
def test_the_limit_stays_within_its_bounds_whatever_happens(
    gaps: list[float], least: float, more: float, quiet: int
) -> None:
    made = arrivals(gaps, least=least, most=least + more)
    made.quiet = quiet
    assert least <= made.limit_seconds <= least + more


@given(gaps=st.lists(st.floats(0.01, 5000), max_size=100), polls=st.floats(5, 4000))
def test_a_quiet_source_is_polled_a_handful_of_times_and_then_once_an_hour(gaps: list[float], polls: float) -> None:
    made = arrivals(gaps)
    begin = at = made.arrived_at or 0.0
    extra, next_poll = 0, at + polls
    while at < begin + 12 * 3600:
        due_at = made.due_at()
        assert due_at is not None
        at = min(max(at, due_at), next_poll)
        extra += at < next_poll
        made.polled(at)
        next_poll = at + polls
    assert extra <= 8 + 12


def test_doubt_ends_with_a_pushed_event_and_with_nothing_else() -> None:
    trust = PushTrust().missed(10)
    assert trust.distrusted
    assert trust.recovered(1e9).distrusted
    assert not trust.pushed(11).distrusted


def test_push_that_is_lost_again_has_to_prove_itself_longer() -> None:
    trust = PushTrust().missed(0).pushed(1).missed(2)
    assert (trust.distrusted, trust.probation_seconds) == (True, 60)
    assert trust.pushed(3).recovered(61).distrusted
    assert not trust.pushed(3).recovered(62).distrusted
    assert trust.pushed(3).missed(50).recovered(1e9).distrusted  # the proof is from before the last miss
    again = trust.pushed(3).recovered(62).missed(63)
    assert again.probation_seconds == 120
    assert again.pushed(64).recovered(183).missed(183 + 3600).probation_seconds == 0  # an hour without: forgiven


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=400))
def test_push_that_comes_and_goes_does_not_flap(happened: list[tuple[float, bool]]) -> None:
    """Within an hour the doubt can come back at 0, 60, 120, … 1920 seconds at the earliest."""
    trust, at, distrusts = PushTrust(), 0.0, 0
    for gap, missed in happened:
        at += gap
        if at > 3600:
            break
        before = trust.distrusted
        trust = trust.recovered(at)
        trust = trust.missed(at) if missed else trust.pushed(at)
        distrusts += trust.distrusted and not before
    assert distrusts <= 8


def test_every_second_notification_lost_is_one_long_doubt() -> None:
    trust, distrusts = PushTrust(), 0
    for second in range(7200):
        before = trust.distrusted
        trust = trust.missed(second) if second % 2 else trust.pushed(second)
        distrusts += trust.distrusted and not before
    assert distrusts == 2
