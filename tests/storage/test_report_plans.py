"""What people ask most is found by index; Postgres as people meet it, every kind of plan allowed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bridge.storage.database import Connection, Database

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """Ten thousand problems and their summaries; one in two hundred is open."""
    async with database.transaction() as connection:
        for kind in ("seqscan", "hashjoin", "mergejoin"):
            await connection.execute(f"set local enable_{kind} = on")
        await connection.execute("insert into bridge.source (name) values ('snow')")
        await connection.execute(
            """
            insert into bridge.service_problem (
                source_id, revision, effective_at, observed_at, first_seen_at, last_seen_at, updated_at, id, via,
                status, body
            )
            select 1, 1, $1::timestamptz, $1, $1, $1, $1 + n * interval '1 minute', 'SP-' || n, 'push', 'closed', '{}'
            from generate_series(1, 10000) as n""",
            NOON,
        )
        await connection.execute(
            """
            insert into bridge.resolution (
                source_id, revision, times_reopened, created_at, resolved_at, seconds_held, seconds_pending, id, status,
                flow
            )
            select
                1, 1, 0, $1::timestamptz + n * interval '1 minute',
                case when n % 200 > 0 then $1 + (n + 60) * interval '1 minute' end, 0, 0, 'SP-' || n,
                case when n % 200 > 0 then 'closed' else 'held' end, '{}'
            from generate_series(1, 10000) as n""",
            NOON,
        )
        await connection.execute("analyze bridge.service_problem, bridge.resolution")
        yield connection


@pytest.mark.parametrize(
    ("index", "question"),
    [
        ("service_problem_updated_at_idx", "select * from report.service_problem order by updated_at desc limit 50"),
        (
            "service_problem_updated_at_idx",
            "select * from report.service_problem where status = 'closed' order by updated_at desc limit 50",
        ),
        (
            "resolution_open_idx",
            """
            select status, count(*) from report.resolution
            where deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected')
            group by status""",
        ),
        (
            "resolution_resolved_at_idx",
            """
            select avg(seconds_to_resolve) from report.resolution
            where resolved_at > timestamptz '2026-06-08 06:00Z' - make_interval(
                hours => report.parameter('hours', '3')::integer
            )""",
        ),
        (
            "resolution_created_at_idx",
            "select * from report.resolution where created_at > '2026-06-08 08:00Z' and status = 'closed'",
        ),
    ],
)
async def test_it_is_found_by_this_index(connection: Connection, index: str, question: str) -> None:
    plan = "\n".join(row[0] for row in await connection.fetch(f"explain {question}"))
    assert index in plan, plan
