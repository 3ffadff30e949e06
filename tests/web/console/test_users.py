"""Who may log in, who is logged in, and ending a session."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.domain.access import Login, Role
from bridge.storage import console_session, console_user
from bridge.storage.console_session import ConsoleSession
from bridge.storage.console_user import ConsoleUser
from bridge.storage.database import Database
from tests.web.console.conftest import TOKEN

pytestmark = pytest.mark.anyio

HOSTILE = "<img src=x onerror=alert(1)>"


async def test_an_admin_ends_a_session_and_it_is_audited(
    dsn: str, database: Database, open_console: Callable[..., Any]
) -> None:
    async with database.transaction() as connection:
        await console_user.add(connection, ConsoleUser(HOSTILE, "hash", Role.VIEWER))
        anna = ConsoleSession(HOSTILE, Role.VIEWER, Login.PASSWORD)
        token = await console_session.make(connection, anna, "192.0.2.7")
    async with open_console(dsn, demo=False) as browser:
        await browser.reached()
        assert (await browser.with_token("/users", token)).status == 403
        await browser.post("/login", {"token": TOKEN})
        page = await browser.get("/users")
        assert page.rows[HOSTILE]["role"] == "viewer"
        assert HOSTILE not in page.text
        [key] = [key for key, row in page.rows.items() if row.get("user") == HOSTILE]
        assert token not in page.text
        ended = await browser.post("/users/end-session", page.hidden | {"session": key})
        assert (ended.status, ended.headers["location"]) == (303, "/users")
        assert (await browser.with_token("/about", token)).status == 303
        again = await browser.post("/users/end-session", page.hidden | {"session": key})
        assert again.status == 404
        assert (await browser.post("/users/end-session", page.hidden | {"session": "no hash"})).status == 404
    async with database.connection() as connection:
        rows = await connection.fetch("select actor, object from bridge.audit where action = 'session.end'")
    assert [tuple(row) for row in rows] == [("token", HOSTILE)]
