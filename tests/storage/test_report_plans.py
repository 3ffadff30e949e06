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
                status, content_at, content_hash
            )
            select
                1, 1, $1::timestamptz, $1, $1, $1, $1 + n * interval '1 minute', 'SP-' || n, 'push', 'closed', $1, 'h'
            from generate_series(1, 10000) as n""",
            NOON,
        )
        await connection.execute(
            """
            insert into bridge.service_problem_version (
                source_id, effective_at, observed_at, problem_id, kind, via, status, content_hash, body
            )
            select
                1, $1::timestamptz, $1, 'SP-' || n, 'full', 'push', 'closed', 'h',
                jsonb_build_object('name', n, 'description', repeat('no light ', 100))
            from generate_series(1, 10000) as n""",
            NOON,
        )
        await connection.execute(
            """
            insert into bridge.resolution (
                source_id, revision, times_reopened, created_at, resolved_at, seconds_held, seconds_pending, id, status,
                flow, services, names_revision
            )
            select
                1, 1, 0, $1::timestamptz + n * interval '1 minute',
                case when n % 200 > 0 then $1 + (n + 60) * interval '1 minute' end, 0, 0, 'SP-' || n,
                case when n % 200 > 0 then 'closed' else 'held' end, '{}', case when n % 200 = 0 then array['S1'] end, 1
            from generate_series(1, 10000) as n""",
            NOON,
        )
        await connection.execute("analyze bridge.service_problem, bridge.service_problem_version, bridge.resolution")
        yield connection


@pytest.mark.parametrize(
    ("index", "question"),
    [
        (
            "service_problem_updated_at_status_idx",
            "select * from report.service_problem order by updated_at desc limit 50",
        ),
        (
            "service_problem_updated_at_status_idx",
            "select * from report.service_problem where status = 'closed' order by updated_at desc limit 50",
        ),
        ("resolution_open_idx", "select count(*) from report.open_problem where 'S1' = any(services)"),
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


@pytest.mark.parametrize(
    "question",
    [
        "select name from report.service_problem where source = 'snow' and id = 'SP-7'",
        "select * from report.service_problem where status = 'closed' order by updated_at desc limit 50",
        "select name from report.service_problem where status = 'closed' and updated_at < '2026-06-01 13:00Z'",
        "select * from report.note where source = 'snow' and id = 'SP-7'",
    ],
)
async def test_a_body_is_found_by_its_key(connection: Connection, question: str) -> None:
    plan = "\n".join(row[0] for row in await connection.fetch(f"explain {question}"))
    assert "Index Scan using service_problem_version_pkey" in plan, plan


@pytest.mark.parametrize(
    "question",
    [
        "select status, count(*) from report.service_problem group by status",
        "select count(*) from report.service_problem where category = 'c' and deleted_at is null",
        "select id, status, priority, updated_at, last_seen_at from report.service_problem order by updated_at",
    ],
)
async def test_who_does_not_ask_for_the_body_does_not_read_it(connection: Connection, question: str) -> None:
    plan = "\n".join(row[0] for row in await connection.fetch(f"explain {question}"))
    assert "service_problem_version" not in plan, plan


@pytest.mark.parametrize("status", ["rejected", "submitted"])
async def test_the_newest_in_a_rare_status_are_told_from_others_in_the_index(
    connection: Connection, status: str
) -> None:
    """Also for one that does not occur: nothing is looked up in the table to learn its status."""
    await connection.execute("update bridge.service_problem set status = 'rejected' where id = 'SP-7'")
    await connection.execute("analyze bridge.service_problem")
    plan = await connection.fetch(
        f"explain (analyze, costs off, timing off) select * from report.service_problem "  # noqa: S608 -- our words
        f"where source = 'snow' and status = '{status}' order by updated_at desc limit 50"
    )
    text = "\n".join(row[0] for row in plan)
    assert f"Index Cond: (status = '{status}'::text)" in text
    assert "Rows Removed by Filter" not in text


async def test_open_problems_whose_names_are_not_kept_are_found_by_an_index_of_their_own(
    connection: Connection,
) -> None:
    await connection.execute("update bridge.resolution set status = 'held' where id like '%7'")
    await connection.execute("update bridge.resolution set names_revision = null where id = 'SP-7'")
    await connection.execute("analyze bridge.resolution")
    plan = "\n".join(row[0] for row in await connection.fetch("explain select services from report.open_problem"))
    assert "resolution_without_names_idx" in plan, plan
