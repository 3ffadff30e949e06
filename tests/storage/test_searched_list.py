"""Searches by kept words: common ones are found among the first rows, rare ones by the index, changes by a look."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from bridge.domain.observation import Via
from bridge.domain.problem_query import ProblemQuery, Show, Sort
from bridge.maintenance.search_upkeep import SearchUpkeep
from bridge.postgres.embedded import Embedded
from bridge.storage import problem_list, searched_list
from bridge.storage.database import Database, opened
from bridge.storage.observation import Entry, store
from bridge.tmf656 import wire
from tests.conftest import _TEMPLATE, with_database

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PROBLEMS = 6000
RARE = 4321
READS_ALL = re.compile(r"Seq Scan on service_problem [^\n]*\(actual")
"""A part of a plan that was carried out; what is for common words only stands in it as "never executed"."""


async def tell(database: Database, numbers: range, **more: Any) -> None:
    def seen(number: int) -> Entry:
        row = {
            "id": f"SP-{number:05}",
            "status": "held",
            "name": "no light" if number != RARE else "no light, xylophone",
            "lastUpdate": (NOON + timedelta(minutes=number)).isoformat(),
            "affectedService": [{"id": f"S{number % 1000}"}],
            **more,
        }
        return Entry(1, wire.read_problem(row, asked_at=NOON + timedelta(days=10), via=Via.POLL))

    async with database.transaction() as connection:
        await store(connection, [seen(number) for number in numbers])


@pytest.fixture(scope="module")
async def template(postgres: Embedded) -> AsyncIterator[str]:
    """The name of a database with more problems than are walked, analysed, with all words; made once."""
    name = "test_searched_list"
    owner = await asyncpg.connect(postgres.dsn)
    await owner.execute(f"create database {name} template {_TEMPLATE} strategy file_copy")
    async with opened(with_database(postgres.dsn, name), wait=False) as database:
        async with database.connection() as connection:
            await connection.execute("insert into bridge.source (name) values ('snow')")
        for first in range(0, PROBLEMS, 1000):
            await tell(database, range(first, first + 1000))
        await SearchUpkeep(database, lambda: "all").run_once()
        async with database.connection() as connection:
            await connection.execute("analyze bridge.service_problem")
            await connection.execute("vacuum (analyze) bridge.problem_search")
    yield name
    await owner.execute(f"drop database {name} with (force)")
    await owner.close()


@pytest.fixture
async def filled(postgres: Embedded, template: str) -> AsyncIterator[Database]:
    """A copy of it."""
    owner = await asyncpg.connect(postgres.dsn)
    try:
        await owner.execute(f"create database {template}_copy template {template} strategy file_copy")
        async with opened(with_database(postgres.dsn, f"{template}_copy"), wait=False) as database:
            yield database
        await owner.execute(f"drop database {template}_copy with (force)")
    finally:
        await owner.close()


class Asked:
    """A connection that keeps the plan of each statement that finds keys."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.plans: list[str] = []

    async def fetch(self, sql: str, *values: Any) -> Any:
        if "console_problem" in sql and "has_id" not in sql:
            rows = await self.connection.fetch(f"explain (analyze, costs off, timing off) {sql}", *values)
            self.plans.append("\n".join(row[0] for row in rows))
        return await self.connection.fetch(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


async def asked(database: Database, query: ProblemQuery) -> tuple[problem_list.ProblemPage, list[str]]:
    """A page with the plans it took, in a session as the console has it."""
    async with database.connection() as connection:
        for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "plan_cache_mode"):
            await connection.execute(f"reset {name}")
        await connection.execute("set plan_cache_mode = force_custom_plan")
        recorder = Asked(connection)
        return await problem_list.page(recorder, query, NOON, {"snow": 1}), recorder.plans


