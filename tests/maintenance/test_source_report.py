"""What the database is told of each source, as `status` and other processes read it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.errors import TransientError
from bridge.simulator import Simulator
from bridge.sources.state import Mode
from bridge.storage import source as source_table

pytestmark = pytest.mark.anyio

RigFor = Callable[..., Awaitable[Any]]


async def _status(rig: Any) -> dict[str, Any]:
    async with rig.database.connection() as connection:
        [row] = await source_table.status(connection)
    return row


async def test_jobs_that_fail_are_written_until_they_work_again(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        poll, subscription = (rig.source.job(name, rig.metrics) for name in ("poll", "subscription"))
        subscription.failed(TransientError("hub answers 503"), 1)
        for _ in range(3):
            poll.failed(TransientError("503 from snow.example"), 1)
        await rig.reporter().run_once()
        row = await _status(rig)
        assert {name: (job["failures"], job["error"]) for name, job in row["failing_jobs"].items()} == {
            "poll": (3, "503 from snow.example"),
            "subscription": (1, "hub answers 503"),
        }
        assert row["failing_jobs"]["poll"]["failed_at"].startswith("20")
        assert row["last_error"] == "503 from snow.example"
        poll.worked()
        await rig.reporter().run_once()
        row = await _status(rig)
        assert list(row["failing_jobs"]) == ["subscription"]
        assert row["last_error"] == "hub answers 503"
        subscription.worked()
        await rig.reporter().run_once()
        row = await _status(rig)
        assert (row["failing_jobs"], row["last_error"]) == ({}, None)
        assert row["last_error_at"] is not None, "when it last went wrong stays"


async def test_a_state_that_postgres_refuses_keeps_no_other_from_being_written(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        await rig.execute("insert into bridge.source (name) values ('other')")
        other = await rig_for(sim)
        other.source.name = "other"
        other.source.source_id = await rig.value("select id from bridge.source where name = 'other'")
        broken = rig.source.job("poll", rig.metrics)
        broken.failed(TransientError("x"), 1)
        broken.error = "not storable \0"
        other.source.job("poll", rig.metrics).failed(TransientError("y"), 1)
        reporter = rig.reporter()
        reporter.sources = {"sim": rig.source, "other": other.source}
        await reporter.run_once()
        assert await rig.value("select last_error from bridge.source where name = 'other'") == "y"


async def test_a_process_that_follows_reads_the_mode_and_writes_no_errors(rig_for: RigFor) -> None:
    async with Simulator() as sim:
        rig = await rig_for(sim)
        rig.source.follow(Mode.POLL)
        rig.source.job("poll", rig.metrics).failed(TransientError("x"), 1)
        await rig.execute("update bridge.source set mode = 'push'")
        await rig.reporter().run_once()
        assert rig.source.mode is Mode.PUSH
        assert (await _status(rig))["last_error"] is None
