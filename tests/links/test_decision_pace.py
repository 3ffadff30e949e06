"""A decider decides at once where little happens, and gives way where very many changes concern no link."""

from datetime import timedelta

import anyio
import pytest

from bridge.links import decision_pace
from bridge.links.decision_pace import MANY, DecisionPace
from bridge.schedule import Wake, now

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("tickets", "useful", "left", "seconds_behind", "gives_way"),
    [
        (MANY, False, True, 1, True),
        (MANY, True, True, 1, False),
        (MANY, False, False, 1, False),
        (MANY - 1, False, True, 1, False),
        (MANY, False, True, 61, False),
    ],
    ids=["a storm", "something to write", "nothing left", "few", "too far behind"],
)
def test_it_gives_way_only_to_a_storm_that_concerns_no_link(
    tickets: int, useful: bool, left: bool, seconds_behind: int, gives_way: bool
) -> None:
    pace = DecisionPace()
    pace.begin()
    pace.end(tickets, useful=useful, left=left, changed_at=now() - timedelta(seconds=seconds_behind))
    assert pace.gives_way is gives_way


async def test_what_was_announced_and_is_not_to_be_seen_yet_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float | None] = []
    real = Wake.wait

    async def wait(self: Wake, seconds: float | None = None) -> str | None:
        waits.append(seconds)
        return await real(self, 0)

    async def sleep(_: float) -> None:
        """Rest no time at all."""

    monkeypatch.setattr(Wake, "wait", wait)
    monkeypatch.setattr(anyio, "sleep", sleep)
    pace, wake = DecisionPace(), Wake()
    wake.call("committed")
    for seen in (False, False, False, True, False):
        pace.begin()
        pace.end(0, useful=False, left=False, changed_at=now() if seen else None)
        await pace.wait(wake)
    assert waits == [1.0, 0.05, 0.05, 1.0, 1.0]


@pytest.mark.parametrize("calls", [0, 1, 3], ids=["it is over", "it ends", "it lasts"])
async def test_it_goes_on_when_a_storm_is_over(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    left, waits = calls, 0

    async def wait(_: Wake, seconds: float | None = None) -> str | None:
        nonlocal left, waits
        assert seconds == decision_pace.CALM_SECONDS
        left, waits = left - 1, waits + 1
        return "committed" if left >= 0 else None

    async def sleep(_: float) -> None:
        """Rest no time at all."""

    monkeypatch.setattr(Wake, "wait", wait)
    monkeypatch.setattr(anyio, "sleep", sleep)
    pace = DecisionPace()
    pace.begin()
    pace.end(MANY, useful=False, left=True, changed_at=now())
    await pace.wait(Wake())
    assert (waits, pace.gives_way) == (calls + 1, False)
