"""Two sources of TMF656 problems and a rule between them, with what both sides say put straight into the tables."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.domain.link.word_map import Side
from bridge.domain.observation import Via
from bridge.links.decide import Decider
from bridge.links.rule_jobs import RuleJobs
from bridge.links.rule_run import RuleRun
from bridge.links.rule_series import introduce_rule, introduce_target, show_nothing
from bridge.links.rules import rule_of
from bridge.schedule import now
from bridge.settings import LinkSettings, Settings
from bridge.storage import link as link_table
from bridge.storage import link_rule, outbox
from bridge.storage import source as source_table
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.storage.link import LinkRow
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.storage.outbox import OutboxRow
from bridge.telemetry.metrics import Metrics
from bridge.tmf656 import wire

RULE: dict[str, Any] = {
    "left": "left",
    "right": "right",
    "create": "right",
    "fields": {
        "title": {"left": "name", "right": "name"},
        "status": {"left": "status", "right": "status", "map": "status"},
        "number": {"left": "externalId", "right": "@id", "direction": "right_to_left"},
    },
    "maps": {
        "status": [f"{word} = {word}" for word in ("acknowledged", "inProgress", "held", "resolved", "closed")]
        + ["pending = held"]
    },
}


@dataclass(slots=True)
class RuleRig:
    """See the module docstring. `settings`: of the one rule *one*; more by `rules`."""

    database: Database
    settings: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)
    fence: LeaderFence = field(default_factory=LeaderFence)
    ids: dict[Side, int] = field(default_factory=dict)
    wanted: int = 0
    _minute: int = 0

    def configuration(self) -> Settings:
        """The settings as they would be read."""
        sources = {side.value: {"url": f"https://{side.value}.example/v4", "write": True} for side in Side}
        links = {"one": RULE | self.settings} | self.rules
        return Settings.model_validate({"sources": sources, "links": links})

    async def start(self, *, complete: bool = True) -> Decider:
        """Register the rule and return its decider; `complete`: both sources have been read since."""
        async with self.database.transaction() as connection:
            for side in Side:
                row = await source_table.ensure(connection, side.value, f"https://{side.value}.example/v4")
                self.ids[side] = row.id
        [run] = await self.jobs().register()
        if complete:
            await self.read_completely()
        return self.decider(run)

    def jobs(self) -> RuleJobs:
        """What the leader runs."""
        return RuleJobs(self.database, self.metrics, self.fence, self.configuration)

    def decider(self, run: RuleRun) -> Decider:
        """A decider, as after a start of the process."""

        def count() -> None:
            self.wanted += 1

        return Decider(run, self.database, self.metrics, self.fence, count)

    async def read_completely(self, *sides: Side) -> None:
        """A complete pass over both sources, or these, ends now."""
        async with self.database.transaction() as connection:
            for side in sides or Side:
                await connection.execute(
                    """
                    insert into bridge.last_pass (source_id, kind, started_at, finished_at, complete_at, problems)
                    values ($1, 'reconcile', $2, $2, $2, 0)
                    on conflict (source_id, kind) do update set complete_at = excluded.complete_at
                    """,
                    self.ids[side],
                    now(),
                )

    async def say(self, side: Side, *problems: dict[str, Any], at: datetime | None = None) -> None:
        """A side says this now; each time a minute later than before."""
        self._minute += 1
        at = at or datetime.now(UTC) - timedelta(hours=1) + timedelta(minutes=self._minute)
        entries = []
        for one in problems:
            problem = {"creationDate": at.isoformat(), "lastUpdate": at.isoformat(), "category": "x"} | one
            entries.append(Entry(self.ids[side], wire.read_problem(problem, asked_at=now(), via=Via.POLL)))
        await store_items(self.database, entries)

    async def links(self) -> list[LinkRow]:
        """All links, the oldest first."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("select id from bridge.link order by id")
            return list((await link_table.read(connection, [row["id"] for row in rows])).values())

    async def open_writes(self) -> list[OutboxRow]:
        """All open rows of the outbox, the oldest first."""
        async with self.database.connection() as connection:
            found = await outbox.open_of(connection, [one.id for one in await self.links()])
        return sorted((row for rows in found.values() for row in rows), key=lambda row: row.id)

    async def conflicts(self) -> list[tuple[str, str, str]]:
        """Field, kind and outcome of all conflicts."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("select field, kind, outcome from bridge.conflict order by id")
        return [(row["field"], row["kind"], row["outcome"]) for row in rows]

    async def state(self) -> str:
        """The state of the rule."""
        async with self.database.connection() as connection:
            [row] = await link_rule.find(connection, "one")
        return row.state


def introduced() -> Metrics:
    """What a bridge exposes that has a source and a rule, and to which nothing has happened yet."""
    metrics, rule = Metrics(), rule_of("dma-snow", LinkSettings.model_validate(RULE))
    metrics.introduce("snow")
    introduce_rule(metrics, rule, dict.fromkeys(Side, 30.0))
    show_nothing(metrics, rule.name, ("dma", "snow"))
    introduce_target(metrics, "snow")
    return metrics


def problem(number: object, name: str = "a", status: str = "inProgress", **more: object) -> dict[str, Any]:
    """A service problem."""
    return {"id": str(number), "name": name, "status": status, **more}


def problems(numbers: Iterable[int], **more: Any) -> list[dict[str, Any]]:
    """Several of them."""
    return [problem(number, **more) for number in numbers]
