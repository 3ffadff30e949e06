"""`sql/schema.sql` and the migrations are the same schema."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from bridge.postgres.binaries import major_version
from bridge.postgres.embedded import Embedded
from bridge.storage import migrations
from tests import schema_page

pytestmark = pytest.mark.anyio

SCHEMA = Path(__file__).parents[1] / "sql/schema.sql"
WRITTEN_BY = 18
"""Versions of pg_dump spell a few things differently: the file is what this one writes."""

COLUMNS = """
    select c.oid::regclass::text as relation, c.relkind, c.relpersistence, c.reloptions, c.relacl::text,
        a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
        pg_get_expr(d.adbin, d.adrelid),
        obj_description(c.oid) as remark, col_description(c.oid, a.attnum) as column_remark, pg_get_viewdef(c.oid)
    from pg_class as c
    inner join pg_namespace as n on n.oid = c.relnamespace and n.nspname in ('bridge', 'report', 'bridge_migration')
    left join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
    left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind <> 'S'
    order by relation, attnum
"""
CONSTRAINTS = """
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
    where connamespace in (select oid from pg_namespace where nspname in ('bridge', 'report', 'bridge_migration'))
    order by 1, 2
"""
FUNCTIONS = """
    select p.oid::regprocedure::text, p.prosrc, p.provolatile, p.proparallel, p.proacl::text, obj_description(p.oid)
    from pg_proc as p inner join pg_namespace as n on n.oid = p.pronamespace and n.nspname in ('bridge', 'report')
    order by 1
"""


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def catalog(dsn: str) -> list[tuple[object, ...]]:
    """What the catalogs say of everything of ours."""
    async with connected(dsn) as connection:
        return [tuple(row) for query in (COLUMNS, CONSTRAINTS, FUNCTIONS) for row in await connection.fetch(query)]


async def page(postgres: Embedded, dsn: str) -> str:
    """The page of a database; pg_dump wants both slashes before the empty host."""
    return await schema_page.page(postgres.bin_dir, re.sub("^postgresql:/(?!/)", "postgresql:///", dsn))


@pytest.fixture
async def migrated_dsn(empty_dsn: str) -> str:
    """A database that the migrations made and nothing else has touched: no partitions yet."""
    async with connected(empty_dsn) as connection:
        await migrations.migrate(connection)
    return empty_dsn


@pytest.fixture
async def applied_dsn(postgres: Embedded) -> AsyncIterator[str]:
    """A database that schema.sql made."""
    async with connected(postgres.dsn) as admin:
        name = f"applied_{secrets.token_hex(4)}"
        await admin.execute(f"create database {name}")
        dsn = postgres.dsn.replace("/bridge?", f"/{name}?")
        async with connected(dsn) as connection:
            await connection.execute(SCHEMA.read_text())
        yield dsn
        await admin.execute(f"drop database {name} with (force)")


async def test_schema_sql_makes_the_same_database_as_the_migrations(
    postgres: Embedded, applied_dsn: str, migrated_dsn: str
) -> None:
    assert await catalog(applied_dsn) == await catalog(migrated_dsn)
    assert await page(postgres, applied_dsn) == await page(postgres, migrated_dsn)


async def test_schema_sql_is_what_make_schema_writes(postgres: Embedded, migrated_dsn: str) -> None:
    if (major := major_version(postgres.bin_dir)) != WRITTEN_BY:
        pytest.skip(f"this machine has pg_dump {major}, the file was written by {WRITTEN_BY}")
    assert SCHEMA.read_text() == await page(postgres, migrated_dsn), "run make schema"


async def test_the_page_shows_what_a_reader_wants_and_not_what_a_restore_needs() -> None:
    text = SCHEMA.read_text()
    assert "COMMENT ON VIEW report.service_problem IS" in text
    assert "GRANT USAGE ON SCHEMA report TO bridge_reader" in text
    assert not [
        noise for noise in ("restrict", "\nSET ", "set_config", "OWNER TO", "pg_dump", "FOR ROLE") if noise in text
    ]


async def test_every_table_view_column_and_function_says_what_it_is(migrated_dsn: str) -> None:
    async with connected(migrated_dsn) as connection:
        rows = [row for row in await connection.fetch(COLUMNS) if row["relkind"] in (b"r", b"v", b"p")]
        assert rows
        mute = {row["relation"] for row in rows if not row["remark"]}
        mute |= {f"{row['relation']}.{row['attname']}" for row in rows if row["attname"] and not row["column_remark"]}
        mute |= {row[0] for row in await connection.fetch(FUNCTIONS) if not row["obj_description"]}
    assert mute == set()
