"""Names, passwords and tokens: which are right, and how often one may try."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.domain.access import Role
from bridge.storage import console_session, console_user
from bridge.storage.console_user import ConsoleUser
from bridge.storage.database import Database
from bridge.web.console.password import PasswordCheck, hashed
from tests.web.console.conftest import TOKEN, Browser

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"
HASH = hashed(PASSWORD)


@pytest.fixture
async def closed(dsn: str, database: Database, open_console: Callable[..., Any]) -> AsyncIterator[Browser]:
    async with database.transaction() as connection:
        assert await console_user.add(connection, ConsoleUser("anna", HASH, Role.OPERATOR))
    async with open_console(dsn, demo=False) as browser:
        await browser.reached()
        yield browser


async def test_ten_refusals_from_an_address_stop_every_name_and_the_token(closed: Browser) -> None:
    for number in range(10):
        assert (await closed.post("/login", {"name": f"user {number}", "password": "wrong"})).status == 401
    for fields in ({"name": "anna", "password": PASSWORD}, {"token": TOKEN}):
        assert (await closed.post("/login", fields)).status == 429


async def test_refusals_that_are_old_count_no_more(closed: Browser, database: Database) -> None:
    for _ in range(10):
        await closed.post("/login", {"name": "anna", "password": "wrong"})
    async with database.connection() as connection:
        await connection.execute("alter table bridge.audit disable trigger all")
        await connection.execute("update bridge.audit set at = at - interval '15 minutes'")
    assert (await closed.post("/login", {"name": "anna", "password": PASSWORD})).status == 303


async def test_a_hash_of_other_parameters_is_renewed_at_the_login(closed: Browser, database: Database) -> None:
    from argon2 import PasswordHasher  # noqa: PLC0415 -- only here

    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    async with database.transaction() as connection:
        await console_user.renew_hash(connection, "anna", weak, HASH)
    assert (await closed.post("/login", {"name": "anna", "password": PASSWORD})).status == 303
    async with database.connection() as connection:
        stored = await connection.fetchval("select password_hash from bridge.console_user")
    assert "m=19456,t=2,p=1" in stored


async def test_an_unknown_name_costs_the_same_work_as_a_wrong_password(
    closed: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: the same hash with the same parameters is computed for both."""
    from bridge.web.console import password as module  # noqa: PLC0415 -- only here

    costs: list[str] = []
    real = module._matches

    def counted(stored: str | None, given: str) -> bool:
        costs.append((stored or module._NOBODY).split("$")[3])
        return real(stored, given)

    monkeypatch.setattr(module, "_matches", counted)
    for name in ("anna", "nobody", "\x07"):
        await closed.post("/login", {"name": name, "password": "wrong"})
    assert costs == ["m=19456,t=2,p=1"] * 3


@pytest.mark.parametrize("change", ["remove", "password", "role"])
async def test_who_is_changed_while_the_password_is_compared_is_not_logged_in(
    closed: Browser, database: Database, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The sessions that the change ends do not have the one that would be made after it."""
    real = PasswordCheck.matches

    async def matches(self: PasswordCheck, stored: str | None, password: str) -> bool:
        found = await real(self, stored, password)
        async with database.transaction() as connection:
            match change:
                case "remove":
                    assert await console_user.remove(connection, "anna")
                case "password":
                    assert await console_user.set_password(connection, "anna", HASH)
                case _:
                    assert await console_user.set_role(connection, "anna", Role.VIEWER)
        return found

    monkeypatch.setattr(PasswordCheck, "matches", matches)
    answer = await closed.post("/login", {"name": "anna", "password": PASSWORD})
    assert (answer.status, "set-cookie" in answer.headers) == (401, False)
    async with database.connection() as connection:
        assert await console_session.count(connection) == 0
