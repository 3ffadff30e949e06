"""The one Postgres that all sides write to, and what is asked of it about them.

It is started from the bridge's own binaries, with the bridge's own settings for an embedded server and these. They are
the same for every side, and none of them trades durability for speed.
"""

import math
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg

from bridge.postgres.embedded import embedded
from bridge.storage import migrations, partition
from tests.bench.load import quantile
from tests.bench.process import BenchError, finished, tree_cpu_seconds

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_connections": "100",
}
_TEMPLATE = "bench_template"
_SQL = Path(__file__).with_name("peers") / "pgbench"


@dataclass(frozen=True, slots=True)
class Commits:
    """What pgbench did."""

    count: int
    rate: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that runs."""

    dsn: str
    bin_dir: Path
    pid: int
    scratch: Path
    version: str

    @property
    def socket_dir(self) -> str:
        """Where its socket is, for clients that want host and port."""
        return parse_qs(urlsplit(self.dsn).query)["host"][0]

    def of(self, name: str) -> str:
        """The DSN of a database."""
        parts = urlsplit(self.dsn)
        return f"{parts.scheme}://{parts.netloc}/{quote(name)}?{parts.query}"

    def cpu_seconds(self) -> float:
        """Processor time of all its processes, so far."""
        return tree_cpu_seconds(self.pid)

    async def create(self, name: str, *, migrated: bool = True) -> str:
        """Make a database with the bridge's schema, or an empty one; return its DSN."""
        await self.execute("postgres", f"create database {name} template {_TEMPLATE if migrated else 'template0'}")
        return self.of(name)

    async def drop(self, name: str) -> None:
        """Remove a database, and end the connections to it."""
        await self.execute("postgres", f"drop database {name} with (force)")

    async def settle(self) -> None:
        """Write out what earlier slices left behind, so that the next one does not pay for it."""
        await self.execute("postgres", "checkpoint")

    async def execute(self, name: str, statement: str) -> None:
        """Carry out a statement."""
        connection = await asyncpg.connect(self.of(name))
        try:
            await connection.execute(statement, timeout=3600)
        finally:
            await connection.close()

    async def value(self, name: str, query: str, *arguments: object) -> int:
        """Ask for one number."""
        connection = await asyncpg.connect(self.of(name))
        try:
            return int(await connection.fetchval(query, *arguments, timeout=3600))
        finally:
            await connection.close()

    async def missing(self, name: str, answered: Path) -> int:
        """How many of these events of the last hours, one id a line, are not in report.notification."""
        ids = answered.read_text().split()
        return await self.value(
            name,
            "select count(*) from (select unnest($1::text[]) except "
            "select event_id from report.notification where received_at > now() - interval '2 hours') as m",
            ids,
        )

    async def stored_bytes(self, name: str) -> int:
        """All tables and indexes of the bridge."""
        return await self.value(
            name,
            "select sum(pg_total_relation_size(c.oid)) from pg_class as c "
            "where c.relnamespace = 'bridge'::regnamespace and c.relkind in ('r', 'm')",
        )

    async def pgbench(
        self, name: str, script: str, *, clients: int, seconds: int, variables: dict[str, object]
    ) -> Commits:
        """Run a script of `peers/pgbench` for some seconds; its statements are prepared."""
        prefix = self.scratch / f"pgbench-{name}"
        options = [
            "-h",
            self.socket_dir,
            "-p",
            "5432",
            "-U",
            "postgres",
            "-n",
            "-M",
            "prepared",
            "-f",
            str(_SQL / script),
        ]
        defined = [word for key, value in variables.items() for word in ("-D", f"{key}={value}")]
        timing = ["-c", str(clients), "-j", "1", "-T", str(seconds), "-l", "--log-prefix", str(prefix)]
        command = [str(self.bin_dir / "pgbench"), *options, *timing, *defined, name]
        ended = await finished(command, self.scratch / f"pgbench-{name}.log")
        found = re.search(r"tps = ([0-9.]+)", ended.out)
        if found is None or "failed transactions: 0 " not in ended.out:
            raise BenchError(f"pgbench said:\n{ended.out}")
        latencies = _latencies(sorted(self.scratch.glob(f"{prefix.name}.*[0-9]")))
        return Commits(len(latencies), float(found[1]), quantile(latencies, 0.99) if latencies else math.nan)


def _latencies(logs: Sequence[Path]) -> list[float]:
    """Milliseconds of each transaction, ordered; the logs are removed."""
    latencies = []
    for log in logs:
        latencies += [int(line.split()[2]) / 1000 for line in log.read_text().splitlines()]
        log.unlink()
    return sorted(latencies)


@asynccontextmanager
async def postgres(scratch: Path) -> AsyncIterator[Postgres]:
    """Run the server, with a migrated template."""
    async with embedded(scratch / "data", settings=SETTINGS) as own:
        connection = await asyncpg.connect(own.dsn)
        version = await connection.fetchval("show server_version")
        await connection.execute(f"create database {_TEMPLATE}")
        await connection.close()
        pid = int((scratch / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
        server = Postgres(own.dsn, own.bin_dir, pid, scratch, version)
        connection = await asyncpg.connect(server.of(_TEMPLATE))
        try:
            await migrations.migrate(connection)
            async with connection.transaction():
                today = datetime.now(UTC).date()
                await partition.ensure(connection, [today, today + timedelta(days=1)])
        finally:
            await connection.close()
        yield server
