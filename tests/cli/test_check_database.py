"""`check` of the database: the messages of a first evening."""

import re
import socket
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson
import pytest

from bridge.postgres.embedded import Embedded, embedded

pytestmark = pytest.mark.anyio


async def reach(call: Any, config: Any) -> dict[str, Any]:
    """What is found of reaching the database."""
    said = orjson.loads((await call("check", "--json", "--config", config)).out)["findings"]
    found: dict[str, Any] = next(one for one in said if one["subject"] == "database")
    return found


async def test_f7_a_database_that_is_missing_is_named_with_the_statement(
    postgres: Embedded, dsn: str, call: Any, configured: Any
) -> None:
    found = await reach(call, configured(dsn=dsn.replace("/test_", "/no_test_")))
    assert found["works"] is False
    text = f"{found['found']} {found['remedy']}"
    assert "create database" in text
    assert "database.dsn" in text
    assert "that Postgres runs" not in text


@pytest.mark.parametrize("command", [["status"], ["migrate", "--check"], ["dead-letters", "list"]])
async def test_f7_every_command_names_host_port_and_key(
    call: Any, configured: Any, held_port: socket.socket, command: list[str]
) -> None:
    port = held_port.getsockname()[1]
    answer = await call(*command, "--config", configured(dsn=f"postgresql://u:hidden-word@127.0.0.1:{port}/d"))
    assert answer.status == 1
    assert f"127.0.0.1:{port}" in answer.err
    assert "database.dsn" in answer.err
    assert "that Postgres runs" in answer.err
    assert "hidden-word" not in answer.err
    assert "Traceback" not in answer.err


async def test_f7_a_wrong_password_points_at_user_and_password(call: Any, configured: Any, wrong_password: str) -> None:
    found = await reach(call, configured(dsn=wrong_password))
    text = f"{found['found']} {found['remedy']}"
    assert "user and password in database.dsn" in text
    assert "that Postgres runs" not in text
    assert "wrong-word" not in text


@pytest.fixture
async def wrong_password(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The DSN, with a wrong password, of a server that demands one."""
    async with embedded(tmp_path_factory.mktemp("password"), settings={"fsync": "off"}) as own:
        connection = await asyncpg.connect(own.dsn)
        await connection.execute("create role u login password 'right-word'")
        file = await connection.fetchval("show hba_file")
        await connection.execute(f"copy (values ('local all u scram-sha-256'), ('local all all trust')) to '{file}'")
        await connection.execute("select pg_reload_conf()")
        await connection.close()
        yield re.sub("^postgresql:/(?!/)", "postgresql:///", own.dsn).replace(
            "user=postgres", "user=u&password=wrong-word"
        )
