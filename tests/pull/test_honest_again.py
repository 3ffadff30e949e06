"""A source that turns honest again: within two polls the tables equal it, without help, whatever it did before."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from bridge.errors import BridgeError
from bridge.simulator import Faults, Simulator

pytestmark = pytest.mark.anyio

Shown = Callable[[Simulator], dict[str, Any]]
RigFor = Callable[..., Awaitable[Any]]

FAULTS: dict[str, dict[str, Any]] = {
    "away": {"down": True},
    "refuses us": {"unauthorised": True},
    "errors": {"error_rate": 1.0},
    "answers cut off": {"cut": 1.0},
    "too many requests": {"rate_limited": 1000, "retry_after_seconds": 0},
    "an empty list": {"collection_missing": lambda _: True},
    "an empty list, and 404 by id": {"collection_missing": lambda _: True, "by_id_missing": lambda _: True},
    "half a list": {"collection_missing": lambda problem_id: int(problem_id[2:]) % 2 == 0},
    "404 by id": {"by_id_missing": lambda _: True},
    "an empty list by id": {"by_id_empty": True},
    "405 by id": {"by_id_status": 405},
    "one row a page": {"page_cap": 1, "no_total": True, "no_link": True},
    "rows that slip over the boundary": {"shift_pages": True},
    "no order": {"unordered": True},
    "no filter": {"ignore_filter": True},
    "no update times": {"no_last_update": True},
    "no clock": {"no_date": True},
    "another clock": {"date": "Fri, 31 Dec 9999 23:59:59 GMT"},
    "numbers as text": {"numbers_as_text": True},
    "a list of one by id": {"array_by_id": True},
    "an hour ahead": {"clock_offset_seconds": 3600.0},
    "a day behind": {"clock_offset_seconds": -86_400.0},
    "page numbers": {"page_style": "page_number"},
    "cursors": {"page_style": "cursor"},
}

FOUND_BY_RECONCILE = {"half a list", "no update times", "numbers as text", "a day behind"}
"""What was hidden, or written otherwise, under an update time from before the last poll: no poll asks for it."""


async def change(sim: Simulator, note: str) -> None:
    """Change some problems and add one."""
    for problem_id in list(sim.problems)[::7]:
        await sim.patch(problem_id, description=f"{note} {problem_id}")
    await sim.create(description=note)


async def work(rig: Any) -> None:
    """All that a source's jobs do, once; what it does wrong is its own."""
    for job in (rig.poller, rig.reconciler, rig.refetcher):
        with suppress(BridgeError):
            await job.run_once()


@pytest.mark.parametrize("known_before", [True, False], ids=["later", "from the start"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_source_that_turns_honest_again_is_equal_within_two_polls(
    rig_for: RigFor, shown: Shown, fault: str, known_before: bool
) -> None:
    faults = FAULTS[fault]
    async with Simulator(population=53, seed=1) as sim:
        rig = await rig_for(sim, page_size=10)
        if known_before:
            await rig.poller.run_once()
        for name, value in faults.items():
            setattr(sim.faults, name, value)
        for number in range(3):
            await work(rig)
            await change(sim, f"meanwhile {number}")
        for name in faults:
            setattr(sim.faults, name, getattr(Faults(), name))
        if "unauthorised" in faults:
            rig = await rig_for(sim, page_size=10)  # the circuit breaker of the other one is open for a while
        await change(sim, "honest")
        for _ in range(2):
            await rig.poller.run_once()
            with suppress(BridgeError):
                await rig.refetcher.run_once()
        if fault in FOUND_BY_RECONCILE:
            for _ in range(2):  # what looks older than what is known is believed when seen twice
                await rig.reconciler.run_once()
        assert await rig.rows() == shown(sim)
