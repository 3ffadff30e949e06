"""`forget`: nothing of a source stays, and nothing of another goes."""

import signal
from typing import Any

import asyncpg
import pytest

from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio


async def rows_by_source(dsn: str) -> dict[str, int]:
    """Rows in all tables of ours, by the key of their source."""
    connection = await asyncpg.connect(dsn)
    tables = await connection.fetch(
        "select table_name from information_schema.columns "
        "where table_schema = 'bridge' and column_name = 'source_id' and table_name in "
        "(select table_name from information_schema.tables where table_type = 'BASE TABLE')"
    )
    names = {row["id"]: row["name"] for row in await connection.fetch("select id, name from bridge.source")}
    found: dict[str, int] = dict.fromkeys(names.values(), 0)
    for (table,) in tables:
        query = f'select source_id, count(*) from bridge."{table}" group by 1'  # noqa: S608 -- names of our own tables
        counted = await connection.fetch(query)
        for source_id, number in counted:
            found[names.get(source_id, "unknown")] = found.get(names.get(source_id, "unknown"), 0) + number
    await connection.close()
    return found


async def test_f2_a_source_goes_with_all_its_rows_and_its_registration(
    dsn: str, start: Any, call: Any, configured: Any
) -> None:
    async with Simulator(population=5) as one, Simulator(population=3) as other:
        config = configured(dsn=dsn, sources={"one": {"url": one.url}, "other": {"url": other.url}})
        async with start("run", "--config", config) as program:
            for name in ("one", "other"):
                await program.logged("registered", source=name)
                await program.logged("polled", source=name)
            refused = await call("forget", "one", "--yes", "--config", config)
            assert refused.status == 1
            assert "a bridge is running with one: stop it, or set sources.one.enabled = false" in refused.err
            assert await program.stopped(signal.SIGTERM) == 0
        before = await rows_by_source(dsn)
        answer = await call("forget", "one", "--yes", "--config", config)
        assert answer.status == 0, answer.err
        assert one.subscriptions == {}
        assert len(other.subscriptions) == 1
        assert "deleted" in answer.out
        assert "take [sources.one] out of the configuration" in answer.out
        assert await rows_by_source(dsn) == {"other": before["other"]}


async def test_f2_without_its_login_the_registration_is_named_and_left(dsn: str, call: Any, configured: Any) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("""
        insert into bridge.source (name, url) values ('old', 'http://h/v4');
        insert into bridge.subscription (source_id, hub_id, url, callback, query, state)
        select id, E'7\\x1b[2J', 'http://h/v4', 'http://us/listener/old/x', '', 'active' from bridge.source
    """)
    await connection.close()
    answer = await call("forget", "old", "--yes", "--config", configured(dsn=dsn))
    assert answer.status == 0
    assert "registration 7\\x1b[2J at http://h/v4/hub: left, because [sources.old] with its login" in answer.out
    assert await rows_by_source(dsn) == {}


async def test_it_asks_and_a_no_changes_nothing(dsn: str, call: Any, configured: Any) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("insert into bridge.source (name, url) values ('old', 'http://h/v4')")
    await connection.close()
    answer = await call("forget", "old", "--config", configured(dsn=dsn))  # standard input is empty
    assert answer.status == 1
    assert "Remove old, 0 problems with their history and 0 dead letters?" in answer.out
    assert await rows_by_source(dsn) == {"old": 0}


async def test_a_source_that_is_not_there_is_named(dsn: str, call: Any, configured: Any) -> None:
    answer = await call("forget", "nothing", "--yes", "--config", configured(dsn=dsn))
    assert answer.status == 1
    assert "the database has no source 'nothing': `tmf656-bridge status` lists them" in answer.err
