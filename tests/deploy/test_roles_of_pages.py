"""The roles that the pages tell an administrator to make are all that `migrate`, `run`, readers and console need, and
those that they tell to drop are all.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from bridge.postgres.embedded import Embedded, embedded
from bridge.storage import migrations, rights

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Embedded]:
    """A Postgres that nobody has made roles in."""
    async with embedded(tmp_path / "own", settings={"fsync": "off"}) as own:
        yield own


def statements_of(page: str) -> str:
    """The block that makes the roles, for a database of another name: there is one of that name here."""
    [block] = [each for each in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) if "create database" in each]
    return block.replace("create database bridge ", "create database pages ")


@pytest.mark.parametrize(
    ("page", "owner", "runs"), [("README.md", "bridge", "bridge"), ("deploy/README.md", "bridge_owner", "bridge_app")]
)
async def test_the_console_and_readers_have_their_own_rights(
    server: Embedded, page: str, owner: str, runs: str
) -> None:
    admin = await asyncpg.connect(server.dsn)
    for statement in re.sub("--.*", "", statements_of((ROOT / page).read_text())).split(";"):
        if statement.strip():
            await admin.execute(statement)
    await admin.close()

    def dsn(user: str) -> str:
        return server.dsn.replace("/bridge?", "/pages?").replace("user=postgres", f"user={user}")

    connection = await asyncpg.connect(dsn(owner))
    assert await migrations.migrate(connection)
    assert await rights.reader_exists(connection)
    await connection.close()
    connection = await asyncpg.connect(dsn(runs))
    assert await rights.front_usable(connection)
    await connection.execute("set role bridge_front")
    assert await connection.fetch("select id from report.service_problem") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch("select callback_secret from bridge.source")
    await connection.close()

    admin = await asyncpg.connect(dsn("postgres"))
    for statement in re.findall(r"drop (?:schema|owned|role) [^;]+;", (ROOT / "docs" / "uninstall.md").read_text()):
        await admin.execute(statement)
    left = await admin.fetch("select rolname from pg_roles where rolname ~ '^bridge_(reader|writer|front)$'")
    left += await admin.fetch("select nspname from pg_namespace where nspname ~ '^(bridge|report)'")
    assert left == []
    await admin.close()


async def test_a_console_without_its_role_is_known(server: Embedded) -> None:
    admin = await asyncpg.connect(server.dsn)
    await admin.execute("create role plain login")
    await admin.execute("create database pages owner plain")
    await admin.close()
    connection = await asyncpg.connect(server.dsn.replace("/bridge?", "/pages?").replace("user=postgres", "user=plain"))
    await migrations.migrate(connection)
    assert not await rights.front_usable(connection)
    await connection.close()
