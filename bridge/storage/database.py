"""The connection pool: lends connections, waits for Postgres when it is away, replaces connections after a failover.

What errors mean is decided in `bridge.storage.errors`; how the server is named, in `bridge.settings.dsn`. How values
travel, and how a dead line is noticed, is set on each new connection.

Our settings are made after connecting, by a statement: a pooler refuses startup parameters that it does not know. They
stand in `bridge.storage.session_settings`, and hold whatever timeouts the role or the database was given. Behind
pgbouncer this works with `pool_mode = session`. With `pool_mode = transaction` it cannot: LISTEN, prepared statements
and our settings need a server connection of their own, so it is refused with that remedy.
"""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeAlias

import anyio
import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

from bridge.errors import DatabaseUnavailableError
from bridge.settings.dsn import Dsn, read_dsn
from bridge.storage.errors import OutdatedConnectionError, Phase, TooSlowError, meaning_of
from bridge.storage.pool_inspection import close_soon, inspect
from bridge.storage.session_settings import BRIDGE, SessionSettings
from bridge.telemetry.redaction import hide

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

log = structlog.get_logger(__name__)

_LOG_AGAIN_SECONDS = 60.0
_FAILURE_SECONDS = 60.0
"""Then a failure to store says nothing any more: what waits in the journal is tried again more often."""
_CLOSE_SECONDS = 3.0
"""What a pool that closes has for what is under way; then its connections are cut off."""
_READ_ONLY = "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean"
_READ_ONLY_REMEDY = "name the primary in database.dsn, or several hosts with target_session_attrs=read-write"

_JSONB_VERSION = b"\x01"
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_KEEPALIVE_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}
"""libpq's word → the kernel's."""

ARRAYS = {
    "bool": (16, 1000),
    "bytea": (17, 1001),
    "float8": (701, 1022),
    "int2": (21, 1005),
    "int4": (23, 1007),
    "int8": (20, 1016),
    "jsonb": (3802, 3807),
    "timestamptz": (1184, 1185),
}
"""Types that are built in, and arrays of them; their numbers are the same in every Postgres."""


class _Session(asyncpg.Connection):
    """A connection that is reset when it goes back to the pool, unless all it did were statements of a `session`: they
    leave nothing behind, and a reset after each batch costs Postgres and us as much as reading what is known.
    """

    _clean = False
    _statement = ""
    _top_xact: Transaction | None

    def set_up_by(self, statement: str) -> None:
        """Keep the statement that makes our settings, for resets."""
        self._statement = statement

    def leave_clean(self) -> None:
        """Nothing has to be reset when this is released next."""
        self._clean = True

    async def reset(self, *, timeout: float | None = None) -> None:
        """Also end the transaction in which a task was cancelled: usual here, and an error in the log of the driver."""
        if self.is_in_transaction() or self._top_xact is not None:
            self._top_xact = None
            await self.execute("ROLLBACK", timeout=timeout)
        await super().reset(timeout=timeout)

    def get_reset_query(self) -> str:
        """Return what the pool runs on release: everything is as the role has it, then our settings again."""
        clean, self._clean = self._clean, False
        return "" if clean else f"{super().get_reset_query()}\n{self._statement};"


