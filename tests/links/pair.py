"""Two simulated TMF656 servers joined by one rule, on a real database: sources, decider and senders, step by step."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridge.bootstrap import client_for, source_state_for, writer_for
from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.links.decide import Decider
from bridge.links.decisions import RuleDecisions
from bridge.links.rule_jobs import RuleJobs
from bridge.links.rule_run import RuleRun
from bridge.links.send import WriteSender
from bridge.links.target import WriteTarget
from bridge.pull.reconcile import Reconciler
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.storage import link as link_table
from bridge.storage import outbox
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.storage.link import NewLink
from bridge.storage.outbox import Wanted, WriteKind
from bridge.telemetry.metrics import Metrics

LEFT, RIGHT = Side.LEFT, Side.RIGHT
STATUSES = ("acknowledged", "inProgress", "held", "pending", "resolved", "closed", "cancelled", "rejected")
_SETTINGS = {"callback_secret": "s3cr3t-" * 4, "by_id_rate_per_second": 0, "write": True, "concurrency": 4}
_NEW = {"category": "c", "reason": "r", "originatorParty.id": "noc", "originatorParty.@referredType": "Organization"}
RULE: dict[str, Any] = {
    "left": "left",
    "right": "right",
    "on_conflict": "left",
    "fields": {
        "title": {"left": ["description"], "right": ["description"], "max_length": 200},
        "status": {"left": ["status"], "right": ["status"], "map": "status"},
        "priority": {"left": ["priority"], "right": ["priority"]},
    },
    "maps": {"status": [f"{word} = {word}" for word in STATUSES]},
    "create_left": _NEW,
    "create_right": _NEW,
    "notes": {"direction": "both", "since": "all"},
    "limits": {
        "writes_per_minute": 100_000,
        "writes_per_ticket_per_hour": 100_000,
        "creates_per_hour": 1_000_000,
        "changes_at_once": 1,
    },
}


@dataclass(slots=True)
class Pair:
    """The two servers and what is between them; nothing runs until a test says so."""

    database: Database
    metrics: Metrics
    sims: dict[Side, Any]
    """Of TMF656, where a test does not say otherwise."""
    pollers: dict[Side, Reconciler]
    senders: dict[Side, WriteSender]
    decisions: RuleDecisions
    decider: Decider

    @property
    def run(self) -> RuleRun:
        return self.decider.run_of_rule

    async def execute(self, statement: str, *arguments: object) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)

    async def value(self, query: str, *arguments: object) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def pull(self) -> None:
        """Read everything from both servers."""
        for poller in self.pollers.values():
            await poller.run_once()

    async def join(self, left: str, right: str) -> int:
        """Link two tickets, as a person does."""
        key = self.run.key_of(LEFT, left)
        new = NewLink(self.run.rule_id, key, "operator", LinkState.LINKED, left, right, linked_at=datetime.now(UTC))
        async with self.database.transaction() as connection:
            number = (await link_table.add(connection, [new]))[key]
            await self.decisions.again(connection, [number])
        return number

    async def want(self, side: Side, *tickets: str) -> None:
        """Have counterparts made on a side."""
        run = self.run
        async with self.database.transaction() as connection:
            for ticket in tickets:
                where = {"left_id": ticket} if side is RIGHT else {"right_id": ticket}
                key = run.key_of(side.other, ticket)
                new = NewLink(run.rule_id, key, side.other.value, LinkState.CREATING, **where)
                (number,) = (await link_table.add(connection, [new])).values()
                wanted = Wanted(number, run.rule_id, run.source_ids[side], side, WriteKind.CREATE)
                await outbox.put(connection, [wanted])

    async def decide(self) -> None:
        """Decide what changed."""
        await self.decider.run_once()

    async def ripen(self) -> None:
        """The settling time has passed, and so has the pause before the next try."""
        for sim in self.sims.values():
            if isinstance(sim, Simulator):
                await sim.finish_late()
        await self.execute("update bridge.link set unsure_until = now() where unsure_until is not null")
        await self.execute("update bridge.outbox set due_at = now() where state = 'waiting'")

    async def send(self) -> int:
        """Let both senders do what is due once."""
        return sum([await sender.run_once() for sender in self.senders.values()])

    async def open_writes(self) -> int:
        return int(await self.value("select count(*) from bridge.outbox where state not in ('done', 'dropped')"))

    def written(self) -> int:
        """How many writes reached the servers."""
        return sum(int(sim.request_counts["patch"] + sim.request_counts["create"]) for sim in self.sims.values())

    def says(self, side: Side, ticket: str) -> dict[str, str]:
        return self.run.rule.found_in(side, self.sims[side].problems[ticket])

    def notes(self, side: Side, ticket: str) -> list[str]:
        return [note["text"].rpartition("\n")[2] for note in self.sims[side].problems[ticket].get("note") or []]


@asynccontextmanager
async def paired(
    database: Database, left: Any, right: Any, sources: dict[Side, dict[str, Any]] | None = None, **rule: Any
) -> AsyncIterator[Pair]:
    """Join two simulators by a rule; `sources`: more settings of the sources; `rule`: settings of the rule."""
    metrics, sims = Metrics(), {LEFT: left, RIGHT: right}
    given = {side.value: _SETTINGS | {"url": sim.url} | (sources or {}).get(side, {}) for side, sim in sims.items()}
    configured = Settings.model_validate({"sources": given, "links": {"pair": RULE | rule}})
    async with AsyncExitStack() as stack:
        pollers, targets = {}, {}
        for side in Side:
            settings = configured.sources[side.value]
            client = await stack.enter_async_context(client_for(side.value, settings, metrics))
            source = await source_state_for(side.value, settings, database, client, "http://127.0.0.1:9", metrics)
            source.lead()
            pollers[side] = Reconciler(source, database, metrics)
            targets[side] = WriteTarget(source, writer_for(source))
        jobs = RuleJobs(database, metrics, LeaderFence(), lambda: configured)
        (run,) = await jobs.register()
        jobs.decisions.runs = {run.rule_id: run}
        senders = {side: WriteSender(target, jobs.decisions, database, metrics) for side, target in targets.items()}
        yield Pair(database, metrics, sims, pollers, senders, jobs.decisions, Decider(run, database, metrics))
