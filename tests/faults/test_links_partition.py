"""Lines that are cut under a whole bridge with a rule: each side, both, and Postgres; people go on, and once the lines
are back both sides are in step.
"""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from bridge.simulator import Faults, Simulator
from tests.faults.conftest import bridge_at
from tests.faults.proxy import Proxy
from tests.program.test_links_kill import in_step, texts

pytestmark = pytest.mark.anyio

LINKS = 24
RULE: dict[str, Any] = {
    "left": "left",
    "right": "right",
    "on_conflict": "left",
    "match": {"by": ["name = name"]},
    "fields": {
        "title": {"left": "description", "right": "description"},
        "reason": {"left": "reason", "right": "reason"},
    },
    "notes": {"direction": "both", "since": "all"},
    "limits": {"writes_per_minute": 100_000, "writes_per_ticket_per_hour": 100_000, "changes_at_once": 1},
}
QUICK: dict[str, Any] = {
    "poll_interval_seconds": 1,
    "push": False,
    "write": True,
    "settle_seconds": 1,
    "request_timeout_seconds": 1,
    "callback_secret": "s" * 32,
}


async def gated(stack: AsyncExitStack, sim: Simulator) -> tuple[Proxy, str]:
    """A line to a server that can be cut, and the address behind it."""
    at = urlsplit(sim.url)
    assert at.hostname is not None
    assert at.port is not None
    line = Proxy((at.hostname, at.port))
    await line.open()
    stack.push_async_callback(line.shut)
    return line, f"http://127.0.0.1:{line.port}{at.path}"


@pytest.mark.parametrize(
    ("cuts", "away_seconds"),
    [
        (["left right", "postgres"], 1.5),
        pytest.param(["left", "right", "left right", "postgres"], 60, marks=pytest.mark.long),
    ],
)
async def test_lines_that_are_cut_lose_nothing(
    dsn: str, gate: Proxy, tmp_path: Path, cuts: list[str], away_seconds: float
) -> None:
    async with (
        AsyncExitStack() as stack,
        Simulator(version="5", id_prefix="L", faults=Faults(), seed=1) as left,
        Simulator(version="5", id_prefix="R", faults=Faults(), seed=2) as right,
    ):
        for number in range(LINKS):
            for sim in (left, right):
                await sim.create(name=f"ticket {number}", description="begin", reason="begin", note=None)
        (left_line, left_url), (right_line, right_url) = await gated(stack, left), await gated(stack, right)
        sources = {"left": QUICK | {"url": left_url}, "right": QUICK | {"url": right_url}}
        async with bridge_at(gate.dsn, tmp_path, sources=sources, links={"pair": RULE}):
            await in_step(dsn, left, right)
            lines = {"left": left_line, "right": right_line, "postgres": gate}
            for number, names in enumerate(cuts):
                tickets, cut = (
                    list(zip(left.problems, right.problems, strict=True)),
                    [lines[one] for one in names.split()],
                )
                for line in cut:
                    await line.shut()
                for one, other in tickets[number :: len(cuts)]:
                    await left.patch(one, description=f"left {number}")
                    await right.patch(other, reason=f"right {number}")
                    await right.patch(other, note=[{"id": f"n{number}", "author": "Eve", "text": f"note {number}"}])
                await anyio.sleep(away_seconds)  # how long they are away, not a wait for anything
                for line in cut:
                    await line.open()
                await in_step(dsn, left, right)
        said = texts(left)
        for number in range(LINKS):
            cut_number = number % len(cuts)
            assert said[f"ticket {number}"] == (f"left {cut_number}", f"right {cut_number}", [f"note {cut_number}"])
