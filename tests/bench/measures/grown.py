"""What time does: a database that holds a year, and ten minutes without a pause (measures 9 and 10)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.bench.bench import Bench, Measure, Sample
from tests.bench.load import Report
from tests.bench.measures.push import sample
from tests.bench.process import BenchError, finished, python


@asynccontextmanager
async def filled(bench: Bench) -> AsyncIterator[Measure]:
    """The bridge on a database with 1,000,000 problems in 5,000,000 versions; a fiftieth of that in the short form."""
    problems = 1_000_000 if bench.long else 20_000
    dsn = await bench.postgres.create("filled")
    command = python("tests.bench.seed", dsn, "--problems", problems, "--versions", 5 * problems)
    await finished(command, bench.place("seed") / "log")
    versions = await bench.postgres.value("filled", "select count(*) from bridge.service_problem_version")
    if versions < 4 * problems:
        raise BenchError(f"the seed made {versions} versions of {problems} problems")
    async with bench.bridge(dsn, await bench.source(0)) as own:
        await bench.load(own.port, seconds=1)

        async def measure(_: int) -> Sample:
            done = sample(*await bench.push(own.port, own.child, database="filled"))
            return Sample(done.value, done.cpu, done.facts | {"versions": versions})

        yield measure


@asynccontextmanager
async def soak(bench: Bench) -> AsyncIterator[Measure]:
    """Memory after ten minutes at 1,000 a second ÷ memory after one; a tenth of that time in the short form."""
    seconds = 600 if bench.long else 60
    dsn = await bench.postgres.create("soak")

    async def measure(_: int) -> Sample:
        async with bench.bridge(dsn, await bench.source(0), workers=1) as own:

            async def send(share: float) -> tuple[Report, dict[str, float]]:
                report, cpu = await bench.push(own.port, own.child, database="soak", rate=1000, seconds=seconds * share)
                if report.unanswered or report.refused:
                    raise BenchError(f"the bridge did not keep up: {report}")
                return report, cpu

            await send(0.1)
            early = own.child.rss_bytes()
            report, cpu = await send(0.9)
            late = own.child.rss_bytes()
        return Sample(late / early, cpu, {"early_mb": early / 1e6, "late_mb": late / 1e6, "p99_ms": report.p99_ms})

    yield measure
