"""Two simulated servers that a bridge keeps in step, while people edit both: what *Synchronisation* is drawn from."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from bridge.app import Bridge, RunningBridge
from bridge.domain.link.key import link_key
from bridge.settings import Settings
from bridge.settings.preset import preset_table
from bridge.simulator import Simulator
from bridge.simulator.tmf656.background import background
from grafana.scraping import Prometheus

_BEFORE, _LOSSY, _BETWEEN, _AWAY, _AFTER = 35, 30, 15, 25, 25
"""Seconds of the parts of the run."""
RULE, LEFT, RIGHT = "noc-carrier", "noc", "carrier"
_BOTH = 0.06
"""Share of the edits that hit both sides at once."""
_OPEN = ("acknowledged", "inProgress", "held", "pending")


@dataclass(slots=True)
class PairStory:
    """What happens to a pair of servers."""

    left: Simulator
    right: Simulator
    running: RunningBridge
    dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 -- lives, not secrets

    async def tell(self, scraped: Prometheus) -> None:
        """Let things happen, each for as many scrapes as it has seconds; the counterparts are there already."""
        await scraped.scraped(_BEFORE)
        self.right.faults.writes.lose_answer = 0.15
        self.right.faults.writes.refuse = self._refuse
        await scraped.scraped(_LOSSY)
        self.right.faults.writes.lose_answer = 0.0
        await scraped.scraped(_BETWEEN)
        self.right.faults.down = True
        await scraped.scraped(_AWAY)
        self.right.faults.down = False
        await scraped.scraped(_AFTER)

    async def edit(self) -> None:
        """People edit both sides, now and then the same ticket at once, and write notes."""
        while True:
            await anyio.sleep(0.5)
            joined = self._joined()
            if not joined:
                continue
            tickets = list(zip((self.left, self.right), self.dice.choice(joined), strict=True))
            self.dice.shuffle(tickets)
            for sim, ticket in tickets[: 2 if self.dice.random() < _BOTH else 1]:
                await sim.patch(ticket, **self._change(sim, ticket))

    def _joined(self) -> list[tuple[str, str]]:
        """Tickets with a counterpart, which carries their key."""
        made = {
            each.get("id"): ticket
            for ticket, problem in self.right.problems.items()
            for each in problem.get("externalIdentifier") or []
        }
        keys = {ticket: link_key(RULE, LEFT, ticket, 0) for ticket in self.left.problems}
        return [(ticket, made[key]) for ticket, key in keys.items() if key in made]

    def _change(self, sim: Simulator, ticket: str) -> dict[str, Any]:
        problem, drawn = sim.problems[ticket], self.dice.random()
        if drawn < 0.35:
            return {"status": self.dice.choice(_OPEN)}
        if drawn < 0.6:
            return {"priority": self.dice.randint(1, 5)}
        if drawn < 0.8:
            said = {"author": "desk", "text": f"looked at it, {self.dice.randint(1, 99)} % done"}
            return {"note": [*(problem.get("note") or []), said]}
        return {
            "name": f"{self.dice.choice(('link down', 'no light', 'slow', 'BGP flaps'))} {self.dice.randint(1, 99)}"
        }

    def _refuse(self, operation: str, attributes: dict[str, Any]) -> tuple[int, str] | None:
        refused = operation == "patch" and attributes.get("priority") == 1 and self.dice.random() < 0.4
        return (403, "priority 1 needs an approval") if refused else None


@asynccontextmanager
async def edited(dsn: str, data_dir: Path) -> AsyncIterator[PairStory]:
    """Both servers, a bridge with a rule between them, and people who edit, until the block ends."""
    often = {"poll_interval_seconds": 4, "reconcile_interval_seconds": 10, "settle_seconds": 3, "write": True}
    rule, _ = preset_table("tmf656-tmf656", {"left": ("tmf656", ""), "right": ("tmf656", "")})
    limits = {"writes_per_minute": 240, "changes_at_once": 1}
    async with Simulator(population=60, seed=5) as left, Simulator(population=0, seed=6) as right:
        settings = {
            "data_dir": str(data_dir),
            "database": {"dsn": dsn},
            "http": {"port": 0},
            "sources": {LEFT: {"url": left.url} | often, RIGHT: {"url": right.url} | often},
            "links": {RULE: rule | {"left": LEFT, "right": RIGHT, "on_conflict": "newest", "limits": limits}},
        }
        send, receive = anyio.create_memory_object_stream[RunningBridge](1)
        bridge = Bridge(Settings.model_validate(settings), on_ready=send.send_nowait)
        async with send, receive, anyio.create_task_group() as group:
            group.start_soon(bridge.run)
            story = PairStory(left, right, await receive.receive())
            async with background() as people:
                people.start_soon(story.edit)
                yield story
            bridge.stop()
