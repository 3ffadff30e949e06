"""How far passes have come: of each kind one mark, which never goes back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.storage import watermark
from bridge.storage.database import Database
from bridge.storage.watermark import Watermark

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MARK = Watermark(NOON, "dot_gte", NOON, NOON + timedelta(seconds=9), 7)


async def test_each_kind_has_a_mark_of_its_own(database: Database, source_id: int) -> None:
    async with database.transaction() as connection:
        assert await watermark.find(connection, source_id, "poll") is None
        await watermark.advance(connection, source_id, "poll", MARK)
        assert await watermark.find(connection, source_id, "poll") == MARK
        assert await watermark.find(connection, source_id, "reconcile") is None


async def test_an_older_pass_takes_nothing_back(database: Database, source_id: int) -> None:
    earlier, later = (
        replace(MARK, started_at=NOON + timedelta(minutes=by), finished_at=NOON + timedelta(minutes=by), problems=by)
        for by in (-5, 5)
    )
    async with database.transaction() as connection:
        for mark in (MARK, later, earlier):
            await watermark.advance(connection, source_id, "poll", mark)
        assert await watermark.find(connection, source_id, "poll") == later
