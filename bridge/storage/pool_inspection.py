"""Whether a database, or the pooler in front of it, can be used: inspected once, when a pool is opened.

The text of every problem has to fit (UTF-8), and a pooler has to lend a server connection for a whole session.
"""

import secrets
from contextlib import suppress
from typing import Any, TypeAlias

import anyio
import asyncpg
from asyncpg.pool import PoolConnectionProxy

from bridge.errors import ConfigurationError, DatabaseUnavailableError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_CLOSE_SECONDS = 2.0
_UTF8 = "UTF8"
_WHERE = "select pg_catalog.getdatabaseencoding(), pg_catalog.current_database(), pg_catalog.pg_backend_pid()"
_TOKEN = "tmf656_bridge.session"  # noqa: S105 -- the name of a setting
_POOLED = """database.dsn leads to a pooler that lends a server connection for one transaction: LISTEN, prepared \
statements and settings do not work there. Set pool_mode = session for this database, or name Postgres itself"""
_NO_SECOND = """the pooler that database.dsn leads to has no second connection for us: raise its pool_size for this \
database above database.pool_max_size"""


async def inspect(arguments: dict[str, Any]) -> None:
    """Refuse, with the remedy, a database that cannot hold every text, and a pooler that lends by transaction."""
    arguments = arguments | {"statement_cache_size": 0}
    one = await asyncpg.connect(**arguments)
    try:
        async with one.transaction():
            encoding, name, pid = await one.fetchrow(_WHERE)
        if encoding != _UTF8:
            raise ConfigurationError([_encoding_fault(name, encoding)])
        if pid != one.get_server_pid():
            await _inspect_pooler(one, pid, arguments)
    finally:
        await close_soon(one)


def _encoding_fault(name: str, encoding: str) -> str:
    return (
        f"database.dsn: database {name} has the encoding {encoding}, which cannot hold every text: "
        "`create database … encoding 'UTF8' template template0`, and name that one"
    )


async def _inspect_pooler(one: Connection, pid: int, arguments: dict[str, Any]) -> None:
    """Refuse a pooler that has no second connection for us, or that lends them by transaction."""
    token = secrets.token_hex(8)
    await one.execute(f"select set_config('{_TOKEN}', '{token}', false)")
    two = await asyncpg.connect(**arguments)
    try:
        with anyio.move_on_after(arguments["timeout"]) as limit:
            await _inspect_pooling(one, two, pid, token)
        if limit.cancelled_caught:
            raise DatabaseUnavailableError(_NO_SECOND)
    finally:
        await close_soon(two)


async def _inspect_pooling(one: Connection, two: Connection, pid: int, token: str) -> None:
    """Clients that see each other's settings, or whose server connection changes, were lent it for a transaction."""
    async with two.transaction():
        if token == await two.fetchval("select pg_catalog.current_setting($1, true)", _TOKEN):
            raise ConfigurationError([_POOLED])
        async with one.transaction():
            if pid != await one.fetchval("select pg_catalog.pg_backend_pid()"):
                raise ConfigurationError([_POOLED])


async def close_soon(connection: Connection) -> None:
    """Have Postgres end what is under way, then close the connection; one that leads nowhere is not waited for long.

    Closed at once, it would go on there: Postgres does not look at its client while it waits for a lock, and would hold
    all other locks of the statement meanwhile, and a second try would wait for them.
    """
    with (
        anyio.move_on_after(_CLOSE_SECONDS, shield=True),
        suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
    ):
        await connection.close()  # which cuts it off when it is cancelled
