"""The connection pool, and what Postgres' errors mean to the callers.

`Database` waits for Postgres when it is away (at start and later), and turns every driver error into one of four:
unavailable (transient, try again), raced (another writer was faster: decide again), refused (this data will never be
accepted), or a defect, which is left as it is and ends the process.
"""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TypeAlias

import anyio
import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from bridge.errors import DatabaseUnavailableError, PermanentError, TransientError
from bridge.storage.row_cache import RowCache

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

log = structlog.get_logger(__name__)

_TELL_AGAIN_SECONDS = 60.0
_JSONB_VERSION = b"\x01"
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_GIVE_UP_SECONDS = 2.0
_TIMES_KEPT = 1000
"""In a row. Then it goes back to the pool, which replaces what has served for 50,000 statements."""

_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
"""Seconds, the last one milliseconds. By default it is two hours for an idle connection, 15 minutes for one in use."""

_SERVER_SETTINGS = {
    "timezone": "UTC",
    # A process that is paused in the middle of a transaction keeps its locks, that on the lease among them.
    "idle_in_transaction_session_timeout": "10s",
    # Our statements look rows up by key. Plans are cached while tables are still empty, when reading the whole table
    # looks cheaper, and
    # stay so for thousands of batches (seen: 2,300 notifications a second falling to 1,300 within a minute).
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # What the arrays hold makes no difference to a plan, yet Postgres planned the reading of what is known anew for
    # nine batches in ten: a quarter of its work for a batch of one.
    "plan_cache_mode": "force_generic_plan",
}

_ARRAYS = {
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

_UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InternalClientError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_RACED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_REFUSED = (
    asyncpg.DataError,
    asyncpg.exceptions._base.InterfaceError,  # noqa: SLF001 -- a value the driver cannot encode is raised as this class' child
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.CardinalityViolationError,
    asyncpg.UntranslatableCharacterError,
)


class ConcurrentUpdateError(TransientError):
    """Another writer changed the same rows first; read again and decide again, at once."""


class MissingPartitionError(ConcurrentUpdateError):
    """A row belongs to a day that has no partition yet: make it, then try again."""


class TooSlowError(DatabaseUnavailableError):
    """It was not done within the limit its caller set, on a connection that was not lost."""


class RefusedError(PermanentError):
    """Postgres will never accept this data."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn driver errors into ours; see the module docstring."""
    try:
        yield
    except _RACED as error:
        raise ConcurrentUpdateError(f"{type(error).__name__}: {error}") from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):
            raise RefusedError(str(error)) from error
        raise DatabaseUnavailableError(f"Postgres connection lost: {error}") from error
    except _UNAVAILABLE as error:
        raise DatabaseUnavailableError(f"Postgres unavailable: {error or type(error).__name__}") from error
    except asyncpg.CheckViolationError as error:
        if "no partition of relation" in str(error):
            raise MissingPartitionError(str(error)) from error
        raise RefusedError(str(error)) from error
    except _REFUSED as error:
        raise RefusedError(f"{type(error).__name__}: {error}") from error


class _Session(asyncpg.Connection):
    """A connection that is reset when it goes back to the pool, unless all it did were statements of a `session`: they
    leave nothing behind, and a `reset all` after each batch costs Postgres and us as much as reading what is known.
    """

    _clean = False
    _times_kept = 0

    def leave_clean(self) -> None:
        """Nothing has to be reset when this is released next."""
        self._clean = True

    def keep(self) -> bool:
        """May it go to the next borrower as it is? Not if it has to be reset, nor for ever."""
        if not self._clean or self._times_kept >= _TIMES_KEPT:
            return False
        self._clean = False
        self._times_kept += 1
        return True

    def get_reset_query(self) -> str:
        """Return what the pool runs on release."""
        clean, self._clean, self._times_kept = self._clean, False, 0
        return "" if clean else str(super().get_reset_query())


