"""The embedded Postgres, which the bridge starts: for a laptop, a trial, or one machine without a database team.

    async with embedded(Path(".bridge")) as postgres:
        connection = await asyncpg.connect(postgres.dsn)

Below `data_dir` lie `postgres/` (the cluster, see `cluster`), `postgres.log`, `lock` (held while a process owns the
server; says which) and perhaps `postgres.socket` (where the socket is when `data_dir` is too long for one). Two
processes may use one server: the second joins with `join=True` and never stops it. Any number of data directories may
be in use at once.

The server stops with its owner, also after kill -9 (on Linux), and the next owner waits until it has stopped. No
committed data are lost by that: fsync, synchronous_commit and full_page_writes are on. The lock is the kernel's, so a
crash releases it.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

import anyio
import asyncpg

from bridge.errors import DatabaseUnavailableError, PermanentError
from bridge.postgres import cluster as clusters
from bridge.postgres import pid_file, socket_directory
from bridge.postgres.binaries import find_binaries
from bridge.postgres.cluster import Cluster
from bridge.postgres.postmaster import Postmaster

__all__ = ["Embedded", "embedded", "find_binaries"]

DATABASE = "bridge"
LOCK_FILE: Final = "lock"
"""In a data directory: locked while a process uses it."""

_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": "128MB",
        "max_connections": "50",
        "min_wal_size": "512MB",
        "max_wal_size": "1GB",
        "checkpoint_timeout": "10min",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "jit": "off",  # short statements: compiling them costs more than it saves
        "log_checkpoints": "off",  # the log file is only rotated at start
        "log_line_prefix": "%m [%p] ",
    }
)
_LZ4_SETTINGS: Mapping[str, str] = MappingProxyType({"wal_compression": "lz4", "default_toast_compression": "lz4"})
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
_READY_LIMIT_SECONDS = 300.0
"""Recovery after a crash replays at most about `max_wal_size` of log; slow disks need minutes for that."""
_JOIN_LIMIT_SECONDS = 60.0
_CONNECT_LIMIT_SECONDS = 10.0
_NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.TooManyConnectionsError,
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running Postgres with the database `bridge`.

    `dsn`: for asyncpg and libpq alike; superuser. `bin_dir`: where psql and pg_dump of its version are. `owned`: this
    process started it and stops it at the end of the context.
    """

    dsn: str
    bin_dir: Path
    owned: bool


@asynccontextmanager
async def embedded(
    data_dir: Path, *, bin_dir: Path | None = None, settings: Mapping[str, str] = _NO_SETTINGS, join: bool = False
) -> AsyncIterator[Embedded]:
    """Run Postgres on `data_dir` (made if need be) for the length of the context.

    `bin_dir`: the programs to use, else see `find_binaries`. `settings` go before ours, except the ones that say where
    to connect. `join`: when another process owns the server, wait until it is ready and use it. Otherwise that is a
    PermanentError, and so is everything that would fail again: no programs, another version's data, a wrong setting.
    DatabaseUnavailableError: not ready in time. Cancelled at any point, it leaves no process behind.
    """
    with _opened_lock(data_dir) as lock:
        programs = await anyio.to_thread.run_sync(find_binaries, bin_dir)
        path = Path(lock.name).with_name("postgres")
        if not _acquired(lock):
            if not join:
                raise PermanentError(
                    f"{data_dir} is in use by process {_owner(lock)}, which runs the Postgres in it. Stop that "
                    "process, or set another data_dir, or database.dsn."
                )
            address = await _joined(lock, path)
            if address is not None:
                yield Embedded(address, programs, owned=False)
                return
        async with _running(path, programs, settings) as address:
            yield Embedded(address, programs, owned=True)


async def clear(data_dir: Path) -> bool:
    """Remove all that lies in a data directory, its journal too; False, and nothing is removed: a process uses it."""
    with _opened_lock(data_dir) as lock:
        if not _acquired(lock):
            return False
        path = Path(lock.name)
        await pid_file.settle(path.with_name("postgres"))
        await anyio.to_thread.run_sync(_remove_beside, path)
        return True


def _remove_beside(lock: Path) -> None:
    try:
        for path in lock.parent.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != lock:
                path.unlink()
    except OSError as error:
        raise PermanentError(f"Cannot remove what is in data_dir {lock.parent}: {error}") from error


