"""Faults are counted down, or drawn from their share; texts are stored as the faults say."""

import random

from bridge.simulator.request_faults import RequestFaults


def test_a_counted_fault_hits_so_many_times() -> None:
    faults = RequestFaults(lose_next=2)
    assert [faults.takes("lose") for _ in range(3)] == [True, True, False]


def test_a_share_hits_about_so_often() -> None:
    faults = RequestFaults(error_rate=0.5, dice=random.Random(1))
    assert 400 < sum(faults.takes("fail") for _ in range(1000)) < 600
    assert not any(faults.takes("late") for _ in range(100))


def test_texts_are_normalised_and_cut() -> None:
    assert RequestFaults().stored(" a  b ") == " a  b "
    assert RequestFaults(normalise=True).stored(" a  b\n") == "a b"
    assert RequestFaults(longest_text=3).stored("abcdef") == "abc"
