"""The leader makes the columns of report.service_problem_extra as they are configured, also when that changes."""

import anyio
import pytest

from bridge.maintenance import extra_columns
from bridge.maintenance.extra_columns import ExtraColumns
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio


async def columns(database: Database) -> list[str]:
    async with database.connection() as connection:
        row = await connection.fetchrow(
            """
            select array_agg(a.attname::text order by a.attnum) from pg_attribute as a
            where a.attrelid = 'report.service_problem_extra'::regclass and a.attnum > 3"""
        )
    return list(row[0] or ()) if row else []


async def test_columns_follow_the_configuration(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra_columns, "_EVERY_SECONDS", 0.01)
    wanted = {"noc": {"team": "x_team"}}
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(ExtraColumns(database, lambda: dict(wanted)).run)
        for expected in (["team"], ["team", "area"]):
            with anyio.fail_after(20):
                while await columns(database) != expected:  # noqa: ASYNC110 -- another session makes it true
                    await anyio.sleep(0.02)
            wanted["noc"] = {"team": "x_team", "area": "x_area"}
        jobs.cancel_scope.cancel()
