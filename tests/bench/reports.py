"""How long reports take: every ready-made query, every SQL panel of the dashboards, the pages people turn:
`python -m tests.bench.reports [--runs N] DSN` prints a table for a database filled by `tests.bench.seed`.

Asked as people do: role bridge_reader, Postgres' own plans, a first run not counted, the median of the others.
"""

import argparse
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

import anyio
import asyncpg

from grafana.asking import Window, dashboards, panels, sql
from tests.reports.cookbook import cookbook

_PAGES = {
    "the newest 50 of all": "select * from report.service_problem order by updated_at desc limit 50",
    "the newest 50 of a source in a status": """
        select * from report.service_problem where source = $1 and status = 'inProgress'
        order by updated_at desc limit 50""",
    "50 open ones, the most urgent first": """
        with first as (
            select r.source, r.id, r.priority, r.created_at from report.resolution as r
            where r.deleted_at is null and r.status not in ('resolved', 'closed', 'cancelled', 'rejected')
            order by r.priority, r.created_at limit 50
        )

        select p.* from first as f inner join report.service_problem as p on f.source = p.source and f.id = p.id
        order by f.priority, f.created_at""",
    "one problem": "select * from report.service_problem where source = $1 and id = $2",
    "its history": "select * from report.service_problem_version where source = $1 and id = $2 order by valid_from",
    "its statuses": "select * from report.status_interval where source = $1 and id = $2 order by entered_at",
    "its resolution": "select * from report.resolution where source = $1 and id = $2",
    "it as it was a month ago": """
        select * from report.service_problem_at(now() - interval '30 days') where source = $1 and id = $2""",
}
_DAYS = 30


@asynccontextmanager
async def _reader(dsn: str) -> AsyncIterator[tuple["asyncpg.Connection[asyncpg.Record]", str, str]]:
    """A connection as bridge_reader, and a problem with a history."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("set role bridge_reader")
        row = await connection.fetchrow("select source, id from report.resolution where times_reopened > 0 limit 1")
        if row is None:
            raise SystemExit("this database has no problem that was reopened: fill it with tests.bench.seed")
        yield connection, row["source"], row["id"]
    finally:
        await connection.close()


def _questions(source: str, problem_id: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Yield (kind, name, statement, arguments)."""
    for name, statement in _PAGES.items():
        yield "page", name, statement, (source, problem_id)[: len(set(re.findall(r"\$\d", statement)))]
    for report in cookbook():
        yield "query", report.title, report.sql, ()
    now = datetime.now(UTC)
    window = Window((now - timedelta(days=_DAYS)).timestamp(), now.timestamp(), 60)
    for dashboard in dashboards().values():
        for panel in panels(dashboard):
            for number, target in enumerate(panel.get("targets", ()), 1):
                if "rawSql" in target:
                    name = panel.get("title", "") + (f" ({number})" if number > 1 else "")
                    yield "panel", name, sql(target["rawSql"], window, ("snow", "oss", "field")), ()


async def _main(dsn: str, runs: int) -> None:
    async with _reader(dsn) as (connection, source, problem_id):
        for name, value in (("source", source), ("id", problem_id)):
            await connection.execute("select set_config('report.' || $1, $2, false)", name, value)
        print("| kind | report | rows | median ms |\n|---|---|---:|---:|")  # noqa: T201 -- the table is what is wanted
        for kind, name, statement, arguments in _questions(source, problem_id):
            took = []
            for _ in range(runs + 1):
                started = perf_counter()
                rows = await connection.fetch(statement, *arguments)
                took.append((perf_counter() - started) * 1000)
            print(f"| {kind} | {name} | {len(rows)} | {median(took[1:]):,.0f} |", flush=True)  # noqa: T201 -- as above


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reports", description=__doc__.split("\n\n")[0])
    parser.add_argument("dsn", help="a database filled by tests.bench.seed")
    parser.add_argument("--runs", type=int, default=5, help="how often each is asked")
    given = parser.parse_args()
    anyio.run(_main, given.dsn, given.runs)
