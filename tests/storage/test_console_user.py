"""Users of the console, without HTTP."""

import pytest

from bridge.domain.access import Login, Role
from bridge.storage import console_session, console_user
from bridge.storage.console_session import ConsoleSession
from bridge.storage.console_user import ConsoleUser
from bridge.storage.database import Database

pytestmark = pytest.mark.anyio

ANNA = ConsoleUser("anna", "hash", Role.VIEWER)


async def test_a_user_is_added_once_changed_and_removed(database: Database) -> None:
    async with database.connection() as connection:
        assert await console_user.add(connection, ANNA)
        assert not await console_user.add(connection, ConsoleUser("anna", "other", Role.ADMIN))
        found = await console_user.find(connection, "anna")
        assert found is not None
        assert (found.name, found.password_hash, found.role) == ("anna", "hash", Role.VIEWER)
        assert await console_user.set_role(connection, "anna", Role.ADMIN)
        assert await console_user.set_password(connection, "anna", "new")
        await console_user.renew_hash(connection, "anna", "newer", "new")
        found = await console_user.find(connection, "anna")
        assert found is not None
        assert (found.password_hash, found.role) == ("newer", Role.ADMIN)
        assert [one.name for one in await console_user.listed(connection)] == ["anna"]
        assert await console_user.remove(connection, "anna")
        assert await console_user.find(connection, "anna") is None


async def test_the_hash_of_a_password_that_was_changed_meanwhile_is_not_renewed(database: Database) -> None:
    """Else the old password would be good again."""
    async with database.connection() as connection:
        await console_user.add(connection, ANNA)
        await console_user.set_password(connection, "anna", "of the new password")
        await console_user.renew_hash(connection, "anna", "of the old one, again", "hash")
        found = await console_user.find(connection, "anna")
        assert found is not None
        assert found.password_hash == "of the new password"


async def test_what_is_not_there_is_not_changed(database: Database) -> None:
    async with database.connection() as connection:
        assert not await console_user.set_role(connection, "ben", Role.ADMIN)
        assert not await console_user.set_password(connection, "ben", "x")
        assert not await console_user.remove(connection, "ben")


async def test_only_the_sessions_of_that_user_end(database: Database) -> None:
    async with database.connection() as connection:
        await console_user.add(connection, ANNA)
        for name in ("anna", "anna", "ben"):
            await console_session.make(connection, ConsoleSession(name, Role.VIEWER, Login.PASSWORD), "cli")
        await console_user.set_role(connection, "anna", Role.OPERATOR)
        rows = await connection.fetch("select user_name from bridge.console_session")
        assert [row["user_name"] for row in rows] == ["ben"]
