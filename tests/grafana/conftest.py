"""A month of problems in a database, once for all tests that ask it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from bridge.postgres.embedded import Embedded
from bridge.storage import migrations
from bridge.storage.database import opened
from grafana.seed import seed
from tests.conftest import with_database

PROBLEMS, DAYS = 200, 30
UNTIL = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@pytest.fixture(scope="session")
async def seeded(postgres: Embedded) -> AsyncIterator[str]:
    """The DSN of a database with a month of problems."""
    admin = await asyncpg.connect(postgres.dsn)
    await admin.execute("create database seeded")
    try:
        dsn = with_database(postgres.dsn, "seeded")
        connection = await asyncpg.connect(dsn)
        await migrations.migrate(connection)
        await connection.close()
        async with opened(dsn, wait=False) as database:
            await seed(database, problems=PROBLEMS, days=DAYS, until=UNTIL)
        yield dsn
        await admin.execute("drop database seeded with (force)")
    finally:
        await admin.close()
