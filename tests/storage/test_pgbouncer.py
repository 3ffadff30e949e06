"""D5: behind pgbouncer with `pool_mode = session` everything works; `transaction` is refused with the remedy."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from subprocess import STDOUT
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest

from bridge.errors import ConfigurationError, DatabaseUnavailableError
from bridge.settings.dsn import read_dsn
from bridge.storage import change
from bridge.storage.database import opened
from tests.faults.proxy import Proxy

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed (Debian package pgbouncer)"),
]
Pooled = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def pooled(dsn: str) -> Pooled:
    @asynccontextmanager
    async def start(pool_mode: str, pool_size: int = 10) -> AsyncIterator[str]:
        """A pgbouncer before the test's database, on a socket of its own; yields the DSN that leads to it."""
        name, host = urlsplit(dsn).path[1:], parse_qs(urlsplit(dsn).query)["host"][0]
        postgres = Proxy(f"{host}/.s.PGSQL.5432")  # whom pgbouncer runs as may not enter that directory
        await postgres.open()
        with TemporaryDirectory() as made:
            directory = Path(made)
            directory.chmod(0o777)
            (directory / "users").write_text('"postgres" ""\n')
            (directory / "ini").write_text(
                f"[databases]\n{name} = host=127.0.0.1 port={postgres.port} user=postgres\n"
                f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {directory}\nlisten_port = 6432\n"
                f"auth_type = any\nauth_file = {directory}/users\npool_mode = {pool_mode}\n"
                f"default_pool_size = {pool_size}\n"
            )
            as_root = ["-u", "nobody"] if os.geteuid() == 0 else []
            command = [str(PROGRAM), "-q", *as_root, str(directory / "ini")]
            async with await anyio.open_process(command, stderr=STDOUT) as process:
                try:
                    await up(directory / ".s.PGSQL.6432")
                    yield f"postgresql:///{name}?host={directory}&port=6432&user=postgres&connect_timeout=2"
                finally:
                    with suppress(ProcessLookupError):
                        process.kill()
        await postgres.shut()

    return start


async def up(path: Path) -> None:
    with anyio.fail_after(20):
        while not path.exists():  # noqa: ASYNC110 -- another program makes it
            await anyio.sleep(0.02)


async def test_d5_session_mode_works_with_what_the_bridge_needs(pooled: Pooled) -> None:
    async with pooled("session") as dsn, opened(dsn, min_size=1, max_size=3, wait=False) as database:
        notified = anyio.Event()
        async with database.connection() as connection, change.listening(connection, notified.set):
            async with database.session() as other:
                assert await other.fetchval("show enable_seqscan") == "off"
                assert await other.fetchval("show idle_in_transaction_session_timeout") == "10s"
                for number in range(5):
                    assert await other.fetchval("select $1::integer", number) == number
                await other.execute(f"select pg_notify('{change.CHANNEL}', '')")
            with anyio.fail_after(20):
                await notified.wait()
            names = await connection.fetch("select application_name from pg_stat_activity")
            assert database.identity in {row[0] for row in names}


@pytest.mark.parametrize("pool_size", [1, 10])
async def test_d5_transaction_mode_is_refused_with_what_to_do(pooled: Pooled, pool_size: int) -> None:
    async with pooled("transaction", pool_size) as dsn:
        with pytest.raises(ConfigurationError, match=r"database\.dsn.*pool_mode = session"):
            async with opened(dsn):
                pass


async def test_d5_a_pooler_with_one_connection_is_named_not_waited_for(pooled: Pooled) -> None:
    async with pooled("session", 1) as dsn:
        with pytest.raises(DatabaseUnavailableError, match="pool_size"):
            async with opened(dsn, wait=False):
                pass


def test_the_dsn_of_a_pooler_is_an_ordinary_one() -> None:
    assert read_dsn("postgresql://u@pooler:6432/d?statement_cache_size=0").driver_arguments()["port"] == [6432]
