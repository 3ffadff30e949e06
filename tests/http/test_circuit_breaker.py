"""Refused credentials are not tried again and again, and one trial request finds out whether they are right now."""

from bridge.http.circuit_breaker import CircuitBreaker


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def opened_at(clock: Clock, refusals: int) -> CircuitBreaker:
    breaker = CircuitBreaker(clock, patience_seconds=30)
    for _ in range(refusals):
        breaker.refused()
    return breaker


def test_one_refusal_holds_nothing_up_and_the_second_does() -> None:
    clock = Clock()
    assert opened_at(clock, 1).wait_seconds() == 0
    assert opened_at(clock, 2).wait_seconds() == 5


def test_each_further_refusal_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    clock = Clock()
    assert [opened_at(clock, refusals).wait_seconds() for refusals in (3, 4, 10, 10_000)] == [10, 20, 900, 900]


def test_when_the_wait_is_over_one_request_is_sent_and_the_others_wait_for_its_outcome() -> None:
    clock = Clock()
    breaker = opened_at(clock, 2)
    clock.at += 5
    assert [breaker.wait_seconds(), breaker.wait_seconds()] == [0, 30]
    clock.at += 30
    assert breaker.wait_seconds() == 0, "a trial without any outcome does not keep it open for ever"


def test_a_granted_request_closes_it() -> None:
    breaker = opened_at(Clock(), 5)
    breaker.passed()
    assert breaker.wait_seconds() == 0
    breaker.refused()
    assert breaker.wait_seconds() == 0, "refusals before that one count no more"
