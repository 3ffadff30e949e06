"""Two bodies that differ in the precision of their times only say the same."""

from typing import Any

import pytest

from bridge.domain.same_content import same_content

PUSHED = {
    "id": "P1",
    "priority": 1,
    "lastUpdate": "2026-03-02T10:00:00.123456789Z",
    "note": [{"date": "2026-03-02T09:00:00.500Z", "text": "seen"}],
}


@pytest.mark.parametrize(
    "listed",
    [
        {"lastUpdate": "2026-03-02T10:00:00.123457Z"},
        {"lastUpdate": "2026-03-02T10:00:00.123Z"},
        {"lastUpdate": "2026-03-02T10:00:00Z"},
        {"lastUpdate": "2026-03-02T11:00:00.123456+01:00"},
        {"lastUpdate": 1772445600123},
        {"note": [{"date": "2026-03-02T09:00:01Z", "text": "seen"}]},
    ],
)
def test_c10_another_precision_is_no_change(listed: dict[str, Any]) -> None:
    assert same_content(PUSHED, PUSHED | listed)
    assert same_content(PUSHED | listed, PUSHED)


@pytest.mark.parametrize(
    "listed",
    [
        {"lastUpdate": "2026-03-02T10:00:02Z"},
        {"lastUpdate": "2026-03-02T10:00:00.123456788Z", "priority": 2},
        {"priority": True},
        {"priority": "1"},
        {"note": []},
        {"note": [{"date": "2026-03-02T09:00:00.500Z", "text": "seen."}]},
        {"more": None},
    ],
)
def test_c10_another_content_is_a_change(listed: dict[str, Any]) -> None:
    assert not same_content(PUSHED, PUSHED | listed)


def test_deep_bodies_are_compared_without_recursion() -> None:
    one: Any = "2026-03-02T10:00:00Z"
    for _ in range(5000):
        one = [one]
    assert same_content(one, one)