class Database:
    """A pool of connections to one database. `identity`: the name of this process, and of its connections in
    pg_stat_activity. `address`: what a person knows the server by.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", identity: str, address: str) -> None:
        """Wrap a pool; use `opened`."""
        self._pool = pool
        self.identity = identity
        self.address = address
        self._write_failure: tuple[float, str] | None = None
        self.connections_made = 0
        """Grows with each new connection: it may lead to another server, or to one that was put back."""

    @asynccontextmanager
    async def connection(self, *, timeout_seconds: float = 10) -> AsyncIterator[Connection]:
        """Lend a connection; DatabaseUnavailableError when there is none within the time."""
        with translated(Phase.CONNECTING, self.address):
            connection = await self._pool.acquire(timeout=timeout_seconds)
        try:
            with translated(Phase.RUNNING, self.address):
                try:
                    yield connection
                finally:
                    await self._pool.release(connection)
        except OutdatedConnectionError:
            await self._pool.expire_connections()
            raise

    @asynccontextmanager
    async def session(
        self, *, limit_seconds: float | None = None, connect_seconds: float = 10
    ) -> AsyncIterator[Connection]:
        """Lend a connection on which each statement commits by itself; nothing is set on it that would outlive it.

        After `limit_seconds` it is given up, and its connection with it: TooSlowError. Whether the last statement was
        committed is not known then.
        """
        async with self.connection(timeout_seconds=connect_seconds) as connection:
            try:
                with anyio.move_on_after(limit_seconds) as limit:
                    yield connection
            except TimeoutError:  # the operating system's own
                await close_soon(connection)
                raise
            if limit.cancelled_caught:
                await close_soon(connection)
                raise TooSlowError(f"{self.address} took longer than {limit_seconds:g} s")
            connection.leave_clean()  # type: ignore[union-attr]  # a _Session, behind the pool's proxy

    @asynccontextmanager
    async def transaction(
        self, *, limit_seconds: float | None = None, connect_seconds: float = 10
    ) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits on a clean exit; limited as a `session` is."""
        async with self.session(limit_seconds=limit_seconds, connect_seconds=connect_seconds) as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except GeneratorExit:
                raise
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            with translated(Phase.COMMITTING, self.address):
                await transaction.commit()

    @asynccontextmanager
    async def snapshot(self, *, limit_seconds: float, connect_seconds: float) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that only reads and sees one state of the database; limited as a
        `session` is.
        """
        async with (
            self.session(limit_seconds=limit_seconds, connect_seconds=connect_seconds) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    async def ping(self, *, timeout_seconds: float = 2) -> None:
        """Raise DatabaseUnavailableError unless Postgres answers within the time and takes writes."""
        async with self.connection(timeout_seconds=timeout_seconds) as connection:
            read_only = await connection.fetchval(_READ_ONLY, timeout=timeout_seconds)
        if read_only:
            raise DatabaseUnavailableError(f"{self.address} is read-only: {_READ_ONLY_REMEDY}")

    async def check_writes(self) -> None:
        """`ping`, and raise DatabaseUnavailableError when something could not be stored a moment ago, and nothing was
        stored since.
        """
        await self.ping()
        if self._write_failure is not None and monotonic() - self._write_failure[0] < _FAILURE_SECONDS:
            raise DatabaseUnavailableError(self._write_failure[1])

    def note_write(self, failure: str | None) -> None:
        """Something was stored, or could not be."""
        self._write_failure = None if failure is None else (monotonic(), failure)

    def figures(self) -> dict[str, int]:
        """Connections by state: `used`, `idle`."""
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        return {"used": size - idle, "idle": idle}

    async def close(self) -> None:
        """End every connection, once all are given back."""
        await self._pool.close()


@asynccontextmanager
async def opened(
    dsn: str, *, min_size: int = 2, max_size: int = 8, wait: bool = True, session: SessionSettings = BRIDGE
) -> AsyncIterator[Database]:
    """Open a pool of such sessions; with `wait` keep trying while Postgres is away, logging it once a minute, else
    DatabaseUnavailableError at once. ConfigurationError for a DSN, or a database, that can never work.
    """
    named = read_dsn(dsn)
    if named.password:
        hide(named.password)
    database = await _open(_Pool(named, min_size, max_size, session), wait=wait)
    try:
        yield database
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True) as scope:
            await database.close()
        if scope.cancelled_caught:
            database._pool.terminate()  # noqa: SLF001 -- the same module


@contextmanager
def translated(phase: Phase = Phase.RUNNING, address: str = "Postgres") -> Iterator[None]:
    """Turn errors of the driver into ours; `address` is what a person knows the server by."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise meaning_of(error, phase, address) from error


def _identity(purpose: str) -> str:
    """A name that no other process has, also not one with the same process id in another container; at most 63
    bytes.
    """
    host = socket.gethostname().encode("ascii", "replace").decode()[: 24 - len(purpose)]
    return " ".join(filter(None, ("tmf656-bridge", purpose, host, str(os.getpid()), secrets.token_hex(4))))


@dataclass(frozen=True, slots=True)
class _Pool:
    """What a pool is made by."""

    named: Dsn
    min_size: int
    max_size: int
    session: SessionSettings