class Database:
    """A pool of connections to one database.

    Borrowing from the pool and giving back takes us about 50 µs, in tasks and timers that the pool makes for it: a
    fifth of what storing a batch of one takes, a twelfth for one of 16. So what a `session` leaves clean is kept for
    whoever comes next, whatever for, without the pool: as many as that keeps open anyway (`min_size`), a thousand times
    in a row at most, and only while nobody waits for the pool, so that nobody goes without because of it. One that is
    lost while it is kept makes room in the pool at once, and is let go when it is met; nothing is under way on it that
    could be lost. If that is not noticed yet, who borrows it is told DatabaseUnavailableError, as with one in the pool.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", identity: str, recent: RowCache) -> None:
        """Wrap a pool; use `opened`. `identity` is the name of this process, and of its connections in
        pg_stat_activity; `recent` what it has written through the pool.
        """
        self._pool = pool
        self._kept: list[PoolConnectionProxy[asyncpg.Record]] = []
        self._asking, self._expired = 0, 0
        self.identity = identity
        self.recent = recent

    @asynccontextmanager
    async def connection(self, *, timeout_seconds: float = 10) -> AsyncIterator[Connection]:
        """Lend a connection; DatabaseUnavailableError when none is to be had within the time."""
        with translated():
            expired = self._expired
            connection = await self._borrow(timeout_seconds)
            try:
                yield connection
            except asyncpg.ReadOnlySQLTransactionError:
                # a server that was failed over: the connections there are may stay with it, or stay read-only, for ever
                await self._expire()
                raise
            finally:
                if expired < self._expired or not self._keep(connection):
                    await self._pool.release(connection)

    async def _borrow(self, timeout_seconds: float) -> "PoolConnectionProxy[asyncpg.Record]":
        while self._kept:
            connection = self._kept.pop()
            if _is_open(connection):
                return connection
            _drop(connection)
        self._asking += 1
        try:
            return await self._pool.acquire(timeout=timeout_seconds)
        finally:
            self._asking -= 1

    def _keep(self, connection: "PoolConnectionProxy[asyncpg.Record]") -> bool:
        if self._asking or len(self._kept) >= self._pool.get_min_size() or self._pool.is_closing():
            return False
        if not (_is_open(connection) and connection.keep()):  # type: ignore[attr-defined]  # a _Session, behind the pool's proxy
            return False
        self._kept.append(connection)
        return True

    async def _expire(self) -> None:
        """Have every connection replaced before it is lent again; those that are lent now, when they come back."""
        self._expired += 1
        await self._pool.expire_connections()
        while self._kept:
            _drop(self._kept.pop())

    @asynccontextmanager
    async def session(self, *, limit_seconds: float | None = None) -> AsyncIterator[Connection]:
        """Lend a connection on which each statement commits by itself; nothing is set on it that would outlive it.

        After `limit_seconds` it is given up, and its connection with it: TooSlowError. Whether the last statement was
        committed is not known then.
        """
        async with self.connection() as connection:
            try:
                with anyio.move_on_after(limit_seconds) as limit:
                    yield connection
            except TimeoutError:  # the operating system's own
                await _give_up(connection)
                raise
            if limit.cancelled_caught:
                await _give_up(connection)
                raise TooSlowError(f"Postgres took longer than {limit_seconds:g} s")
            connection.leave_clean()  # type: ignore[union-attr]  # a _Session, behind the pool's proxy

    @asynccontextmanager
    async def transaction(self, *, limit_seconds: float | None = None) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that commits on a clean exit; limited as a `session` is."""
        async with self.session(limit_seconds=limit_seconds) as connection, connection.transaction():
            yield connection

    async def ping(self, *, timeout_seconds: float = 2) -> None:
        """Raise DatabaseUnavailableError unless Postgres answers within the time."""
        async with self.connection(timeout_seconds=timeout_seconds) as connection:
            await connection.fetchval("select 1", timeout=timeout_seconds)

    def figures(self) -> dict[str, int]:
        """Connections by state: `used`, `idle`."""
        size = self._pool.get_size()
        idle = self._pool.get_idle_size() + sum(map(_is_open, self._kept))
        return {"used": size - idle, "idle": idle}

    async def close(self) -> None:
        """End every connection, once all are given back."""
        while self._kept:
            await self._pool.release(self._kept.pop())
        await self._pool.close()


@asynccontextmanager
async def opened(dsn: str, *, min_size: int = 2, max_size: int = 8, wait: bool = True) -> AsyncIterator[Database]:
    """Open a pool; with `wait` keep trying while Postgres is away, logging each change, else DatabaseUnavailableError
    at once.

    The statement cache is off behind a transaction-pooling pgbouncer when the DSN says `statement_cache_size=0`.
    """
    identity = _identity()
    recent = RowCache()
    pool = await _create(dsn, min_size, max_size, identity, recent, wait=wait)
    database = Database(pool, identity, recent)
    try:
        yield database
    finally:
        with anyio.move_on_after(3, shield=True) as scope:
            await database.close()
        if scope.cancelled_caught:
            pool.terminate()


