"""What takes a recent login, and giving the password again."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.domain.access import Login, Role
from bridge.storage import console_session, console_user
from bridge.storage.console_session import ConsoleSession
from bridge.storage.console_user import ConsoleUser
from bridge.storage.database import Database
from bridge.web.console.password import hashed
from tests.web.console.conftest import TOKEN, Browser, Shown

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"
HASH = hashed(PASSWORD)
SNOW = {"url": "http://127.0.0.1:9/v4", "username": "u", "password": "canary-stored"}
STALE = "update bridge.console_session set confirmed_at = now() - interval '10 minutes'"


@pytest.fixture
async def admin(
    dsn: str, database: Database, open_console: Callable[..., Any], tmp_path: Path
) -> AsyncIterator[Browser]:
    """A console with a source, and the browser of an admin who logged in eleven minutes ago."""
    keys = tmp_path / "keys"
    keys.write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
    async with database.transaction() as connection:
        assert await console_user.add(connection, ConsoleUser("anna", HASH, Role.ADMIN))
        await connection.execute("insert into bridge.source (name, url) values ('snow', 'http://127.0.0.1:9/v4')")
    console = {"secret_key_file": str(keys)}
    async with open_console(dsn, demo=False, console=console, sources={"snow": SNOW}) as browser:
        await browser.reached()
        assert (await browser.post("/login", {"name": "anna", "password": PASSWORD})).status == 303
        await age(database)
        yield browser


async def age(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(STALE)


async def token_of_form(browser: Browser) -> dict[str, str]:
    return {"form_token": (await browser.get("/about")).hidden["form_token"]}


async def audited(database: Database) -> list[tuple[str, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch("select action, outcome from bridge.audit order by id offset 1")
    return [tuple(row) for row in rows]


async def rotate(browser: Browser, **fields: str) -> Shown:
    return await browser.post("/sources/snow/rotate", await token_of_form(browser) | fields)


async def test_an_old_login_is_asked_for_the_password_and_goes_on_with_it(admin: Browser, database: Database) -> None:
    asked = await rotate(admin)
    assert asked.status == 403
    assert "Confirm that it is you" in asked.text
    assert await audited(database) == []
    done = await admin.post("/sources/snow/rotate", asked.hidden | {"confirm_password": PASSWORD})
    assert (done.status, done.headers["location"]) == (303, "/sources")
    assert await audited(database) == [("confirm", "done"), ("request.rotate_secret", "done")]
    async with database.connection() as connection:
        await connection.execute("update bridge.request set ended_at = now(), outcome = 'done'")
    assert (await rotate(admin)).status == 303  # for ten minutes nobody is asked


async def test_a_wrong_password_is_a_wrong_login_and_ten_of_them_are_enough(admin: Browser, database: Database) -> None:
    for _ in range(10):
        refused = await rotate(admin, confirm_password="wrong")
        assert refused.status == 403
        assert "The password is wrong." in refused.text
    stopped = await rotate(admin, confirm_password=PASSWORD)
    assert stopped.status == 429
    assert await audited(database) == [("login", "refused")] * 10
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from bridge.request") == 0


async def test_sessions_of_others_are_ended_by_a_recent_login_only(admin: Browser, database: Database) -> None:
    async with database.transaction() as connection:
        await console_session.make(connection, ConsoleSession("ben", Role.VIEWER, Login.PASSWORD), "192.0.2.1")
        key = await connection.fetchval(
            "select encode(token_hash, 'hex') from bridge.console_session where user_name = 'ben'"
        )
    asked = await admin.post("/users/end-session", await token_of_form(admin) | {"session": key})
    assert (asked.status, asked.hidden["session"]) == (403, key)
    ended = await admin.post("/users/end-session", asked.hidden | {"confirm_password": PASSWORD})
    assert ended.status == 303


@pytest.mark.parametrize(
    ("fields", "is_guarded"),
    [
        ({"set:sources.snow.page_size": "7"}, False),
        ({"set:sources.snow.url": "http://127.0.0.1:10/v4", "typed_source": "snow"}, True),
        ({"set:sources.snow.verify_tls": "false"}, True),
        ({"set:sources.snow.proxy": "http://127.0.0.1:3128"}, True),
        ({"reset:sources.snow.url": "1"}, True),
        ({"secret:sources.snow.password": "canary-token"}, True),
    ],
    ids=str,
)
async def test_addresses_and_secrets_are_saved_by_a_recent_login_only(
    admin: Browser, database: Database, fields: dict[str, str], is_guarded: bool
) -> None:
    sent = await token_of_form(admin) | fields | {"revision": "0", "reason": "because"}
    answer = await admin.post("/configuration/save", sent)
    assert answer.status == (403 if is_guarded else 303)
    if not is_guarded:
        return
    assert "canary-token" not in answer.text
    kept = {name for name in sent if name in answer.hidden}
    assert kept == sent.keys() - {"secret:sources.snow.password"}
    assert all(answer.hidden[name] == sent[name] for name in kept - {"form_token"})
    saved = await admin.post("/configuration/save", sent | {"confirm_password": PASSWORD})
    assert saved.status == (400 if "reset:sources.snow.url" in fields else 303)  # nothing is set that could be reset
    assert ("confirm", "done") in await audited(database)


async def test_a_stored_password_is_tried_at_another_address_by_a_recent_login_only(
    admin: Browser, database: Database
) -> None:
    """Else a session that was left open would send it anywhere."""
    fields = await token_of_form(admin) | {"source": "snow", "url": "http://127.0.0.1:10/v4"}
    asked = await admin.post("/configuration/test", fields | {"password": "canary-typed"})
    assert asked.status == 403
    assert "canary-typed" not in asked.text
    confirmed = await admin.post("/confirm", asked.hidden | {"confirm_password": PASSWORD})
    assert "Go back in your browser" in confirmed.text
    assert (await admin.post("/configuration/test", fields)).status == 200
    await age(database)
    same = await admin.post("/configuration/test", fields | {"url": SNOW["url"]})
    assert same.status == 200


async def test_the_holder_of_the_admin_token_gives_it_again(admin: Browser, database: Database) -> None:
    await admin.post("/login", {"token": TOKEN})
    await age(database)
    assert (await rotate(admin, confirm_password=PASSWORD)).status == 403
    assert (await rotate(admin, confirm_password=TOKEN)).status == 303
    rotated = await admin.post("/sources/snow/rotate", {}, Authorization=f"Bearer {TOKEN}")
    assert rotated.status == 303  # programs send it with each request


async def test_a_confirmation_is_of_the_own_session(admin: Browser, database: Database) -> None:
    async with database.transaction() as connection:
        other = await console_session.make(connection, ConsoleSession("anna", Role.ADMIN, Login.PASSWORD), "192.0.2.1")
        await connection.execute(STALE)
    assert (await rotate(admin, confirm_password=PASSWORD)).status == 303
    async with database.connection() as connection:
        found = await console_session.find(connection, other)
        assert found is not None
        assert found.confirmed_at is not None
        recent = await connection.fetchval("select $1::timestamptz > now() - interval '10 minutes'", found.confirmed_at)
    assert not recent