@asynccontextmanager
async def _running(path: Path, bin_dir: Path, settings: Mapping[str, str]) -> AsyncIterator[str]:
    """Run the server on the cluster at `path`, made if need be; yield the address of the database."""
    cluster = await anyio.to_thread.run_sync(clusters.prepare, path, bin_dir)
    await pid_file.settle(path)
    socket_dir = await anyio.to_thread.run_sync(socket_directory.socket_dir, cluster)
    arguments = await anyio.to_thread.run_sync(_server_settings, cluster, socket_dir, settings)
    postmaster = Postmaster(cluster, arguments, path.with_name("postgres.log"))
    postmaster.start()
    try:
        address = await _ready(postmaster, socket_dir)
        postmaster.keep_running()
        yield address
    finally:
        with anyio.CancelScope(shield=True):  # `stop` has limits of its own
            await postmaster.stop()
            await anyio.to_thread.run_sync(socket_directory.forget_socket_dir, path)


async def _ready(postmaster: Postmaster, socket_dir: Path) -> str:
    """Return the address of the database once the server takes connections; make the database the first time."""
    maintenance = socket_directory.dsn(socket_dir, "postgres")
    with anyio.move_on_after(_READY_LIMIT_SECONDS):
        for pause_seconds in pid_file.pauses_seconds():
            if postmaster.ended:
                raise PermanentError(f"The embedded Postgres did not start: {postmaster.failure()}")
            if await _answers(maintenance, _make_database):
                return socket_directory.dsn(socket_dir, DATABASE)
            await anyio.sleep(pause_seconds)
    raise DatabaseUnavailableError(
        f"The embedded Postgres was not ready after {_READY_LIMIT_SECONDS:.0f} s: {postmaster.log_tail()}"
    )


async def _joined(lock: BinaryIO, path: Path) -> str | None:
    """Return the address of the database that the lock's owner runs, once it answers; None: the lock became ours."""
    with anyio.move_on_after(_JOIN_LIMIT_SECONDS):
        for pause_seconds in pid_file.pauses_seconds():
            if _acquired(lock):
                return None
            socket_dir = await anyio.to_thread.run_sync(socket_directory.running_socket_dir, path)
            if socket_dir is not None:
                address = socket_directory.dsn(socket_dir, DATABASE)
                with contextlib.suppress(asyncpg.InvalidCatalogNameError):  # the owner is about to create it
                    if await _answers(address):
                        return address
            await anyio.sleep(pause_seconds)
    raise DatabaseUnavailableError(
        f"Process {_owner(lock)} holds {lock.name}, but its Postgres was not ready after {_JOIN_LIMIT_SECONDS:.0f} s."
    )


async def _answers(
    address: str, then: Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[None]] | None = None
) -> bool:
    """Whether the server accepts a connection; `then` is called with it. Raises errors other than a starting server."""
    try:
        connection = await asyncpg.connect(address, timeout=_CONNECT_LIMIT_SECONDS)
    except _NOT_YET:
        return False
    try:
        if then is not None:
            await then(connection)
    finally:
        connection.terminate()
    return True


async def _make_database(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    if not await connection.fetchval("select exists (select from pg_database where datname = $1)", DATABASE):
        await connection.execute(f"create database {DATABASE}")


def _server_settings(cluster: Cluster, socket_dir: Path, settings: Mapping[str, str]) -> list[str]:
    lz4 = _LZ4_SETTINGS if clusters.supports_lz4(cluster) else _NO_SETTINGS
    where = {
        "listen_addresses": "",
        "port": str(socket_directory.PORT),
        "unix_socket_directories": socket_directory.socket_setting(cluster, socket_dir),
        "unix_socket_permissions": "0700",
        "cluster_name": clusters.CLUSTER_NAME,
    }
    named = [f"{name}={value}" for name, value in {**_SETTINGS, **lz4, **settings, **where}.items()]
    return [*named, pid_file.mark(cluster.path)]


def _opened_lock(data_dir: Path) -> BinaryIO:
    """Open the lock file of `data_dir`; both are made if need be and readable by nobody else. Not locked yet."""
    try:
        data_dir = data_dir.absolute()
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = data_dir / LOCK_FILE
        path.touch(mode=0o600, exist_ok=True)
        return path.open("r+b", buffering=0)
    except OSError as error:
        raise PermanentError(f"Cannot use data_dir {data_dir}: {error}") from error


def _acquired(lock: BinaryIO) -> bool:
    """Take the lock and write our process id into it, or return False; closing the file (or dying) gives it back."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    lock.seek(0)
    lock.truncate()
    lock.write(b"%d\n" % os.getpid())
    return True


def _owner(lock: BinaryIO) -> str:
    """Return the process id of the lock's owner; a question mark in the moment before it has written that."""
    lock.seek(0)
    return lock.read().decode(errors="replace").strip() or "?"
