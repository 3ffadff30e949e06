"""What people did, as rows."""

from datetime import timedelta

import pytest

from bridge.domain.access import Login, Principal, Role
from bridge.storage import audit
from bridge.storage.audit import AuditEntry
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio

ANNA = Principal("anna", Role.OPERATOR, Login.PASSWORD, b"")


async def test_an_entry_is_kept_as_it_was_made(database: Database) -> None:
    async with database.connection() as connection:
        await audit.record(connection, audit.by(ANNA, "192.0.2.1", "source.poll", "snow", before={"a": 1}))
        row = await connection.fetchrow("select * from bridge.audit")
        assert row is not None
        kept = {name: row[name] for name in ("actor", "role", "address", "action", "object", "before", "outcome")}
        assert kept == {
            "actor": "anna",
            "role": "operator",
            "address": "192.0.2.1",
            "action": "source.poll",
            "object": "snow",
            "before": b'{"a": 1}',
            "outcome": "done",
        }
        assert row["after"] is None


@pytest.mark.parametrize("name", ["a\x00b", "x" * 10_000, "\ud800", "ä\u202e"])
async def test_no_name_that_somebody_sends_keeps_its_row_from_being_written(database: Database, name: str) -> None:
    async with database.connection() as connection:
        for _ in range(2):
            await audit.record(connection, AuditEntry(name, None, "192.0.2.1", "login", outcome="refused"))
        within = timedelta(minutes=15)
        assert await audit.refused_logins(connection, name, "192.0.2.9", within) == (2, 0)
        assert await audit.refused_logins(connection, "ben", "192.0.2.1", within) == (0, 2)
        await connection.execute("update bridge.audit set at = at - interval '16 minutes'")
        assert await audit.refused_logins(connection, name, "192.0.2.1", within) == (0, 0)
