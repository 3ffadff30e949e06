"""The disk of data_dir fills up while Postgres is away (D2): it is said, and nothing that was answered is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.journal.directory import waiting_in
from tests.disk import fill, small_disk

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("reserve", [True, False], ids=["with a reserve", "without"])
async def test_d2_what_was_answered_before_the_disk_was_full_arrives_once(
    reserve: bool,
    dsn: str,
    gate: Any,
    bridge_at: Callable[..., Any],
    sender: Any,
    eventually: Any,
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", mebibytes=4) as data_dir:
        async with bridge_at(gate.dsn, data_dir) as running:
            await gate.shut()
            for _ in range(30):
                assert await sender.post(running.url) == 201
            ballast = fill(data_dir)
            while await sender.post(running.url) == 201:
                pass
            assert sender.refused[-1][0] == 503
            if not reserve:
                (data_dir / "journal.reserve").unlink()
                ballast = fill(data_dir)
            status, body = await _readiness(sender, running.url)
            assert (status, body["state"]) == (503, "unavailable")
            assert "free space on the disk of data_dir" in " ".join(body["missing"])

            await gate.open()
            await eventually(lambda: _arrived(dsn, sender))
            await eventually(lambda: _state(sender, running.url, "degraded"))
            unwritable = running.metrics.registry.get_sample_value("tmf656_bridge_journal_unwritable")
            assert unwritable == 1
            ballast.unlink()
            await eventually(lambda: _state(sender, running.url, "ready"))
            assert waiting_in(data_dir) == (0, None)
        connection = await asyncpg.connect(dsn)
        duplicates = await connection.fetchval("select count(*) from report.notification where outcome = 'duplicate'")
        await connection.close()
        assert duplicates == 0


async def _readiness(sender: Any, url: str) -> tuple[int, Any]:
    async with sender.session.get(f"{url}/readyz") as answer:
        return answer.status, await answer.json()


async def _state(sender: Any, url: str, state: str) -> bool:
    return (await _readiness(sender, url))[1]["state"] == state


async def _arrived(dsn: str, sender: Any) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select event_id from report.notification")
    finally:
        await connection.close()
    return {row["event_id"] for row in rows} >= set(sender.answered)