def _identity() -> str:
    """A name that no other process has, also not one with the same process id in another container; at most 63
    bytes.
    """
    host = socket.gethostname().encode("ascii", "replace").decode()[:24]
    return f"tmf656-bridge {host} {os.getpid()} {secrets.token_hex(4)}"


async def _create(
    dsn: str, min_size: int, max_size: int, identity: str, recent: RowCache, *, wait: bool
) -> "asyncpg.Pool[asyncpg.Record]":
    async def prepare(connection: Connection) -> None:
        recent.forget()  # this may be another server, or the same one put back to an earlier state
        await _prepare(connection)

    delay_seconds, waiting, tell_at = 0.2, False, 0.0
    while True:
        try:
            with translated():
                pool = await asyncpg.create_pool(
                    dsn,
                    min_size=min_size,
                    max_size=max_size,
                    connection_class=_Session,
                    init=prepare,
                    timeout=10,
                    max_inactive_connection_lifetime=600,
                    server_settings=_SERVER_SETTINGS | {"application_name": identity},
                )
        except DatabaseUnavailableError as error:
            if not wait:
                raise
            if monotonic() >= tell_at:
                log.warning(
                    "waiting for postgres", error=str(error), remedy="check database.dsn, and that Postgres runs"
                )
                waiting, tell_at = True, monotonic() + _TELL_AGAIN_SECONDS
            await asyncio.sleep(delay_seconds * random.uniform(0.5, 1))  # noqa: S311 -- jitter, not a secret
            delay_seconds = min(delay_seconds * 2, 5)
        else:
            if waiting:
                log.info("postgres is back")
            return pool


def _is_open(connection: "PoolConnectionProxy[asyncpg.Record]") -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it was lost, and the pool told
        return False


def _drop(connection: "PoolConnectionProxy[asyncpg.Record]") -> None:
    """Close without waiting; the pool then has room for another one."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _give_up(connection: Connection) -> None:
    """Have Postgres end what is under way, then close the connection; one that leads nowhere is not waited for long.

    Closed at once, it would go on there: Postgres does not look at its client while it waits for a lock, and would hold
    all other locks of the statement meanwhile, against whoever tries again.
    """
    with anyio.move_on_after(_GIVE_UP_SECONDS, shield=True), suppress(*_UNAVAILABLE, asyncpg.InterfaceError):
        await connection.close()  # which cuts it off when it is cancelled


async def _prepare(connection: Connection) -> None:
    """Pass jsonb as bytes both ways: no decoding and encoding again, and orjson's output goes out as it is. And have
    the kernel notice within half a minute when the other side is not there any more and did not say so.
    """
    transport = connection._transport  # type: ignore[union-attr]  # noqa: SLF001 -- the driver has no option for it
    line = transport.get_extra_info("socket")
    if line is not None and line.family in (socket.AF_INET, socket.AF_INET6):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            if hasattr(socket, option):
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
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
    _introduce_arrays(connection)


def _introduce_arrays(connection: Connection) -> None:
    """Tell the driver what it would ask about arrays, a statement at a time and again on every connection, by a query
    that takes Postgres 5 ms: two in three such questions.

    What the elements are made of has to be said before. Forgets it all when the schema changes under it, and then asks.
    """
    known = [
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
        for name, (element, array) in _ARRAYS.items()
    ]
    settings = connection._protocol.get_settings()  # type: ignore[union-attr]  # noqa: SLF001 -- as above
    settings.register_data_types(known)


def _microseconds(at: datetime) -> tuple[int]:
    """An aware instant as Postgres counts. The driver asks each for infinity and its zone, and takes twice as long; a
    problem that is stored is sixteen of them: a twentieth of all the processor time we need for it.
    """
    since = at - _POSTGRES_EPOCH
    return (since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds,)


def _instant(microseconds: tuple[int]) -> datetime:
    """Infinity, as anything else beyond the calendar of Python, is its end."""
    try:
        return _POSTGRES_EPOCH + timedelta(0, 0, microseconds[0])
    except OverflowError:
        return _FIRST if microseconds[0] < 0 else _LAST
