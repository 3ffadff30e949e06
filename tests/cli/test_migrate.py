"""`migrate`: the schema is made once, and `--check` only looks."""

from typing import Any

import asyncpg
import pytest

pytestmark = pytest.mark.anyio


async def column(dsn: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_migrate_makes_the_schema_once_and_check_says_whether_it_is_current(
    empty_dsn: str, call: Any, configured: Any
) -> None:
    config = configured(dsn=empty_dsn)
    before = await call("migrate", "--check", "--config", config)
    assert before.status == 1
    assert "tmf656-bridge migrate" in before.err
    assert await column(empty_dsn, "select to_regnamespace('bridge')") == [None], "checking changes nothing"
    first = await call("migrate", "--config", config)
    assert (first.status, first.out.splitlines()[0]) == (0, "applied 0001_core")
    again = await call("migrate", "--config", config)
    assert (again.status, again.out.strip()) == (0, "the schema is current, nothing to do")
    after = await call("migrate", "--check", "--config", config)
    assert (after.status, after.out.strip()) == (0, "the schema is current")
