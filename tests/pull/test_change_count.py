"""What a batch changed is counted for its source, by the way it was found, and nothing else is."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.domain.observation import Via
from bridge.domain.problem_history import Outcome
from bridge.pull.change_count import count_changes
from bridge.simulator import Simulator
from bridge.storage.observation import Stored

pytestmark = pytest.mark.anyio


async def test_changes_are_counted_and_repeats_and_other_sources_are_not(
    rig_for: Callable[..., Awaitable[Any]],
) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
    ours, applied = rig.source.source_id, next(each for each in Outcome if each.applied)
    nothing = next(each for each in Outcome if not each.applied)
    stored = Stored()
    stored.changes[ours, Via.POLL, applied] = 3
    stored.changes[ours, Via.POLL, nothing] = 5
    stored.changes[ours + 1, Via.POLL, applied] = 7
    stored.drift[ours] = 2
    count_changes(rig.source, rig.metrics, stored)
    assert rig.counted("changes_total", via="poll") == 3
    assert rig.counted("drift_total", kind="regression") == 2
