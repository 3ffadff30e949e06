"""The simulator as a whole: it lives, the same for the same seed, on a port that it names."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.simulator.dataminer.simulator import DataminerKind, DataminerSimulator

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["dataminer", "dataminer-api"])
async def test_tickets_change_by_themselves(kind: DataminerKind) -> None:
    one, other = (DataminerSimulator(kind, population=20, seed=7) for _ in range(2))
    for sim in (one, other):
        for _ in range(400):
            sim._step()
    states = [ticket.values for ticket in one.tickets.values()]
    assert states == [ticket.values for ticket in other.tickets.values()]
    assert len(one.tickets) > 20
    closed = "Closed" if kind == "dataminer-api" else 6
    assert closed in {values.get("state", values.get("State")) for values in states}
    assert len(list(one.said())) == len(one.tickets)


async def test_it_runs_beside_its_caller_until_it_is_left(ask: Callable[..., Awaitable[Any]]) -> None:
    async with DataminerSimulator("dataminer-api", rate=50) as sim:
        while not (await ask("GET", f"{sim.url}/tickets")).body["tickets"]:
            pass


async def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with DataminerSimulator("dataminer"):
            _ = 1 / 0
