"""Two simulated systems of any kinds joined by a rule, with the people who work there; on a real database, by steps.

Nothing runs until a test says so: `Joined.settle` polls, decides and sends until nothing is sent any more.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bridge.bootstrap import client_for, source_state_for, writer_for
from bridge.domain.link.word_map import Side
from bridge.links.decide import Decider
from bridge.links.rule_jobs import RuleJobs
from bridge.links.send import WriteSender
from bridge.links.target import WriteTarget
from bridge.pull.poll import Poller
from bridge.pull.reconcile import Reconciler
from bridge.settings.read import assemble
from bridge.simulator import Simulator
from bridge.simulator.dataminer.simulator import DataminerSimulator
from bridge.simulator.servicenow.service_problem import BASE_PATH
from bridge.simulator.servicenow.simulator import ServiceNowSimulator
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.telemetry.metrics import Metrics
from tests.links.people import PASSWORD, TICKET_TYPE, TOKEN, USER, CubeDesk, Desk, ProblemDesk, RoutesDesk, TableDesk

AnySimulator = Simulator | ServiceNowSimulator | DataminerSimulator
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_COMMON = {"callback_secret": "s3cr3t-" * 4, "by_id_rate_per_second": 0, "write": True}
_STATE_PATH = "/api/x_acme/problem/{number}/new_state/{state}"
_ROUNDS = 8


def simulator(kind: str, seed: int) -> AnySimulator:
    """A system of a kind without tickets; `servicenow:problem` is a table, `facade` a gateway before an instance, and
    `tmf656:3` a server of version 3.
    """
    match kind.partition(":")[0]:
        case "tmf656":
            return Simulator(version=kind.partition(":")[2] or "4", seed=seed, id_prefix=f"SP{seed}-")
        case "servicenow" | "facade":
            return ServiceNowSimulator(seed=seed)
        case "dataminer":
            return DataminerSimulator("dataminer", seed=seed, username=USER, password=PASSWORD, ticket_type=TICKET_TYPE)
        case _:
            return DataminerSimulator("dataminer-api", seed=seed)


def source_of(kind: str, url: str) -> dict[str, Any]:
    """The settings of a source, as few as an operator needs."""
    match kind.partition(":"):
        case "tmf656", _, _:
            return {"url": url}
        case "servicenow", _, table:
            source = {"kind": "servicenow", "url": url, "journals": "sys_journal_field"}
            return source | ({"table": table, "state_path": _STATE_PATH} if table == "problem" else {})
        case "facade", _, _:
            facade = {"profile": "servicenow-facade", "query": "u_source=dataminer", "key_field": "u_external_id"}
            return facade | {"url": f"{url}{BASE_PATH}"}
        case "dataminer", _, _:
            login = {"username": USER, "password": PASSWORD, "ticket_type": TICKET_TYPE}
            return {"kind": "dataminer", "url": url} | login
        case _:
            return {"kind": "dataminer-api", "url": url, "token": TOKEN}


def desk_of(kind: str, url: str, http: aiohttp.ClientSession) -> Desk:
    """Somebody who works in a system of this kind."""
    match kind.partition(":"):
        case "tmf656", _, _:
            return ProblemDesk(http, url)
        case (("servicenow" | "facade"), _, table):
            return TableDesk(http, url, table or "incident")
        case "dataminer", _, _:
            return CubeDesk(http, url)
        case _:
            return RoutesDesk(http, url)


@dataclass(slots=True)
class Joined:
    """Two systems, the people in them, and the bridge between."""

    database: Database
    sims: dict[Side, AnySimulator]
    desks: dict[Side, Desk]
    pollers: list[Poller]
    decider: Decider
    senders: list[WriteSender]

    async def settle(self) -> int:
        """Poll, decide and send until nothing is sent any more; return how many writes were looked at."""
        sent = 0
        for _ in range(_ROUNDS):
            for poller in self.pollers:
                await poller.run_once()
            await self.decider.run_once()
            now = sum([await sender.run_once() for sender in self.senders])
            sent += now
            if not now:
                return sent
        raise AssertionError(f"still writing after {_ROUNDS} rounds: {await self.troubles()}")

    async def reconcile(self) -> None:
        """Read everything from both."""
        for poller in self.pollers:
            await poller.reconciler.run_once()

    async def rows(self, query: str, *arguments: object) -> list[Any]:
        async with self.database.connection() as connection:
            return list(await connection.fetch(query, *arguments))

    async def troubles(self) -> list[tuple[str, ...]]:
        """Blocked writes and conflicts, in words."""
        blocked = await self.rows(
            "select kind, coalesce(error, '') as error from bridge.outbox where state = 'blocked'"
        )
        conflicts = await self.rows("select field, kind, left_value, right_value from bridge.conflict order by id")
        return [tuple(map(str, row)) for row in (*blocked, *conflicts)]

    async def pairs(self) -> list[tuple[str, str]]:
        """Ids of the tickets that are linked."""
        rows = await self.rows("select left_id, right_id from bridge.link where state = 'linked' order by id")
        return [(row["left_id"], row["right_id"]) for row in rows]


@asynccontextmanager
async def joined(
    database: Database,
    kinds: Mapping[Side, str],
    rule: Mapping[str, Any],
    sims: Mapping[Side, AnySimulator] | None = None,
    **sources: Mapping[str, Any],
) -> AsyncIterator[Joined]:
    """Start both systems, unless `sims` run already, and join them; `left`, `right`: more settings of a source.

    A problem of ServiceNow needs somebody who works on it, so a rule has to say who.
    """
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        running: dict[Side, AnySimulator] = dict(sims or {})
        for number, side in enumerate(Side):
            if side not in running:
                running[side] = await stack.enter_async_context(simulator(kinds[side], number + 1))
        configured = {
            side.value: _COMMON | source_of(kinds[side], running[side].url) | dict(sources.get(side.value, {}))
            for side in Side
        }
        links = {"one": {"left": "left", "right": "right"} | dict(rule)}
        for side in Side:
            sim = running[side]
            if isinstance(sim, ServiceNowSimulator) and kinds[side].endswith(":problem"):
                links["one"] |= {"with": {side.value: {"state": {"102": {"assigned_to": sim.somebody}}}}}
        settings = assemble({"sources": configured, "links": links}, {}, Path.cwd())
        metrics, fence, pollers, targets = Metrics(), LeaderFence(), [], []
        for name, one in settings.sources.items():
            client = await stack.enter_async_context(client_for(name, one, metrics))
            source = await source_state_for(name, one, database, client, "http://127.0.0.1:9", metrics)
            source.lead()
            pollers.append(Poller(source, database, metrics, Reconciler(source, database, metrics)))
            targets.append(WriteTarget(source, writer_for(source)))
        jobs = RuleJobs(database, metrics, fence, lambda: settings)
        [run] = await jobs.register()
        jobs.decisions.runs[run.rule_id] = run
        senders = [WriteSender(target, jobs.decisions, database, metrics) for target in targets]
        desks = {side: desk_of(kinds[side], running[side].url, http) for side in Side}
        both = Joined(database, running, desks, pollers, Decider(run, database, metrics, fence), senders)
        await both.reconcile()
        yield both
