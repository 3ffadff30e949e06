"""Logging in and out."""

from collections.abc import AsyncIterator, Callable
from http.cookies import SimpleCookie
from typing import Any

import pytest

from bridge.domain.access import Role
from bridge.storage import console_user
from bridge.storage.console_user import ConsoleUser
from bridge.storage.database import Database
from bridge.web.console.password import hashed
from tests.web.console.conftest import TOKEN, Browser, Shown

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"
HASH = hashed(PASSWORD)


@pytest.fixture
async def closed(dsn: str, database: Database, open_console: Callable[..., Any]) -> AsyncIterator[Browser]:
    """A console that asks who is there, and a user anna."""
    async with database.transaction() as connection:
        assert await console_user.add(connection, ConsoleUser("anna", HASH, Role.OPERATOR))
    async with open_console(dsn, demo=False) as browser:
        await browser.reached()
        yield browser


async def log_in(browser: Browser, **fields: str) -> Shown:
    given = {"name": "anna", "password": PASSWORD, "next": "/about"} | fields
    return await browser.post("/login", given)


def cookie_of(answer: Shown) -> Any:
    [morsel] = SimpleCookie(answer.headers["set-cookie"]).values()
    return morsel


async def audited(database: Database) -> list[tuple[str, str, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch("select actor, action, outcome from bridge.audit order by id")
    return [tuple(row) for row in rows]


async def test_a_user_logs_in_sees_pages_and_logs_out(closed: Browser, database: Database) -> None:
    answer = await log_in(closed)
    assert (answer.status, answer.headers["location"]) == (303, "/about")
    cookie = cookie_of(answer)
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")
    page = await closed.get("/about")
    assert page.status == 200
    assert "anna" in page.text
    async with database.connection() as connection:
        stored = await connection.fetchval("select token_hash from bridge.console_session")
        assert cookie.value.encode() not in bytes(stored)
    gone = await closed.post("/logout", page.hidden)
    assert gone.headers["location"] == "/login"
    replayed = await closed.with_token("/about", cookie.value)
    assert replayed.status == 303
    assert await audited(database) == [("anna", "login", "done"), ("anna", "logout", "done")]


async def test_the_admin_token_logs_in_by_its_field(closed: Browser) -> None:
    assert (await closed.post("/login", {"token": f"{TOKEN}x"})).status == 401
    assert (await closed.post("/login", {"token": TOKEN})).headers["location"] == "/"
    assert '<span class="role">admin</span>' in (await closed.get("/about")).text


@pytest.mark.parametrize(
    "fields", [{"password": "wrong"}, {"name": "nobody"}, {"password": ""}, {"name": "anna\x00"}, {"name": "ANNA"}]
)
async def test_a_wrong_name_and_a_wrong_password_are_answered_alike(
    closed: Browser, database: Database, fields: dict[str, str]
) -> None:
    refused = await log_in(closed, **fields)
    assert refused.status == 401
    assert "The name or the password is wrong." in refused.text
    assert "set-cookie" not in refused.headers
    assert [outcome for _, _, outcome in await audited(database)] == ["refused"]


async def test_after_ten_refusals_the_right_password_is_not_looked_at(closed: Browser) -> None:
    for _ in range(10):
        assert (await log_in(closed, password="wrong")).status == 401
    stopped = await log_in(closed)
    assert (stopped.status, stopped.headers["retry-after"]) == (429, "900")


async def test_a_planted_token_is_worth_nothing_after_the_login(closed: Browser) -> None:
    planted = cookie_of(await log_in(closed)).value
    fresh = cookie_of(await log_in(closed)).value
    assert fresh != planted
    assert (await closed.with_token("/about", planted)).status == 303


@pytest.mark.parametrize("over", ["ends_at = now() - interval '1 second'", "seen_at = now() - interval '60 minutes'"])
async def test_a_session_ends_unused_and_at_the_latest(closed: Browser, database: Database, over: str) -> None:
    await log_in(closed)
    assert (await closed.get("/about")).status == 200
    async with database.connection() as connection:
        await connection.execute(f"update bridge.console_session set {over}")  # noqa: S608 -- of the test
    assert (await closed.get("/about")).status == 303


@pytest.mark.parametrize("change", ["role", "password", "remove"])
async def test_a_changed_user_is_logged_out(closed: Browser, database: Database, change: str) -> None:
    await log_in(closed)
    async with database.transaction() as connection:
        match change:
            case "role":
                assert await console_user.set_role(connection, "anna", Role.VIEWER)
            case "password":
                assert await console_user.set_password(connection, "anna", HASH)
            case _:
                assert await console_user.remove(connection, "anna")
    assert (await closed.get("/about")).status == 303


async def test_a_session_survives_the_front(closed: Browser, dsn: str, open_console: Callable[..., Any]) -> None:
    token = cookie_of(await log_in(closed)).value
    async with open_console(dsn, demo=False) as other:
        await other.reached()
        assert (await other.with_token("/about", token)).status == 200


async def test_the_login_of_another_site_is_refused(closed: Browser) -> None:
    fields = {"name": "anna", "password": PASSWORD}
    assert (await closed.post("/login", fields, **{"Sec-Fetch-Site": "cross-site"})).status == 403


async def test_a_form_of_the_session_before_changes_nothing(closed: Browser) -> None:
    await log_in(closed)
    old = (await closed.get("/about")).hidden
    await log_in(closed)
    assert (await closed.post("/logout", old)).status == 403
    assert (await closed.get("/about")).status == 200
