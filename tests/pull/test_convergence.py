"""The whole bridge against a server in motion: whatever is lost, doubled, late or shuffled, the tables come home."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bridge.domain import timestamp
from bridge.domain.status import normalise
from bridge.simulator import Faults, Simulator
from bridge.simulator.tmf656.collection import Collection
from bridge.simulator.tmf656.dialect import VERSIONS

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
Shown = Callable[[Simulator], dict[str, Any]]
BridgeOn = Callable[..., AbstractAsyncContextManager[Any]]
History = dict[str, set[datetime]]

ROUGH: dict[str, Any] = {
    "lose": 0.1,
    "duplicate": 0.1,
    "shuffle": 0.2,
    "shuffle_seconds": 0.02,
    "delay": 0.1,
    "delay_seconds": 0.1,
}
STYLES: dict[str, dict[str, Any]] = {
    "partial": {"partial": True},
    "thin": {"thin": True},
    "both events": {"both": True},
    "attribute changes only": {"attribute_change_only": True},
    "without event ids": {"without_event_id": True},
    "without event times": {"without_event_time": True},
    "without any event head": {"without_event_id": True, "without_event_time": True, "partial": True},
    "without update times": {"no_last_update": True},
    "without any times": {"no_last_update": True, "without_event_time": True},
    "numbers as text": {"numbers_as_text": True},
    "an hour ahead": {"clock_offset_seconds": 3600.0},
    "an hour behind": {"clock_offset_seconds": -3600.0},
    "filter ignored": {"ignore_filter": True},
    "no list headers": {"no_link": True, "no_total": True},
    "unordered": {"unordered": True},
}
STEPS = 120


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> History:
    """Every time of update that the simulated server ever gave a problem."""
    stamps: History = defaultdict(set)
    put = Collection._put

    def noted(collection: Collection, problem_id: str, problem: dict[str, Any]) -> None:
        at = timestamp.parse(problem.get("lastUpdate"))
        assert at is not None
        stamps[problem_id].add(at)
        put(collection, problem_id, problem)

    monkeypatch.setattr(Collection, "_put", noted)
    return stamps


class Observer:
    """Looks at a running bridge and the server it follows."""

    def __init__(self, sim: Simulator, running: Any, eventually: Eventually) -> None:
        self.sim, self.running, self.eventually = sim, running, eventually
        self.source = running.sources["sim"]

    async def started(self) -> None:
        await self.eventually(lambda: self.source.mode in ("push", "poll") and self.source.first_pass.is_set())

    async def lived(self, rate: float = 400, steps: int = STEPS) -> None:
        """Let the server live for a while, then fall silent."""
        self.sim.rate, until = rate, self.sim.steps + steps
        await self.eventually(lambda: self.sim.steps >= until)
        self.sim.rate = 0
        await self.sim.settle(timeout_seconds=30)

    def counted(self, kind: str) -> float:
        labels = {"source": "sim", "kind": kind, "outcome": "ok"}
        return self.running.metrics.registry.get_sample_value("tmf656_bridge_polls_total", labels) or 0.0

    async def passed(self, kind: str = "poll") -> None:
        """One pass that began after now: the one under way does not count."""
        wake = self.source.poll_wake if kind == "poll" else self.source.reconcile_wake
        async with self.source.passing:
            before = self.counted(kind)
        wake.call("test")
        await self.eventually(lambda: self.counted(kind) > before)

    async def fetch(self, query: str) -> list[Any]:
        async with self.running.postgres.database.connection() as connection:
            return list(await connection.fetch(query))

    async def rows(self) -> dict[str, Any]:
        rows = await self.fetch("select id, body from bridge.service_problem_with_body where deleted_at is null")
        return {row["id"]: orjson.loads(row["body"]) for row in rows}

    async def consistent(self) -> None:
        """What must hold of the history, whatever happened."""
        assert not await self.fetch(
            "select id, valid_from from report.service_problem_version group by id, valid_from having count(*) > 1"
        )
        assert not await self.fetch(
            """
            select from (
                select body, lag(body) over (partition by id order by valid_from) as before, valid_from,
                    lag(valid_to) over (partition by id order by valid_from) as ended
                from report.service_problem_version
            ) as v where body = before and valid_from = ended
            """
        )
        assert not await self.fetch(
            "select id, entered_at from report.status_interval group by id, entered_at having count(*) > 1"
        )
        open_ended = {
            row["id"]: row["status"]
            for row in await self.fetch("select * from report.status_interval where left_at is null")
        }
        current = {
            row["id"]: row["status"]
            for row in await self.fetch("select * from report.service_problem where deleted_at is null")
        }
        assert open_ended == current
        assert current == {
            problem_id: normalise(problem["status"]).value for problem_id, problem in self.sim.snapshot().items()
        }
        last = await self.fetch("select id, body from report.service_problem_version where valid_to is null")
        now = await self.fetch("select id, body from report.service_problem where deleted_at is null")
        assert {row["id"]: row["body"] for row in last} == {row["id"]: row["body"] for row in now}
        assert not await self.fetch("select from bridge.dead_letter")


@pytest.mark.parametrize("version", VERSIONS)
async def test_one_poll_after_a_rough_time_the_tables_equal_the_server(
    bridge_on: BridgeOn, shown: Shown, eventually: Eventually, history: History, version: str
) -> None:
    faults = Faults(**ROUGH)
    async with Simulator(version=version, population=40, seed=7, faults=faults) as sim, bridge_on(sim) as running:
        observer = Observer(sim, running, eventually)
        await observer.started()
        await observer.lived()
        assert sim.sent.lost
        assert sim.sent.doubled
        assert sim.sent.late
        await observer.passed()
        assert await observer.rows() == shown(sim)
        await observer.consistent()
        for row in await observer.fetch("select id, valid_from from report.service_problem_version"):
            assert row["valid_from"] in history[row["id"]]


@pytest.mark.parametrize("version", VERSIONS)
async def test_when_nothing_is_lost_every_change_is_a_version(
    bridge_on: BridgeOn, shown: Shown, eventually: Eventually, history: History, version: str
) -> None:
    faults = Faults(**ROUGH | {"lose": 0})
    async with Simulator(version=version, seed=7, faults=faults) as sim, bridge_on(sim) as running:
        observer = Observer(sim, running, eventually)
        await observer.started()
        await observer.lived()

        async def home() -> bool:
            return await observer.rows() == shown(sim)

        await eventually(home)
        versions: History = defaultdict(set)
        for row in await observer.fetch("select id, valid_from from report.service_problem_version"):
            versions[row["id"]].add(row["valid_from"])
        assert versions == history
        await observer.consistent()


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
async def test_however_the_server_tells_the_tables_come_home(
    bridge_on: BridgeOn, shown: Shown, eventually: Eventually, style: dict[str, Any]
) -> None:
    faults = Faults(**ROUGH | style)
    async with (
        Simulator(population=20, seed=7, faults=faults) as sim,
        bridge_on(sim, page_size=30) as running,
    ):
        observer = Observer(sim, running, eventually)
        await observer.started()
        await observer.lived(steps=60)
        await observer.passed()
        assert await observer.rows() == shown(sim)


@pytest.mark.parametrize("version", ["4", "5"])
async def test_deletions_come_home_after_two_reconciles(
    bridge_on: BridgeOn, shown: Shown, eventually: Eventually, version: str
) -> None:
    faults = Faults(**ROUGH | {"lose": 0.3})
    async with (
        Simulator(version=version, population=60, max_problems=50, seed=7, faults=faults) as sim,
        bridge_on(sim) as running,
    ):
        observer = Observer(sim, running, eventually)
        await observer.started()
        await observer.lived()
        for _ in range(2):
            await observer.passed("reconcile")

        async def home() -> bool:
            return await observer.rows() == shown(sim)

        await eventually(home)  # what is missing is asked for by id after the pass
        assert await observer.fetch("select from bridge.service_problem where deleted_at is not null")
        await observer.consistent()


async def test_what_happens_while_the_bridge_is_away_is_made_up_for(
    bridge_on: BridgeOn, shown: Shown, eventually: Eventually
) -> None:
    async with Simulator(population=20, seed=7) as sim:
        for _ in range(3):
            async with bridge_on(sim) as running:
                observer = Observer(sim, running, eventually)
                await observer.started()
                await observer.lived(steps=30)
                await observer.passed()
                assert await observer.rows() == shown(sim)
            sim.rate, until = 400, sim.steps + 30
            await eventually(lambda until=until: sim.steps >= until)
            sim.rate = 0


async def test_a_server_that_forgets_the_subscription_is_followed_by_polls_until_it_is_told_again(
    bridge_on: BridgeOn, shown: Shown, eventually: Eventually
) -> None:
    faults = Faults(**ROUGH, forget_subscriptions_after=20)
    async with Simulator(population=20, seed=7, faults=faults) as sim, bridge_on(sim) as running:
        observer = Observer(sim, running, eventually)
        await observer.started()
        await observer.lived()
        assert not sim.subscriptions
        await observer.passed()
        assert await observer.rows() == shown(sim)
        observer.source.registered_at = observer.source.expected_since = datetime.now(UTC) - timedelta(minutes=5)
        at = (datetime.now(UTC) - timedelta(seconds=30)).isoformat(timespec="milliseconds")
        await sim.patch(next(iter(sim.problems)), description="unheard", lastUpdate=at)
        await observer.passed("reconcile")
        await observer.passed("reconcile")
        assert await observer.rows() == shown(sim)


async def test_a_restored_backup_comes_home(bridge_on: BridgeOn, shown: Shown, eventually: Eventually) -> None:
    """However many problems are younger than the backup; a mass loss is held back only where the share is limited."""
    faults = Faults(**ROUGH)
    async with Simulator(population=20, seed=7, faults=faults) as sim, bridge_on(sim, max_loss_share=1) as running:
        observer = Observer(sim, running, eventually)
        await observer.started()
        backup = sim.snapshot()
        await observer.lived(steps=40)
        await observer.passed()
        sim.restore(backup)

        async def only_those_of_the_backup() -> bool:
            return (await observer.rows()).keys() == sim.problems.keys()

        for _ in range(2):
            await observer.passed("reconcile")
        await eventually(only_those_of_the_backup)  # each of the others is asked for by id after a pass
        for problem_id in sim.problems:
            await sim.patch(problem_id, description="after the restore")
        await sim.settle()
        await observer.passed()
        assert await observer.rows() == shown(sim)
