"""DataMiner tickets linked by the presets: made on the other side, kept in step both ways, and then left alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.bootstrap import client_for, source_state_for, writer_for
from bridge.links.decide import Decider
from bridge.links.rule_jobs import RuleJobs
from bridge.links.send import WriteSender
from bridge.links.target import WriteTarget
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.settings.read import assemble
from bridge.simulator import Simulator
from bridge.simulator.dataminer.simulator import DataminerKind, DataminerSimulator
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

LOGINS = {
    "dataminer": {"username": "bridge", "password": "dataminer-passw0rd", "ticket_type": "SES"},
    "dataminer-api": {"token": "dataminer-t0ken"},
}
ROUNDS = 6


@dataclass(slots=True)
class Linked:
    """A DataMiner (left) and a TMF656 server (right), joined by the preset."""

    database: Database
    pollers: list[Poller]
    decider: Decider
    senders: list[WriteSender]

    async def settle(self) -> int:
        """Poll, decide and send until nothing is sent any more; return how many writes were looked at."""
        sent = 0
        for _ in range(ROUNDS):
            for poller in self.pollers:
                await poller.run_once()
            await self.decider.run_once()
            now = sum([await sender.run_once() for sender in self.senders])
            sent += now
            if not now:
                return sent
        raise AssertionError(f"still writing after {ROUNDS} rounds")

    async def refusals(self) -> list[str]:
        async with self.database.connection() as connection:
            rows = await connection.fetch("select error from bridge.outbox where state = 'blocked'")
        return [row["error"] for row in rows]


@asynccontextmanager
async def linked(database: Database, sim: DataminerSimulator, server: Simulator) -> AsyncIterator[Linked]:
    common = {"callback_secret": "s3cr3t-" * 4, "by_id_rate_per_second": 0, "write": True}
    left = common | LOGINS[sim.kind] | {"kind": sim.kind, "url": sim.url}
    right = common | {"url": server.url, "push": False}
    rule = {"left": "dma", "right": "spm", "preset": "dataminer-tmf656"}
    settings = assemble({"sources": {"dma": left, "spm": right}, "links": {"one": rule}}, {}, Path.cwd())
    metrics, fence, pollers, targets = Metrics(), LeaderFence(), [], []
    async with AsyncExitStack() as stack:
        for name, configured in settings.sources.items():
            client = await stack.enter_async_context(client_for(name, configured, metrics))
            source = await source_state_for(name, configured, database, client, "http://127.0.0.1:9", metrics)
            source.lead()
            pollers.append(Poller(source, database, metrics, Reconciler(source, database, metrics)))
            targets.append(WriteTarget(source, writer_for(source)))
        jobs = RuleJobs(database, metrics, fence, lambda: settings)
        [run] = await jobs.register()
        jobs.decisions.runs[run.rule_id] = run
        for poller in pollers:
            await poller.reconciler.run_once()
        senders = [WriteSender(target, jobs.decisions, database, metrics) for target in targets]
        yield Linked(database, pollers, Decider(run, database, metrics, fence), senders)


@pytest.mark.parametrize("kind", ["dataminer", "dataminer-api"])
async def test_a_ticket_and_its_counterpart_keep_in_step(database: Database, kind: DataminerKind) -> None:
    login: dict[str, Any] = {name: value for name, value in LOGINS[kind].items() if name != "ticket_type"}
    async with DataminerSimulator(kind, seed=1, **login) as sim, Simulator(version="4") as server:
        name = "Name" if kind == "dataminer" else "name"
        ticket = sim.create(**{name: "Signal lost in Oslo"})
        sim.move(ticket, "In Progress")
        async with linked(database, sim, server) as pair:
            await pair.settle()
            assert await pair.refusals() == []
            [problem] = server.problems.values()
            assert (problem["name"], problem["status"]) == ("Signal lost in Oslo", "inProgress")

            sim.move(ticket, "On Hold")
            await pair.settle()
            [problem] = server.problems.values()
            assert problem["status"] in ("held", "pending")

            await server.transition(problem["id"], "resolved")
            await pair.settle()
            resolved = "Solved" if kind == "dataminer" else "Resolved"
            assert sim._state(ticket) == resolved
            assert ticket.values[name] == "Signal lost in Oslo"
            assert await pair.refusals() == []

            seen, version = len(sim.requests), ticket.ticks
            assert await pair.settle() == 0
            later = [f"{request.method} {request.path}" for request in list(sim.requests)[seen:]]
            assert [
                one for one in later if one.startswith("PUT") or one.endswith(("UpdateTicket", "CreateTicket"))
            ] == []
            assert (len(sim.tickets), len(server.problems), ticket.ticks) == (1, 1, version)


async def test_notes_are_copied_both_ways_once(database: Database) -> None:
    async with (
        DataminerSimulator("dataminer-api", seed=1, token="dataminer-t0ken") as sim,
        Simulator(version="4") as server,
    ):
        ticket = sim.create(name="Signal lost in Oslo")
        async with linked(database, sim, server) as pair:
            await pair.settle()
            [problem] = server.problems.values()
            sim.add_note(ticket, "Field engineer is on the way.")
            await server.patch(problem["id"], note=[{"id": "1", "author": "eva", "text": "Customer informed."}])
            for _ in range(2):
                await pair.settle()
            assert await pair.refusals() == []
            there = [note["text"] for note in next(iter(server.problems.values()))["note"]]
            here = [note.text for note in ticket.notes]
            assert sum("Field engineer is on the way." in text for text in there) == 1
            assert sum("Customer informed." in text for text in here) == 1
            assert (len(there), len(here)) == (2, 2)
