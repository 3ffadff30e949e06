"""Role bridge_writer may do all that `run` does, and no more; bridge_reader may read reports, and no more."""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import anyio
import asyncpg
import pytest

from bridge.maintenance.retention import RetentionJob
from bridge.settings import RetentionSettings
from bridge.simulator import Simulator
from bridge.storage import migrations, partition
from bridge.storage import source as source_table
from bridge.storage.database import opened

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Access:
    """A database as its owner sees it, and as a login with one of our roles does."""

    owner: str
    login: str
    name: str


def _as(dsn: str, user: str) -> str:
    parts = urlsplit(dsn)
    query = dict(parse_qsl(parts.query)) | {"user": user}
    return f"postgresql:///{parts.path.lstrip('/')}?{urlencode(query)}"


@pytest.fixture(params=["bridge_writer"])
async def access(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Access]:
    name = f"login_{secrets.token_hex(4)}"
    owner = await asyncpg.connect(dsn)
    try:
        await owner.execute(f"create role {name} login in role {request.param}")
        yield Access(dsn, _as(dsn, name), name)
    finally:
        await owner.execute(f"drop role {name}")
        await owner.close()


async def test_the_writer_runs_the_bridge(
    access: Access, open_bridge: Callable[..., Any], post: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    quick = {"poll_interval_seconds": 1, "reconcile_interval_seconds": 1}
    async with Simulator(population=20, seed=1, rate=20) as sim:
        configuration = {
            "database": {"dsn": access.login},
            "http": {"port": 0},
            "sources": {"snow": {"url": sim.url} | quick},
        }
        async with open_bridge(configuration) as running:
            source = running.sources["snow"]
            async with running.postgres.database.connection() as connection:
                assert await connection.fetchval("select current_user") == access.name

                async def counted(query: str) -> int:
                    return int(await connection.fetchval(query))

                await eventually(lambda: source.registered)
                await eventually(lambda: counted("select count(*) from bridge.notification where outcome = 'applied'"))
                await eventually(lambda: counted("select count(*) from bridge.watermark where kind = 'reconcile'"))
                assert (await post(f"{running.url}/listener/snow/{source.secrets[0]}", b"no json")).status == 400
                await eventually(lambda: counted("select count(*) from bridge.dead_letter"))
                refetch = {"event": {"serviceProblem": {"id": next(iter(sim.problems)), "priority": 1}}}
                assert (await post(f"{running.url}/listener/snow/{source.secrets[0]}", refetch)).status in (201, 204)
                before = source.callback
                async with running.postgres.database.transaction() as other:
                    assert await source_table.rotate_secret(other, "snow")
                await eventually(lambda: source.callback != before)
                await eventually(lambda: [one.callback for one in sim.subscriptions.values()] == [source.callback])


async def test_the_writer_keeps_the_log_in_bounds(access: Access) -> None:
    today = datetime.now(UTC).date()
    async with opened(access.login, wait=False) as database:
        async with database.transaction() as connection:
            await partition.ensure(connection, [today - timedelta(days=days) for days in (40, 41)])
        pruned = await RetentionJob(database, RetentionSettings(notifications_days=30)).run_once()
        assert pruned["notification_days"] >= 2
        async with database.connection() as connection:
            held = await partition.held(connection)
            assert min(held) >= today - timedelta(days=30)
            assert today in held


async def test_a_day_that_is_read_is_dropped_later(access: Access) -> None:
    old = datetime.now(UTC).date() - timedelta(days=40)
    async with opened(access.login, wait=False) as database:
        async with database.transaction() as connection:
            await partition.ensure(connection, [old])
        reader = await asyncpg.connect(access.owner)
        try:
            async with reader.transaction():
                await reader.fetch("select * from bridge.notification")
                with anyio.fail_after(30), pytest.raises(Exception, match="lock timeout"):
                    async with database.connection() as connection:
                        await connection.execute("select bridge.drop_notification_day($1)", old)
            async with database.connection() as connection:
                await connection.execute("select bridge.drop_notification_day($1)", old)
                assert old not in await partition.held(connection)
        finally:
            await reader.close()


BEYOND_THE_WRITER = [
    "select rolpassword from pg_authid",
    "select pg_read_file('postgresql.conf')",
    "copy bridge.source to program 'true'",
    "create table bridge.own (n int)",
    "create table report.own (n int)",
    "create table public.own (n int)",
    "create schema own",
    "create role own",
    "create function bridge.own() returns int language sql as 'select 1'",
    "alter table bridge.source add column own int",
    "drop table bridge.source",
    "truncate bridge.service_problem",
    "drop view report.service_problem",
    "alter function bridge.drop_notification_day(date) reset all",
    "insert into bridge_migration.applied (version, name, checksum) values (9999, 'own', '')",
    "delete from bridge_migration.applied",
    "grant bridge_writer to bridge_reader",
    "set role postgres",
    "alter table bridge.notification detach partition bridge.notification_20260601",
]
BEYOND_THE_READER = [
    "select callback_secret from bridge.source",
    "select * from bridge.notification",
    "select bridge.make_notification_day(current_date)",
    "select bridge.drop_notification_day(current_date - 30)",
    "delete from bridge.service_problem",
    *BEYOND_THE_WRITER,
]


@pytest.mark.parametrize("access", ["bridge_writer", "bridge_reader"], indirect=True)
async def test_more_than_its_work_is_refused(access: Access, request: pytest.FixtureRequest) -> None:
    writes = "bridge_writer" in request.node.name
    connection = await asyncpg.connect(access.login)
    try:
        for statement in BEYOND_THE_WRITER if writes else BEYOND_THE_READER:
            try:
                await connection.execute(statement)
            except asyncpg.InsufficientPrivilegeError:
                continue
            pytest.fail(f"was allowed: {statement}")
    finally:
        await connection.close()


@pytest.mark.parametrize("access", ["bridge_reader"], indirect=True)
async def test_the_reader_reads_every_report(access: Access) -> None:
    connection = await asyncpg.connect(access.login)
    try:
        views = await connection.fetch("select viewname from pg_views where schemaname = 'report'")
        assert len(views) > 10
        for view in views:
            await connection.fetch(f"select * from report.{view['viewname']} limit 1")  # noqa: S608 -- names of ours
    finally:
        await connection.close()


async def test_days_out_of_bounds_are_refused(access: Access) -> None:
    connection = await asyncpg.connect(access.login)
    try:
        for statement in (
            "select bridge.drop_notification_day(current_date)",
            "select bridge.drop_notification_day(null)",
            "select bridge.make_notification_day(current_date + 10000)",
            "select bridge.make_notification_day('infinity')",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_schema_of_the_writers_own_is_not_looked_into(access: Access) -> None:
    """The functions run with the owner's rights: names in them must not be taken from the caller's search path."""
    owner = await asyncpg.connect(access.owner)
    connection = await asyncpg.connect(access.login)
    try:
        await owner.execute(f"create schema trap authorization {access.name}")
        await connection.execute("create table trap.hit (n int)")
        await connection.execute(
            "create function trap.format(text, variadic text[]) returns text language sql as "
            "$$insert into trap.hit values (1) returning 'select 1'$$"
        )
        await connection.execute("set search_path = trap, pg_catalog")
        await connection.execute("select bridge.make_notification_day(current_date - 300)")
        assert await connection.fetchval("select count(*) from trap.hit") == 0
    finally:
        await connection.close()
        await owner.execute("drop schema trap cascade")
        await owner.close()


async def test_the_writer_is_let_in_by_the_next_migrate_when_it_was_made_later(empty_dsn: str) -> None:
    connection = await asyncpg.connect(empty_dsn)
    try:
        await migrations.migrate(connection)
        for schema in ("bridge", "bridge_migration"):
            await connection.execute(f"revoke all on all tables in schema {schema} from bridge_writer")
            await connection.execute(f"revoke all on schema {schema} from bridge_writer")
        assert await migrations.migrate(connection) == []
        assert await connection.fetchval("select has_table_privilege('bridge_writer', 'bridge.source', 'update')")
        assert await connection.fetchval(
            "select has_table_privilege('bridge_writer', 'bridge_migration.applied', 'select')"
        )
    finally:
        await connection.close()
