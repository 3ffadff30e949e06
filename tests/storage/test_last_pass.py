"""The last pass of each kind, as `status` shows it."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.storage import last_pass, source
from bridge.storage.database import Database
from bridge.storage.last_pass import LastPass

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def a_pass(minute: int, gap: str | None = None, kind: str = "reconcile") -> LastPass:
    at = NOON + timedelta(minutes=minute)
    return LastPass(kind, at, at, gap, 57)


async def test_f9_status_says_why_passes_are_never_complete_and_when_one_was(
    database: Database, source_id: int
) -> None:
    async with database.connection() as connection:
        await last_pass.write(connection, source_id, a_pass(0, "incomplete: 20 of 57 problems"))
        await last_pass.write(connection, source_id, a_pass(0, None, "poll"))
        (row,) = await source.status(connection)
        assert (row["reconcile_gap"], row["reconcile_complete_at"]) == ("incomplete: 20 of 57 problems", None)
        assert row["poll_gap"] is None
        await last_pass.write(connection, source_id, a_pass(1))
        await last_pass.write(connection, source_id, a_pass(2, "incomplete: 3 problems"))
        (row,) = await source.status(connection)
        assert (row["reconcile_gap"], row["reconcile_complete_at"]) == ("incomplete: 3 problems", a_pass(1).finished_at)
        assert set(await last_pass.find(connection, source_id)) == {"poll", "reconcile"}


async def test_why_problems_are_held_back_stays_until_none_are(database: Database, source_id: int) -> None:
    async with database.connection() as connection:
        assert await last_pass.held_back(connection, source_id) == 0
        await last_pass.write(connection, source_id, a_pass(0))
        await last_pass.write_held_back(connection, source_id, 60, "the list lost 60 of 60 problems at once")
        await last_pass.write(connection, source_id, a_pass(1))
        await last_pass.write_held_back(connection, source_id, 59, None)
        (row,) = await source.status(connection)
        assert (row["held_back"], row["held_back_reason"]) == (59, "the list lost 60 of 60 problems at once")
        await last_pass.write_held_back(connection, source_id, 0, None)
        (row,) = await source.status(connection)
        assert (row["held_back"], row["held_back_reason"]) == (0, None)
