"""A database that cannot hold every text is refused when the pool is opened; for poolers see test_pgbouncer."""

import asyncpg
import pytest

from bridge.errors import ConfigurationError
from bridge.postgres.embedded import Embedded
from bridge.storage.database import opened

pytestmark = pytest.mark.anyio


def with_database(dsn: str, name: str) -> str:
    return dsn.replace("/bridge?", f"/{name}?")


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "SQL_ASCII"])
async def test_d6_a_database_that_cannot_hold_every_text_is_refused_first(postgres: Embedded, encoding: str) -> None:
    admin = await asyncpg.connect(postgres.dsn)
    name = f"narrow_{encoding.lower()}"
    await admin.execute(f"create database {name} encoding '{encoding}' locale 'C' template template0")
    try:
        with pytest.raises(ConfigurationError, match=rf"database\.dsn.*{name}.*{encoding}.*create database"):
            async with opened(with_database(postgres.dsn, name)):
                pass
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()
