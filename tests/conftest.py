"""One Postgres a test session, one database a test.

The server is the embedded one (fsync off: nothing here pulls the plug; a killed process loses nothing). A template
database is migrated once and copied for each test: some 400 files. That takes 20 ms in memory and up to 500 ms on a
busy disk, so temporary directories are in memory where a file system there has room.
"""

import itertools
import os
import shutil
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import psutil
import pytest
import structlog
from hypothesis import settings

from bridge.postgres.embedded import Embedded, embedded
from bridge.storage import migrations, partition
from bridge.storage.database import Database, opened
from bridge.telemetry import redaction

# the same examples on every run of CI, others at every desk
settings.register_profile("bridge", database=None, deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("bridge")

# Tracebacks are plain: one with its local variables can take many seconds to draw, in a transaction that Postgres ends.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# Bytecode is kept, whatever the environment says: without it every program that a test starts compiles the package
# again, and every worker all tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest_plugins = ["tests.source_rig"]

_TEMPLATE = "bridge_template"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 -- pytest makes a directory of its own in it
_ROOM_BYTES = 2 << 30
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "min_wal_size": "32MB",
    "max_wal_size": "128MB",
}
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Place temporary directories in memory, unless somebody said where they are to be."""
    if config.option.basetemp is None and _has_room_in_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_IN_MEMORY))
        _remove_abandoned()


def _has_room_in_memory() -> bool:
    """Whether files can be made, and programs started, in a file system that is in memory."""
    if not os.access(_IN_MEMORY, os.W_OK | os.X_OK) or os.statvfs(_IN_MEMORY).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(_IN_MEMORY).free >= _ROOM_BYTES


def _remove_abandoned() -> None:
    """Remove what sessions left that were killed: pytest waits three days, which is long for memory."""
    for lock in _IN_MEMORY.glob("pytest-of-*/pytest-*/.lock"):
        with suppress(OSError, ValueError):
            if not psutil.pid_exists(int(lock.read_text())):
                shutil.rmtree(lock.parent)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With TMF656_TESTS_STRICT=true, where everything is at hand, a skipped test is a failed one."""
    report = yield
    if os.environ.get("TMF656_TESTS_STRICT") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which TMF656_TESTS_STRICT does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for whole modules."""
    report = yield
    if os.environ.get("TMF656_TESTS_STRICT") == "true" and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which TMF656_TESTS_STRICT does not allow: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
async def postgres(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Embedded]:
    """A Postgres of our own with a migrated template database."""
    place = tmp_path_factory.mktemp("postgres")
    async with embedded(place, settings=_SETTINGS) as own:
        connection = await asyncpg.connect(own.dsn)
        await connection.execute(f"create database {_TEMPLATE}")
        await connection.close()
        connection = await asyncpg.connect(with_database(own.dsn, _TEMPLATE))
        await migrations.migrate(connection)
        async with connection.transaction():
            today = datetime.now(UTC).date()
            await partition.ensure(connection, [today, today + timedelta(days=1), date(2026, 6, 1)])
        await connection.close()
        yield own
    shutil.rmtree(place)


@pytest.fixture
async def dsn(postgres: Embedded) -> AsyncIterator[str]:
    """The DSN of a fresh, migrated database."""
    name = f"test_{next(_numbers)}"
    connection = await asyncpg.connect(postgres.dsn)
    try:
        await connection.execute(f"create database {name} template {_TEMPLATE} strategy file_copy")
        yield with_database(postgres.dsn, name)
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


@pytest.fixture
async def empty_dsn(postgres: Embedded) -> AsyncIterator[str]:
    """The DSN of a fresh database without any schema of ours."""
    name = f"empty_{next(_numbers)}"
    connection = await asyncpg.connect(postgres.dsn)
    try:
        await connection.execute(f"create database {name} strategy file_copy")
        yield with_database(postgres.dsn, name)
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """A pool on a fresh, migrated database."""
    async with opened(dsn, wait=False) as database:
        yield database


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(dsn)
    return f"{parts.scheme}://{parts.netloc}/{quote(name)}?{parts.query}"


@pytest.fixture(autouse=True)
def no_bridge_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the machine's environment stay out of the tests."""
    for name in [name for name in os.environ if name.startswith("BRIDGE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def secrets_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget after a test what it had hidden from logs: its words may stand in what the next one reads."""
    monkeypatch.setattr(redaction, "_hidden", redaction._hidden)
    monkeypatch.setattr(redaction, "_hidden_pattern", redaction._hidden_pattern)


@pytest.fixture
def nothing_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what fixtures of this process have hidden, too."""
    monkeypatch.setattr(redaction, "_hidden", frozenset())
    monkeypatch.setattr(redaction, "_hidden_pattern", None)
