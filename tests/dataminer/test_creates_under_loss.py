"""Creates whose answers are lost, or that are carried out late, make one ticket each: sent again by their key, or
looked for once the server cannot be working on them any more.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bridge.domain.ticket_system import OutcomeUnknownError, TicketWriter
from bridge.errors import TransientError
from bridge.simulator.dataminer.faults import DataminerFaults
from bridge.simulator.dataminer.simulator import DataminerKind, DataminerSimulator

pytestmark = pytest.mark.anyio
CREATES = 100
TRIES = 60


async def created(writer: TicketWriter, sim: DataminerSimulator, fields: dict[str, Any], key: str) -> str:
    """Create as a sender does: after an unknown outcome the late writes come in, and the key is looked up first."""
    unsure = False
    for _ in range(TRIES):
        try:
            found = await writer.find(key) if unsure else []
            ticket = found[0] if found else await writer.create(fields, key)
        except OutcomeUnknownError:
            unsure = True
            sim.carry_out_late()
        except TransientError:
            continue
        else:
            return ticket.id
    raise AssertionError(f"{key} was not created in {TRIES} tries")


@pytest.mark.parametrize(("kind", "name"), [("dataminer", "Name"), ("dataminer-api", "name")])
async def test_every_create_is_one_ticket(
    routes: Callable[..., Any], services: Callable[..., Any], kind: DataminerKind, name: str
) -> None:
    faults = DataminerFaults(lose=0.15, late=0.05, error_rate=0.1)
    async with (
        DataminerSimulator(kind, faults=faults, seed=3) as sim,
        (services if kind == "dataminer" else routes)(sim) as writer,
    ):
        keys = [f"tb-{number}" for number in range(CREATES)]
        ids = {key: await created(writer, sim, {name: f"ticket {key}"}, key) for key in keys}
        sim.carry_out_late()
        stored = [ticket.key or ticket.values["Bridge Key"] for ticket in sim.tickets.values()]
        assert Counter(stored) == Counter(keys)
        assert len(set(ids.values())) == CREATES
