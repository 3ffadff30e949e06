"""What the owner of a database, its readers and strangers may do, and what is said to those who may not."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from bridge.errors import SchemaError
from bridge.postgres.embedded import Embedded, embedded
from bridge.storage import migrations, rights
from bridge.storage.database import Connection

pytestmark = pytest.mark.anyio


@pytest.fixture
async def empty(empty_dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(empty_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def owner_dsn(tmp_path: Path) -> AsyncIterator[tuple[Embedded, str]]:
    """A server where nobody has made bridge_reader, and a database whose owner may not make roles."""
    async with embedded(tmp_path / "own", settings={"fsync": "off"}) as own:
        admin = await asyncpg.connect(own.dsn)
        await admin.execute("create role plain login")
        await admin.execute("create database theirs owner plain")
        await admin.close()
        yield own, own.dsn.replace("/bridge?", "/theirs?").replace("user=postgres", "user=plain")


async def test_who_connects_does_not_have_every_report_compiled(empty: Connection, empty_dsn: str) -> None:
    """Each report holds ready what it would compute without summaries; compiled, that costs seconds."""

    async def setting() -> str:
        reader = await asyncpg.connect(empty_dsn)
        try:
            return str(await reader.fetchval("select source || ' ' || setting from pg_settings where name = 'jit'"))
        finally:
            await reader.close()

    await migrations.migrate(empty)
    assert await setting() == "database off"
    assert not await rights.compiles(empty)
    name = await empty.fetchval("select quote_ident(current_database())")
    await empty.execute(f"alter database {name} set jit = on")
    await migrations.migrate(empty)
    assert await setting() == "database on", "who wants it on has it on"
    assert await rights.compiles(empty) == await empty.fetchval("select pg_jit_available()")


async def test_an_owner_who_may_not_make_roles_migrates_and_the_reader_is_let_in_later(
    owner_dsn: tuple[Embedded, str],
) -> None:
    own, dsn = owner_dsn
    owner = await asyncpg.connect(dsn)
    assert await migrations.migrate(owner)
    await migrations.check(owner)
    assert not await rights.reader_exists(owner)
    admin = await asyncpg.connect(own.dsn)
    await admin.execute("create role bridge_reader")
    await admin.close()
    assert await migrations.migrate(owner) == []
    assert await rights.reader_exists(owner)
    await owner.close()
    reader = await asyncpg.connect(dsn.replace("user=plain", "user=postgres"))
    await reader.execute("set role bridge_reader")
    assert await reader.fetch("select * from report.service_problem") == []
    await reader.close()


async def test_a_user_without_rights_is_told_so(owner_dsn: tuple[Embedded, str]) -> None:
    own, _ = owner_dsn
    stranger = await asyncpg.connect(own.dsn.replace("user=postgres", "user=plain"))
    with pytest.raises(SchemaError, match=r"permission denied.*database\.dsn"):
        await migrations.migrate(stranger)
    admin = await asyncpg.connect(own.dsn)
    await migrations.migrate(admin)
    await admin.close()
    with pytest.raises(SchemaError, match=r"permission denied.*database\.dsn"):
        await migrations.check(stranger)
    await stranger.close()
