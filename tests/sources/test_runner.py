"""Sources are started, stopped and reconfigured alone, while the others go on."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import pytest

from bridge.bootstrap import open_source
from bridge.errors import ConfigurationError
from bridge.settings import Settings, Tmf656Settings
from bridge.settings.changes import change_of
from bridge.simulator import Simulator
from bridge.simulator.tmf656.background import background
from bridge.sources.runner import RunJob, SourceRunners
from bridge.sources.state import SourceState
from bridge.sources.subscription import Subscriber
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

Eventually = Callable[[Callable[[], Any]], Awaitable[None]]
PUBLIC_URL = "http://127.0.0.1:9"


class Jobs:
    """What runs for each source: a job that only says so, and the registration where push is wanted."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self.database, self.metrics = database, metrics
        self.running: list[tuple[str, float]] = []
        self.failing: set[str] = set()

    def of(self, source: SourceState) -> list[RunJob]:
        async def run() -> None:
            if source.name in self.failing:
                self.failing.discard(source.name)
                raise OverflowError("date value out of range")
            mark = (source.name, source.settings.poll_interval_seconds)
            self.running.append(mark)
            try:
                await anyio.sleep_forever()
            finally:
                self.running.remove(mark)

        return [run, *([Subscriber(source, self.database, self.metrics).run] if source.wants_push else [])]


def settings(sim: Simulator | str, **more: Any) -> Tmf656Settings:
    url = sim if isinstance(sim, str) else sim.url
    return Tmf656Settings.model_validate({"url": url, "push": False, "poll_interval_seconds": 60} | more)


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database, Metrics())


@pytest.fixture
def runners(database: Database, jobs: Jobs) -> SourceRunners:
    opens = partial(open_source, database, PUBLIC_URL, LeaderFence(), jobs.metrics)
    return SourceRunners(opens, jobs.of, database, jobs.metrics)


async def test_a_source_starts_stops_and_restarts_alone_while_the_others_run(
    runners: SourceRunners, jobs: Jobs, eventually: Eventually
) -> None:
    async with Simulator() as sim, runners, background() as tasks:
        await runners.start("one", settings(sim))
        runners.set_leading(leads=True)
        tasks.start_soon(runners.run)
        await eventually(lambda: jobs.running == [("one", 60)])
        await runners.start("two", settings(sim))
        await eventually(lambda: jobs.running == [("one", 60), ("two", 60)])
        state = runners.states["two"]
        await runners.start("two", settings(sim, poll_interval_seconds=5))
        assert runners.states["two"] is not state
        assert runners.states["two"].leads
        await eventually(lambda: jobs.running == [("one", 60), ("two", 5)])
        await runners.stop("two")
        assert jobs.running == [("one", 60)]
        assert list(runners.states) == ["one"]


async def test_a_source_stopped_before_its_jobs_began_never_runs_them(runners: SourceRunners, jobs: Jobs) -> None:
    async with Simulator() as sim, runners, background() as tasks:
        tasks.start_soon(runners.run)
        await anyio.wait_all_tasks_blocked()
        await runners.start("one", settings(sim))
        await runners.stop("one")
        await anyio.wait_all_tasks_blocked()
        assert jobs.running == []


async def test_jobs_run_again_when_the_process_leads_again(
    runners: SourceRunners, jobs: Jobs, eventually: Eventually
) -> None:
    async with Simulator() as sim, runners:
        await runners.start("one", settings(sim))
        for _ in range(2):
            async with background() as tasks:
                tasks.start_soon(runners.run)
                await eventually(lambda: jobs.running == [("one", 60)])
                tasks.cancel_scope.cancel()
            assert jobs.running == []
        await runners.start("two", settings(sim))
        assert jobs.running == [], "nobody leads"


async def test_a_source_that_cannot_be_opened_goes_on_as_it_was(
    runners: SourceRunners, jobs: Jobs, eventually: Eventually, tmp_path: Any
) -> None:
    key = tmp_path / "no-key.pem"
    key.write_text("this is no certificate")
    async with Simulator() as sim, runners, background() as tasks:
        await runners.start("one", settings(sim))
        tasks.start_soon(runners.run)
        state = runners.states["one"]
        with pytest.raises(ConfigurationError):
            await runners.start("one", settings(sim, ca_file=str(key)))
        assert runners.states == {"one": state}
        await eventually(lambda: jobs.running == [("one", 60)])


async def test_an_unexpected_error_in_a_source_is_counted_and_touches_no_other(
    runners: SourceRunners, jobs: Jobs, eventually: Eventually
) -> None:
    jobs.failing = {"one"}
    async with Simulator() as sim, runners, background() as tasks:
        for name in ("one", "two"):
            await runners.start(name, settings(sim))
        tasks.start_soon(runners.run)
        await eventually(lambda: sorted(jobs.running) == [("one", 60), ("two", 60)])
    labels = {"source": "one", "job": "source"}
    assert jobs.metrics.registry.get_sample_value("tmf656_bridge_job_failures_total", labels) == 1


async def test_a_removed_source_is_deregistered_written_as_disabled_and_leaves_no_series(
    runners: SourceRunners, jobs: Jobs, eventually: Eventually, database: Database
) -> None:
    async with Simulator() as sim, runners, background() as tasks:
        before = Settings.model_validate({"sources": {"one": {"url": sim.url}, "two": {"url": sim.url, "push": False}}})
        for name, source in before.sources.items():
            await runners.start(name, source)
        runners.set_leading(leads=True)
        tasks.start_soon(runners.run)
        await eventually(lambda: len(sim.subscriptions) == 1)
        await eventually(lambda: runners.states["one"].registered)
        now = Settings.model_validate({"sources": {"two": {"url": sim.url, "push": False}}})
        await runners.apply(change_of(before, now))
        assert sim.subscriptions == {}
        assert list(runners.states) == ["two"]
        async with database.connection() as connection:
            modes = dict(await connection.fetch("select name, mode from bridge.source"))
        assert modes["one"] == "disabled"
        page = jobs.metrics.page()[0]
        assert b'source="one"' not in page
        assert b'source="two"' in page


async def test_only_the_process_that_leads_deregisters_a_removed_source(
    runners: SourceRunners, eventually: Eventually
) -> None:
    async with Simulator() as sim, runners:
        sim.world.hub.register(f"{PUBLIC_URL}/listener/one/x", None)
        before = Settings.model_validate({"sources": {"one": {"url": sim.url}}})
        await runners.start("one", before.sources["one"])
        await runners.apply(change_of(before, Settings()))
        assert len(sim.subscriptions) == 1
        assert runners.states == {}
