"""What is written about each source to the database, as `status` and other processes read it."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from bridge.errors import TransientError
from bridge.maintenance import source_report
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


async def test_d7_changes_held_back_for_a_minute_are_a_warning_and_a_gauge(
    rig_for: RigFor, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_report, "_HELD_BACK_SECONDS", 0.0)
    writer = await asyncpg.connect(dsn, server_settings={"application_name": "forgotten"})
    async with Simulator() as sim:
        rig = await rig_for(sim)
        async with writer.transaction():
            await writer.execute("select pg_current_xact_id()")
            await rig.execute("insert into bridge.change (source_id, problem_ids) values (1, '{SP-1}')")
            with capture_logs() as logged:
                await rig.reporter().run_once()
        (warning,) = [line for line in logged if line["event"] == "changes are held back from /stream"]
        assert "forgotten" in warning["held_by"]
        assert "rollback" in warning["remedy"]
        assert rig.metrics.changes_held_back._value.get() > 0
    await writer.close()
