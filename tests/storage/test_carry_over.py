"""A database of the development version before the first release becomes a present one, or stays as it was.

`development_version` holds the schema that its 19 migrations made, and what its program stored.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import SchemaError
from bridge.maintenance.report_summary import Summariser
from bridge.postgres.embedded import Embedded
from bridge.storage import carry_over, migrations
from bridge.storage.database import Connection, opened
from tests.conftest import with_database
from tests.test_schema import CONSTRAINTS, connected, page

pytestmark = pytest.mark.anyio

DEVELOPMENT_VERSION = Path(__file__).parent / "development_version"
KEPT = {
    "now": "select source, id, status, priority, first_seen_at, last_seen_at, deleted_at, body "
    "from report.service_problem",
    "versions": "select source, id, valid_from, valid_to, via, status, changed, body "
    "from report.service_problem_version",
    "intervals": "select source, id, status, entered_at, left_at from report.status_interval",
    "log": "select source, received_at, event_id, event_type, problem_id, outcome, body from report.notification",
    "letters": "select id, source_id, received_at, reason, raw from bridge.dead_letter",
    "sources": "select id, name, url, callback_secret, mode from bridge.source",
    "registrations": "select source_id, hub_id, callback, state from bridge.subscription",
    "watermarks": "select source_id, kind, changed_at, filter_style, finished_at from bridge.watermark",
    "digests": "select source_id, digest from bridge.notification_digest",
    "fetches": "select source_id, problem_id, reason, due_at from bridge.refetch",
}


async def contents(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(map(tuple, await connection.fetch(query)), key=repr) for name, query in KEPT.items()}


@pytest.fixture
async def development_dsn(empty_dsn: str) -> str:
    async with connected(empty_dsn) as connection:
        for name in ("schema.sql", "data.sql"):
            await connection.execute((DEVELOPMENT_VERSION / name).read_text())
    return empty_dsn


@pytest.fixture
async def development(development_dsn: str) -> AsyncIterator[Connection]:
    async with connected(development_dsn) as connection:
        yield connection


@pytest.fixture
async def new_dsn(postgres: Embedded) -> AsyncIterator[str]:
    async with connected(postgres.dsn) as admin:
        name = "made_by_the_migrations"
        await admin.execute(f"create database {name}")
        dsn = with_database(postgres.dsn, name)
        async with connected(dsn) as connection:
            await migrations.migrate(connection)
        yield dsn
        await admin.execute(f"drop database {name} with (force)")


async def test_a_database_of_the_development_version_keeps_everything(development: Connection) -> None:
    before = await contents(development)
    assert len(before["now"]) == 4
    made = await migrations.migrate(development)
    assert tuple(one.name for one in made[: len(carry_over.MADE)]) == carry_over.MADE
    assert len(made) == len(migrations.available())
    assert await contents(development) == before
    await migrations.check(development)
    assert await migrations.migrate(development) == []


async def test_it_then_has_the_schema_that_the_migrations_make(
    postgres: Embedded, development_dsn: str, new_dsn: str
) -> None:
    async with connected(development_dsn) as connection:
        await migrations.migrate(connection)
        await connection.execute("select bridge.drop_notification_day('2026-06-01')")
    carried_over, new = await page(postgres, development_dsn), await page(postgres, new_dsn)
    assert _without_order_of_grants(carried_over) == _without_order_of_grants(new)
    async with connected(development_dsn) as one, connected(new_dsn) as other:
        assert await one.fetch(CONSTRAINTS) == await other.fetch(CONSTRAINTS)


def _without_order_of_grants(schema: str) -> tuple[str, list[str]]:
    grants = [line for line in schema.splitlines() if line.startswith("GRANT")]
    return re.sub("^GRANT.*\n", "", schema, flags=re.MULTILINE), sorted(grants)


async def test_reports_are_summarised_again_and_the_same(development_dsn: str) -> None:
    async with connected(development_dsn) as connection:
        query = "select * from report.daily_flow where day = '2026-06-01' order by source"
        await migrations.migrate(connection)
        computed = await connection.fetch(query)
        assert not await connection.fetchval("select bridge.summary_usable()")
    async with opened(development_dsn, wait=False) as database:
        summariser = Summariser(database)
        await summariser.begin()
        while not await summariser.run_once():
            pass
        async with database.connection() as connection:
            assert await connection.fetchval("select bridge.summary_usable()")
            assert await connection.fetch(query) == computed


async def test_before_it_is_carried_over_programs_refuse_it_and_name_the_command(development: Connection) -> None:
    with pytest.raises(SchemaError, match=r"development version.*stop the bridge.*tmf656-bridge migrate"):
        await migrations.check(development)


async def test_a_bridge_that_still_runs_on_it_is_named_and_nothing_is_changed(development: Connection) -> None:
    before = await contents(development)
    await development.execute("update bridge.lease set expires_at = now() + interval '1 minute'")
    with pytest.raises(SchemaError, match=r"a bridge still runs on this database \(host-1-a\): stop it"):
        await migrations.migrate(development)
    assert await contents(development) == before
    assert await development.fetchval("select count(*) from bridge_migration.applied") == len(carry_over.checksums())


async def test_views_of_others_on_the_public_reports_stay(development: Connection) -> None:
    await development.execute("create view public.theirs as select id, seconds_held from report.resolution")
    before = await development.fetch("select id from public.theirs order by id")
    await migrations.migrate(development)
    assert await development.fetch("select id from public.theirs order by id") == before


async def test_a_view_of_others_on_a_private_one_is_named_and_nothing_is_changed(development: Connection) -> None:
    await development.execute("create view public.theirs as select id from bridge.turn")
    before = await contents(development)
    with pytest.raises(SchemaError, match=r"is as it was(.|\n)*view theirs depends(.|\n)*drop it"):
        await migrations.migrate(development)
    assert await contents(development) == before
    with pytest.raises(SchemaError, match="development version"):
        await migrations.check(development)


async def test_only_some_of_the_19_migrations_are_refused_with_the_way_out(development: Connection) -> None:
    await development.execute("delete from bridge_migration.applied where version > 20")
    for ask in (migrations.check, migrations.migrate):
        with pytest.raises(SchemaError, match=r"15 of 19 migrations.*run `migrate` of commit 3e384b1 first"):
            await ask(development)


def test_the_checksums_are_those_of_the_19_migrations() -> None:
    assert len(carry_over.checksums()) == 19
    assert not carry_over.recognises({1: "another"})
    assert not carry_over.recognises({})
