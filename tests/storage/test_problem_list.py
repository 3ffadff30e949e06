"""Lists of a few problems among many are found by the indexes of the sums; other orders are walked."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import pytest

from bridge.domain.problem_query import read_query
from bridge.postgres.embedded import Embedded
from bridge.storage import problem_list
from bridge.storage.database import Database, opened
from bridge.storage.session_settings import FRONT
from tests.conftest import _TEMPLATE, with_database

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SOURCES = {"oss": 1, "snow": 2}
MANY = """
    insert into bridge.service_problem (
        source_id, id, revision, effective_at, observed_at, first_seen_at, last_seen_at, created_at, updated_at, via,
        status, priority, category, deleted_at, body
    )
    select
        1 + n % 2, 'SP-' || n, 1, t.at, t.at, t.at, t.at, t.at, t.at, 'poll',
        (array['held', 'closed', 'resolved', 'unknown'])[case when n % 700 = 0 then 4 else 1 + n % 3 end],
        1 + n % 5, 'c' || n % 7, case when n % 200 = 0 then t.at end, '{}'
    from generate_series(1, 20000) as n
    cross join lateral (select timestamptz '2026-01-01' + n * interval '1 minute' as at) as t
"""


class Explained:
    """A connection that keeps the plan of each statement about problems."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.plans: list[str] = []

    async def fetch(self, sql: str, *values: Any) -> Any:
        if "bridge.console_" in sql:
            rows = await self.connection.fetch(f"explain (analyze, costs off, timing off, summary off) {sql}", *values)
            self.plans.append("\n".join(row[0] for row in rows))
        return await self.connection.fetch(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


@pytest.fixture(scope="module")
async def many(postgres: Embedded) -> AsyncIterator[Database]:
    """A database with 20,000 problems, as the console sees it; read only."""
    name = "test_problem_list_plans"
    owner = await asyncpg.connect(postgres.dsn)
    await owner.execute(f"create database {name} template {_TEMPLATE}")
    filling = await asyncpg.connect(with_database(postgres.dsn, name))
    await filling.execute("insert into bridge.source (name) values ('oss'), ('snow')")
    await filling.execute(MANY)
    await filling.execute("vacuum (analyze) bridge.service_problem")
    await filling.close()
    async with opened(with_database(postgres.dsn, name), wait=False, session=FRONT) as database:
        yield database
    await owner.execute(f"drop database {name} with (force)")
    await owner.close()


async def found(database: Database, text: str, about: int | None) -> tuple[list[str], list[str]]:
    """The ids of the whole list in its order, and the plans of its first page."""
    query = read_query(parse_qs(text) | {"limit": ["200"]})
    ids: list[str] = []
    plans: list[str] = []
    async with database.connection() as connection:
        while True:
            asked = Explained(connection)
            page = await problem_list.page(asked, query, NOW, SOURCES, about=about)
            ids += [row["id"] for row in page.rows]
            plans = plans or asked.plans
            if not page.after:
                return ids, plans
            query = read_query(parse_qs(text) | {"limit": ["200"], "after": [page.after]})


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("status=unknown", {"service_problem_facet_idx"}),
        ("source=oss&priority=2&category=c3", {"service_problem_facet_idx"}),
        ("state=closed&priority=1&category=c1&sort=raised", {"service_problem_facet_idx"}),
        ("state=deleted", {"service_problem_deleted_updated_at_idx"}),
        ("state=deleted&source=oss&sort=updated_asc", {"service_problem_deleted_updated_at_idx"}),
        ("state=deleted&source=oss&sort=raised", {"service_problem_deleted"}),
        ("state=all&status=unknown", {"service_problem_facet_idx", "service_problem_deleted_facet_idx"}),
        ("priority=3&category=c1&sort=urgency", {"service_problem_facet_idx"}),
    ],
)
async def test_a_list_of_a_few_is_found_by_an_index_for_it(many: Database, text: str, indexes: set[str]) -> None:
    few, plans = await found(many, text, about=100)
    assert all(any(index in plan for plan in plans) for index in indexes), plans
    assert not any("Seq Scan on service_problem" in plan for plan in plans), plans
    walked, _ = await found(many, text, about=10**6)
    assert few == walked
    assert few


async def test_sums_count_each_problem_once_and_read_the_indexes_only(many: Database) -> None:
    async with many.connection() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off")  # so few rows are as well read at once
        asked = Explained(connection)
        facets = await problem_list.facets(asked)
    assert "Index Only Scan using service_problem_facet_idx" in asked.plans[0]
    assert "Index Only Scan using service_problem_deleted_facet_idx" in asked.plans[0]
    assert sum(one.problems for one in facets if one.deleted) == 100
    assert sum(one.problems for one in facets) == 20_000


async def test_a_list_that_nobody_counted_is_counted(many: Database) -> None:
    async with many.connection() as connection:
        query = read_query({"created": ["2026-01-01..2026-01-02"], "state": ["all"]})
        page = await problem_list.page(connection, query, NOW, SOURCES)
        assert (page.counted, page.more) == (24 * 60 - 1, False)
        page = await problem_list.page(connection, read_query({"state": ["all"]}), NOW, SOURCES)
        assert (page.counted, page.more) == (10_000, True)
