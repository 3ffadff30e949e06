"""Sessions of the console, without HTTP."""

import pytest

from bridge.domain.access import Login, Role
from bridge.storage import console_session
from bridge.storage.console_session import ConsoleSession
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio

ANNA = ConsoleSession("anna", Role.VIEWER, Login.PASSWORD)


async def test_a_session_is_found_by_its_token_only(database: Database) -> None:
    async with database.transaction() as connection:
        token = await console_session.make(connection, ANNA, "192.0.2.1")
        found = await console_session.find(connection, token)
        assert found is not None
        assert (found.user, found.role, found.login) == (ANNA.user, ANNA.role, ANNA.login)
        assert found.confirmed_at == await connection.fetchval("select made_at from bridge.console_session")
        for other in ("", token[:-1], f"{token}x", "\udcff"):
            assert await console_session.find(connection, other) is None
        await console_session.end(connection, token)
        assert await console_session.find(connection, token) is None


async def test_use_keeps_it_and_is_written_once_a_minute(database: Database) -> None:
    async with database.connection() as connection:
        token = await console_session.make(connection, ANNA, "192.0.2.1")
        seen = "select seen_at from bridge.console_session"
        before = await connection.fetchval(seen)
        await console_session.find(connection, token)
        assert await connection.fetchval(seen) == before
        await connection.execute("update bridge.console_session set seen_at = seen_at - interval '2 minutes'")
        await console_session.find(connection, token)
        assert await connection.fetchval(seen) >= before


async def test_what_is_over_is_removed_by_the_next_login(database: Database) -> None:
    async with database.connection() as connection:
        await console_session.make(connection, ANNA, "192.0.2.1")
        await connection.execute("update bridge.console_session set ends_at = now()")
        await console_session.make(connection, ANNA, "192.0.2.1")
        assert await connection.fetchval("select count(*) from bridge.console_session") == 1
