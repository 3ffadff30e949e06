"""Which jobs the leader runs for a source, and that losing the lease ends all of them."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from bridge.leader_jobs import LeaderJobs
from bridge.settings import Settings
from bridge.sources.runner import SourceRunners
from bridge.sources.state import SourceState
from bridge.storage.database import Database
from bridge.storage.lease import LeaderFence
from bridge.telemetry.metrics import Metrics
from tests.source_rig import Rig

pytestmark = pytest.mark.anyio


def jobs_on(database: Database, settings: Settings) -> LeaderJobs:
    return LeaderJobs(database, Metrics(), LeaderFence(), lambda: settings, None)


def names(jobs: LeaderJobs, source: SourceState) -> list[str]:
    return [type(getattr(run, "__self__", None)).__name__ for run in jobs.of_source(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, ["Subscriber", "VocabularyUpkeep", "Poller", "Reconciler", "Refetcher", "SilenceWatch"]),
        ({"push": False}, ["Subscriber", "VocabularyUpkeep", "Poller", "Reconciler", "Refetcher"]),
        ({"enabled": False}, ["Subscriber", "VocabularyUpkeep"]),
    ],
)
async def test_a_source_has_the_jobs_that_its_settings_ask_for(
    rig_for: Callable[..., Awaitable[Rig]], database: Database, source: dict[str, Any], expected: list[str]
) -> None:
    """Who is asked for nothing is still asked to end a registration of before."""
    rig = await rig_for("http://127.0.0.1:9", **source)
    assert names(jobs_on(database, Settings()), rig.source) == expected


async def test_cancelling_ends_what_runs_for_the_sources(database: Database) -> None:
    running, ended = anyio.Event(), anyio.Event()

    class Sources(SourceRunners):
        async def run(self) -> None:
            running.set()
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()

    jobs = jobs_on(database, Settings())
    sources = Sources(lambda *_: pytest.fail("no source is opened"), jobs.of_source, database, jobs.metrics)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(jobs.run, sources)
            await running.wait()
            group.cancel_scope.cancel()
    assert ended.is_set()
