"""The console as one running thing."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from bridge.errors import PermanentError
from bridge.postgres.embedded import embedded
from bridge.storage import migrations
from bridge.storage.database import opened
from bridge.storage.session_settings import FRONT

pytestmark = pytest.mark.anyio


async def test_it_serves_while_postgres_is_away(open_console: Callable[..., Any]) -> None:
    async with open_console("postgresql://nobody@127.0.0.1:9/none", reach=False) as browser:
        assert (await browser.get("/about")).status == 200


async def test_an_address_that_is_taken_names_its_keys(dsn: str, open_console: Callable[..., Any]) -> None:
    async with open_console(dsn) as browser:
        port = int(browser.url.rpartition(":")[2])
        with pytest.raises(ExceptionGroup) as failed:
            async with open_console(dsn, console={"port": port}):
                raise AssertionError("two servers on one port")
        [error] = failed.value.exceptions
        assert isinstance(error, PermanentError)
        assert "console.host and console.port" in str(error)


async def test_it_has_the_rights_of_its_role_and_no_secret(dsn: str) -> None:
    async with opened(dsn, wait=False, max_size=4, session=FRONT) as database:
        for _ in range(2):  # a reset of the connection keeps the role and the limits
            async with database.connection() as connection:
                assert await connection.fetchval("select current_user") == "bridge_front"
                assert await connection.fetchval("show statement_timeout") == "3s"
                name = await connection.fetchval("show application_name")
                assert name.startswith("tmf656-bridge front ")
                await connection.execute("set statement_timeout = 0")
        for statement in (
            "select callback_secret from bridge.source",
            "select * from bridge.service_problem",
            "update bridge.source set url = ''",
            "delete from bridge.audit",
            "update bridge.audit set actor = ''",
            "insert into bridge.console_user (name, password_hash, role) values ('eve', '', 'admin')",
            "update bridge.console_user set role = 'admin'",
            "create table bridge.own (n int)",
            "select intent from bridge.link",
            "update bridge.link set state = 'unlinked'",
            "update bridge.link_rule set state = 'on'",
            "select token from bridge.outbox",
            "delete from bridge.conflict",
            "update bridge.request set outcome = 'done'",
        ):
            async with database.connection() as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        async with database.connection() as connection:
            assert await connection.fetchval("select count(*) from bridge.console_problem") == 0
            assert await connection.fetchval("select count(*) from report.service_problem") == 0


async def test_pages_say_that_postgres_went_and_come_back_with_it(
    tmp_path: Path, open_console: Callable[..., Any]
) -> None:
    async with AsyncExitStack() as stack:
        async with embedded(tmp_path / "data", settings={"fsync": "off"}) as own:
            connection = await asyncpg.connect(own.dsn)
            await migrations.migrate(connection)
            await connection.close()
            browser = await stack.enter_async_context(open_console(own.dsn))
            assert (await browser.get_when_reached("/problems")).status == 200
        with anyio.fail_after(30):  # it takes a hundredth of a second; the connections lead nowhere
            away = await browser.get("/problems")
        assert (away.status, away.headers["refresh"]) == (503, "2")
        assert "Postgres cannot be reached" in away.text
        async with embedded(tmp_path / "data", settings={"fsync": "off"}):
            assert (await browser.get_when_reached("/problems")).status == 200


async def test_without_the_role_it_works_with_the_rights_of_its_user(dsn: str) -> None:
    session = FRONT.__class__(FRONT.values, "front", "bridge_role_that_nobody_made")
    with anyio.fail_after(30):
        async with opened(dsn, wait=False, session=session) as database, database.connection() as connection:
            assert await connection.fetchval("select current_user = session_user")
