"""Two simulated TMF656 servers whose tickets belong together, in a process of their own, and what is done to them.

    python -m tests.bench.linked_servers TICKETS [--slow SECONDS]

Every ticket stands on both sides under one name. Over a third port the bench has tickets on the left edited: `/edit`
changes the texts of the next COUNT tickets, at RATE a second or all at once, and answers when each new text was
written to the right: how long all of it took, and each write from its edit on. `/pace` sets how late both answer.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import anyio
import orjson
import uvloop
from aiohttp import web

from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656.write_faults import Refusal, WriteFaults
from tests.bench.load import quantile

Json = dict[str, Any]
_PATIENCE_SECONDS = 500.0


@dataclass(slots=True)
class Edits:
    """What was changed on the left, and when it came to the right."""

    left: Simulator
    right: Simulator
    _edited_at: dict[str, float] = field(default_factory=dict)
    _seconds: list[float] = field(default_factory=list)
    _first_at: float = math.inf
    _number: int = 0

    def seen(self, operation: str, attributes: Json) -> Refusal | None:
        """Something is written to the right; it is taken."""
        edited_at = self._edited_at.pop(attributes.get("description", ""), None)
        if operation == "patch" and edited_at is not None:
            written_at = perf_counter()
            self._first_at = min(self._first_at, written_at)
            self._seconds.append(written_at - edited_at)
        return None

    async def edit(self, count: int, rate: float) -> Json:
        """Change `count` tickets and wait for the last one's write."""
        self._seconds, self._first_at = [], math.inf
        ids = list(self.left.problems)
        before = self.right.request_counts["patch"]
        began = perf_counter()
        for number in range(count):
            if rate:
                await anyio.sleep(max(began + number / rate - perf_counter(), 0))
            self._number += 1
            text = f"edited {self._number}"
            self._edited_at[text] = perf_counter()
            await self.left.patch(ids[self._number % len(ids)], description=text)
        await self.right.wait_until(lambda: not self._edited_at, timeout_seconds=_PATIENCE_SECONDS)
        ended = perf_counter()
        return {
            "seconds": ended - began,
            "writing_seconds": ended - self._first_at,
            "writes": self.right.request_counts["patch"] - before,
        } | _quantiles(sorted(self._seconds))


def _quantiles(seconds: Sequence[float]) -> Json:
    return {name: quantile(seconds, share) for name, share in (("p50", 0.5), ("p99", 0.99), ("most", 1))}


async def _serve(tickets: int, slow_seconds: float) -> None:
    writes = WriteFaults()
    async with (
        Simulator(version="4", id_prefix="L", faults=Faults(slow_seconds=slow_seconds), seed=1) as left,
        Simulator(version="4", id_prefix="R", faults=Faults(slow_seconds=slow_seconds, writes=writes), seed=1) as right,
    ):
        for number in range(tickets):
            for sim in (left, right):
                await sim.create(name=f"ticket {number}", status="inProgress", description="measured", note=None)
        edits = Edits(left, right)
        writes.refuse = edits.seen

        async def edit(request: web.Request) -> web.Response:
            count, rate = int(request.query["count"]), float(request.query.get("rate", 0))
            return web.Response(body=orjson.dumps(await edits.edit(count, rate)))

        async def pace(request: web.Request) -> web.Response:
            left.faults.slow_seconds = right.faults.slow_seconds = float(request.query["seconds"])
            return web.Response()

        app = web.Application()
        app.add_routes([web.post("/edit", edit), web.post("/pace", pace)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"listening {left.port} {right.port} {runner.addresses[0][1]}", flush=True)  # noqa: T201 -- the bench reads it
        await anyio.sleep_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("tickets", type=int)
    arguments.add_argument("--slow", type=float, default=0.0)
    chosen = arguments.parse_args()
    uvloop.run(_serve(chosen.tickets, chosen.slow))