async def _open(pool: _Pool, *, wait: bool) -> Database:
    delay_seconds, waiting, log_at = 0.2, False, 0.0
    while True:
        try:
            database = await _connect(pool)
        except DatabaseUnavailableError as error:
            if not wait:
                raise
            if monotonic() >= log_at:
                log.warning("waiting for postgres", error=str(error))
                waiting, log_at = True, monotonic() + _LOG_AGAIN_SECONDS
            await asyncio.sleep(delay_seconds * random.uniform(0.5, 1))  # noqa: S311 -- jitter, not a secret
            delay_seconds = min(delay_seconds * 2, 5)
        else:
            if waiting:
                log.info("postgres is back")
            return database


async def _connect(wanted: _Pool) -> Database:
    """Look at the server once, then make the pool."""
    identity, named, role = _identity(wanted.session.purpose), wanted.named, wanted.session.role
    statement = wanted.session.statement
    arguments: dict[str, Any] = named.driver_arguments() | {
        "timeout": named.connect_timeout_seconds,
        "server_settings": named.server_settings | {"application_name": identity},
    }
    with translated(Phase.CONNECTING, named.address):
        await inspect(arguments)

        async def prepare(connection: Connection) -> None:
            database.connections_made += 1
            _keep_alive(connection, named.keepalive)
            await _take_role(connection, role)
            connection.set_up_by(statement)  # type: ignore[union-attr]  # a _Session, behind the pool's proxy
            await connection.execute(statement)
            await _set_codecs(connection)

        pool = asyncpg.create_pool(
            min_size=wanted.min_size,
            max_size=wanted.max_size,
            connection_class=_Session,
            init=prepare,
            max_inactive_connection_lifetime=600,
            **arguments,
        )
        database = Database(pool, identity, named.address)
        await pool
        return database


async def _take_role(connection: Connection, role: str) -> None:
    """Work with the rights of a role, where the user of the DSN may take it on; else with its own, and a warning. No
    reset of the connection undoes it.
    """
    if not role:
        return
    try:
        await connection.execute(f"set role {role}")
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError):  # not a member; no such role
        remedy = f"let an administrator run `create role {role}` if it is missing, and `grant {role} to` that user"
        log.warning("the user of database.dsn keeps all its rights here", role=role, remedy=remedy)


def _keep_alive(connection: Connection, keepalive: Mapping[str, int] | None) -> None:
    """Have the kernel notice when the other side of a TCP connection is gone and did not say so."""
    transport = connection._transport  # type: ignore[union-attr]  # noqa: SLF001 -- the driver has no option for it
    line = transport.get_extra_info("socket")
    if keepalive is None or line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for word, value in keepalive.items():
        option = getattr(socket, _KEEPALIVE_OPTIONS[word], None)
        if option is not None:
            line.setsockopt(socket.IPPROTO_TCP, option, value)


async def _set_codecs(connection: Connection) -> None:
    """Pass jsonb as bytes both ways (orjson's output goes out as it is), and instants as counts of microseconds."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=_JSONB_VERSION.__add__,
        decoder=lambda raw: bytes(raw[1:]),
        format="binary",
    )
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_microseconds, decoder=_instant, format="tuple"
    )
    _register_arrays(connection)


def _register_arrays(connection: Connection) -> None:
    """Save the driver its queries about array types, 5 ms each and again on every connection.

    After the element codecs are set. The driver forgets this when the schema changes under it, and then asks.
    """
    types = [
        {
            "oid": array,
            "ns": "pg_catalog",
            "name": f"_{name}",
            "kind": b"b",
            "basetype": None,
            "elemtype": element,
            "elemtype_name": name,
            "elemdelim": ",",
            "range_subtype": None,
            "attrtypoids": None,
            "attrnames": None,
        }
        for name, (element, array) in ARRAYS.items()
    ]
    settings = connection._protocol.get_settings()  # type: ignore[union-attr]  # noqa: SLF001 -- as above
    settings.register_data_types(types)


def _microseconds(at: datetime) -> tuple[int]:
    """An aware instant as Postgres counts: half the time of the driver's own codec, which asks each for infinity and
    its zone; a stored problem is sixteen of them.
    """
    since = at - _POSTGRES_EPOCH
    return (since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds,)


def _instant(microseconds: tuple[int]) -> datetime:
    """Infinity, as anything else beyond the calendar of Python, is its end."""
    try:
        return _POSTGRES_EPOCH + timedelta(0, 0, microseconds[0])
    except OverflowError:
        return _FIRST if microseconds[0] < 0 else _LAST
