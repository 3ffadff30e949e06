"""A storm on an empty database, what it leaves there, and how long a start takes (measures 11 to 13)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from tests.bench.bench import Bench, Measure, Sample
from tests.bench.process import LostError

_CONNECTIONS = 200


@asynccontextmanager
async def storm(bench: Bench) -> AsyncIterator[Measure]:
    """Notifications in a burst over 200 connections, until each is answered: seconds per 1,000. The sender honours
    Retry-After; one refused without it, or one that is lost, ends the run.
    """
    count = 50_000 if bench.long else 20_000
    postgres = bench.postgres

    async def measure(number: int) -> Sample:
        name = f"storm_{number}"
        dsn = await postgres.create(name)
        try:
            empty = await postgres.stored_bytes(name)
            async with bench.bridge(dsn, await bench.source(0)) as own:
                report, cpu = await bench.push(
                    own.port, own.child, database=name, count=count, connections=_CONNECTIONS
                )
                stored = await postgres.stored_bytes(name) - empty
            if report.refused_without_retry_after or report.answered != count:
                raise LostError(f"the storm lost something: {report}")
            changes = await postgres.value(name, "select count(*) from report.service_problem_version")
        finally:
            await postgres.drop(name)
        facts = {"refused": float(sum(report.refused.values())), "p99_ms": report.p99_ms, "max_ms": report.max_ms}
        return Sample(
            report.seconds / count * 1000, cpu, facts | {"bytes_per_change": stored / changes, "count": count}
        )

    yield measure


@asynccontextmanager
async def stored(bench: Bench) -> AsyncIterator[Measure]:
    """Bytes in Postgres per stored change, as the storm of this round left them."""

    async def measure(_: int) -> Sample:
        return Sample(bench.sample("storm").facts["bytes_per_change"])

    yield measure


@asynccontextmanager
async def start(bench: Bench) -> AsyncIterator[Measure]:
    """Seconds from the start of `tmf656-bridge run` on a ready database until it is ready."""
    dsn = await bench.postgres.create("start")

    async def measure(_: int) -> Sample:
        source_url = await bench.source(0)
        began = monotonic()
        async with bench.bridge(dsn, source_url, workers=1) as own:
            seconds = monotonic() - began
            return Sample(seconds, facts={"rss_mb": own.child.rss_bytes() / 1e6})

    yield measure
