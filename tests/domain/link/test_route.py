"""The shortest way between two statuses, by the life cycle of each version."""

import pytest

from bridge.domain.link.route import between, way


@pytest.mark.parametrize(
    ("version", "start", "goal", "steps"),
    [
        ("4", "acknowledged", "inProgress", ("inProgress",)),
        ("4", "acknowledged", "closed", ("inProgress", "resolved", "closed")),
        ("5", "closed", "held", ("inProgress", "held")),
        ("5", "held", "resolved", ("resolved",)),
        ("3", "held", "resolved", ("inProgress", "resolved")),
        ("2", "resolved", "inProgress", ("acknowledged", "inProgress")),
        ("3", "closed", "inProgress", ("inProgress",)),
        ("4", "cancelled", "inProgress", ("inProgress",)),
        ("4", "held", "held", ("held",)),
        ("4", "", "held", ("held",)),
        ("", "acknowledged", "closed", ("closed",)),
    ],
)
def test_the_shortest_way_is_taken_and_where_there_is_none_one_step(
    version: str, start: str, goal: str, steps: tuple[str, ...]
) -> None:
    assert way(version, start, goal) == steps
    assert between(version, start, goal) == steps[:-1]
