"""Every life ends."""

import random

import pytest

from bridge.simulator.dataminer.field_values import STATES as LEGACY_STATES
from bridge.simulator.dataminer.lives import LEGACY_FOLLOWING, ROUTES_FOLLOWING, Following, Lives
from bridge.simulator.dataminer.routes import ENDED, STATES


@pytest.mark.parametrize(
    ("following", "states", "ended"),
    [(ROUTES_FOLLOWING, set(STATES), ENDED), (LEGACY_FOLLOWING, set(LEGACY_STATES), {"Closed"})],
)
def test_states_follow_until_the_last_one(following: Following, states: set[str], ended: set[str]) -> None:
    lives = Lives(random.Random(1), following)
    state: str | None = next(iter(following))
    seen = set()
    while state is not None:
        seen.add(state)
        last, state = state, lives.next_state(state)
    assert last in ended
    assert seen <= states
    assert {each for after in following.values() for each in after} <= states
    assert lives.name() != lives.name()