@pytest.mark.parametrize("sort", [Sort.UPDATED, Sort.RAISED_ASC, Sort.URGENCY])
async def test_a_common_word_is_found_among_the_first_rows(filled: Database, sort: Sort) -> None:
    page, plans = await asked(filled, ProblemQuery(q="LIGHT", sort=sort))
    assert (len(page.rows), page.more) == (50, True)
    assert page.counted == searched_list.MOST_WALKED, "more than these, not how many"
    assert not any("problem_search_words_idx" in plan for plan in plans), plans
    page, _ = await asked(filled, ProblemQuery(q="LIGHT", sort=sort, after=page.after))
    assert len(page.rows) == 50


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ProblemQuery(q="xylo no"), ["SP-04321"]),
        (ProblemQuery(q="4320"), ["SP-04320"]),
        (ProblemQuery(service="S7"), ["SP-05007", "SP-04007", "SP-03007", "SP-02007", "SP-01007", "SP-00007"]),
        (ProblemQuery(service="S321", q="xylophone"), ["SP-04321"]),
        (ProblemQuery(q="nowhere"), []),
        (ProblemQuery(q="no", service="S7", state=Show.CLOSED), []),
    ],
)
async def test_a_rare_one_is_found_by_the_index_and_counted(
    filled: Database, query: ProblemQuery, expected: list[str]
) -> None:
    page, plans = await asked(filled, query)
    assert [row["id"] for row in page.rows] == expected
    assert (page.counted, page.more, page.after) == (len(expected), False, "")
    assert query.state is Show.CLOSED or any("problem_search_words_idx" in plan for plan in plans), plans
    assert not any(READS_ALL.search(plan) for plan in plans), plans


async def test_what_is_found_leads_to_its_problems_also_where_it_is_taken_for_many(filled: Database) -> None:
    """A planner that takes what is found for most problems would rather read all of them."""
    async with filled.connection() as connection:
        await connection.execute("update pg_class set reltuples = 20, relpages = 1 where relname = 'service_problem'")
        await connection.execute("delete from pg_statistic where starelid = 'bridge.problem_search'::regclass")
        await connection.execute("update pg_class set reltuples = 1e7 where relname = 'problem_search'")
    page, plans = await asked(filled, ProblemQuery(q="xylo no"))
    assert [row["id"] for row in page.rows] == ["SP-04321"]
    found = [plan for plan in plans if "by_words" in plan]
    assert found
    assert not any(READS_ALL.search(plan) for plan in found), found


async def test_a_word_of_most_problems_is_no_question_for_the_index(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index would go through every entry that begins with it, one for each problem where it begins all ids."""
    monkeypatch.setattr(searched_list, "SAMPLED_PERCENT", 100.0)
    for query, asked_for in (
        (ProblemQuery(q="SP- xylo"), "'xylo':*"),
        (ProblemQuery(q="no SP-", service="S7"), "'service S7'"),
    ):
        page, plans = await asked(filled, query)
        assert all(row["id"] in ("SP-04321", *(f"SP-0{n}007" for n in range(6))) for row in page.rows)
        assert (page.counted, page.more) == (len(page.rows), False)
        (condition,) = re.findall(r"Index Cond: \(words @@ (.*)::tsquery", "\n".join(plans))
        assert asked_for in condition.replace("''", "'")
        assert "sp-" not in condition
    assert [row["id"] for row in (await asked(filled, ProblemQuery(q="SP- nowhere")))[0].rows] == []


async def test_what_changed_since_is_looked_at(filled: Database) -> None:
    await tell(filled, range(100, 103), name="a xylophone", lastUpdate=(NOON + timedelta(days=9)).isoformat())
    page, _ = await asked(filled, ProblemQuery(q="xylophone"))
    assert [row["id"] for row in page.rows] == ["SP-00102", "SP-00101", "SP-00100", "SP-04321"]
    page, _ = await asked(filled, ProblemQuery(q="xylophone light"))
    assert [row["id"] for row in page.rows] == ["SP-04321"]
    assert not page.behind


async def test_a_search_that_lacks_changes_says_so(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searched_list, "MOST_BEHIND", 2)
    await tell(filled, range(100, 102), name="a xylophone")
    assert not (await asked(filled, ProblemQuery(q="light")))[0].behind
    await tell(filled, range(102, 103), name="a xylophone")
    assert (await asked(filled, ProblemQuery(q="light")))[0].behind


async def test_a_problem_whose_words_do_not_fit_is_looked_at(filled: Database) -> None:
    async with filled.connection() as connection:
        await connection.execute(
            "update bridge.problem_search set complete = false, words = '' where id in ('SP-04321', 'SP-04322')"
        )
    page, _ = await asked(filled, ProblemQuery(q="xylophone"))
    assert [row["id"] for row in page.rows] == ["SP-04321"]
    page, _ = await asked(filled, ProblemQuery(q="light", created=ProblemQuery().created, limit=200))
    assert page.more


async def test_without_words_every_problem_is_read(filled: Database) -> None:
    upkeep = SearchUpkeep(filled, lambda: "off")
    await upkeep.run_once()
    page, plans = await asked(filled, ProblemQuery(q="xylophone"))
    assert [row["id"] for row in page.rows] == ["SP-04321"]
    assert not any("problem_search" in plan for plan in plans)
