"""What times the console asks for lists that there are, by both ways, and does not take an error for a figure."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from math import isnan, nan
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bridge.domain.observation import Via
from bridge.domain.problem_query import read_query
from bridge.storage.database import Database
from bridge.storage.observation import Entry
from bridge.storage.observation_store import store_items
from bridge.tmf656 import wire
from tests.bench.bench import Bench, Sample
from tests.bench.console import ListPage, Timed, _plain, pages, spread, timed
from tests.bench.measures.console import _known, of_pages
from tests.bench.postgres import Postgres
from tests.bench.process import BenchError
from tests.web.console.conftest import open_console  # noqa: F401 -- a fixture

pytestmark = pytest.mark.anyio


def given(page: ListPage) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in page.parameters:
        found.setdefault(name, []).append(value)
    return found


def test_each_page_is_a_list_of_its_own() -> None:
    queries = [(read_query(given(page)), page.late) for page in pages()]
    assert len({repr(one) for one in queries}) == len(queries)
    assert len({page.name for page in pages()}) == len(queries)
    for page in pages():
        query = read_query(given(page))
        assert page.searched is bool(query.q or query.service or query.party or query.region), page.name


async def test_plain_sql_is_understood(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        assert not [page.name for page in pages() if isnan(await _plain(connection, page))]
    finally:
        await connection.close()


async def test_pages_are_timed_as_often_as_asked(
    dsn: str,
    database: Database,
    source_id: int,
    open_console: Callable[..., Any],  # noqa: F811 -- the fixture
) -> None:
    for number in range(3):
        row = {"id": f"SP-{number}", "status": "held", "name": "flapping"}
        seen = wire.read_problem(row, asked_at=datetime.now(UTC), via=Via.POLL)
        await store_items(database, [Entry(source_id, seen)])
    wanted = {"default", "status held", "all, 1,000th page", "a common word"}
    await spread(dsn)
    async with open_console(dsn) as browser:
        done = [
            one async for one in timed(dsn, browser.url, 2, lambda page: page.name in wanted, plain=True, problems=20)
        ]
        assert {one.page.name for one in done} == wanted
        assert all(len(one.took_ms) == 2 and one.p95_ms >= min(one.took_ms) > 0 for one in done)
        assert all(one.plain_ms > 0 and one.requests == 3 for one in done)
        with pytest.raises(BenchError, match="fewer than"):  # the page is not there, so it is not timed
            async for _ in timed(dsn, browser.url, 1, lambda page: page.late, problems=1_000_000):
                pass


async def test_a_slice_of_the_pages_is_a_fact_of_this_round(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bench = Bench(Postgres("", tmp_path, 0, tmp_path, "18"), tmp_path, stack, long=False, seconds=1)
        async with of_pages("search_p95_ms")(bench) as measure:
            with pytest.raises(BenchError, match="console was not measured"):
                await measure(1)
            bench.last["console"] = Sample(40.0, {}, {"search_p95_ms": 150.0})
            assert (await measure(1)).value == 150.0


def test_what_took_too_long_counts_as_half_a_minute() -> None:
    assert [_known(value) for value in (12.5, nan)] == [12.5, 30_000.0]
    page = pages()[0]
    assert isnan(Timed(page, [], 1.0, 1).p95_ms)
    assert Timed(page, [*range(1, 101)], 1.0, 101).p95_ms in (95, 96)
