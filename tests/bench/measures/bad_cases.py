"""Bad cases that must not hurt: each is the rate of the bridge under it, set against the rate of measure 1."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.bench import Bench, Measure, Sample
from tests.bench.measures.push import sample
from tests.bench.process import python, running

_ONE_WAY_SECONDS = 0.025


@asynccontextmanager
async def far_postgres(bench: Bench) -> AsyncIterator[Measure]:
    """Postgres 50 milliseconds away, there and back."""
    name = "far"
    postgres = bench.postgres
    await postgres.create(name)
    path = Path(postgres.socket_dir) / ".s.PGSQL.5432"
    command = python("tests.bench.proxy", path, "--delay", _ONE_WAY_SECONDS)
    async with running(command, r"listening (\d+)", bench.place("proxy") / "log") as proxy:
        dsn = f"postgresql://postgres@127.0.0.1:{proxy.said[1]}/{name}?sslmode=disable"
        async with bench.bridge(dsn, await bench.source(0)) as own:
            await bench.load(own.port, seconds=1)

            async def measure(_: int) -> Sample:
                return sample(*await bench.push(own.port, own.child, database=name))

            yield measure
