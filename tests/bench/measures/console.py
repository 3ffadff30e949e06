"""The pages of the console's list on a database that holds a year, beside the same questions as plain SQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import isnan
from statistics import median

from tests.bench.bench import Bench, Make, Measure, Sample
from tests.bench.console import console, searchable, spread, timed
from tests.bench.process import finished, python

_RUNS = 20
_VERSIONS = 3


@asynccontextmanager
async def pages(bench: Bench) -> AsyncIterator[Measure]:
    """The slowest page by filters: all but one of twenty requests for it took no longer. The facts have the same for
    searches, and the medians over all pages of both and of plain SQL, which is asked in the first round only.
    """
    dsn = await bench.postgres.create("console")
    command = python("tests.bench.seed", dsn, "--problems", bench.problems, "--versions", _VERSIONS * bench.problems)
    await finished(command, bench.place("seed") / "log")
    await spread(dsn)
    plain: dict[str, float] = {}
    async with console(dsn, bench.place("console")) as (url, child):
        await searchable(dsn)
        await bench.postgres.settle()

        async def measure(_: int) -> Sample:
            before = child.cpu_seconds(), bench.postgres.cpu_seconds()
            done = [one async for one in timed(dsn, url, _RUNS, problems=bench.problems)]
            spent = child.cpu_seconds() - before[0], bench.postgres.cpu_seconds() - before[1]
            if not plain:
                asked = timed(dsn, url, 0, plain=True, problems=bench.problems)
                plain.update({one.page.name: one.plain_ms async for one in asked})
            filters, searches = ([one for one in done if one.page.searched is kind] for kind in (False, True))
            thousands = sum(one.requests for one in done) / 1000
            return Sample(
                max(one.p95_ms for one in filters),
                {"app": spent[0] / thousands, "postgres": spent[1] / thousands},
                {
                    "search_p95_ms": max(one.p95_ms for one in searches),
                    "median_ms": median(median(one.took_ms) for one in filters),
                    "search_median_ms": median(median(one.took_ms) for one in searches),
                    "plain_ms": median(_known(plain[one.page.name]) for one in filters),
                    "search_plain_ms": median(_known(plain[one.page.name]) for one in searches),
                },
            )

        yield measure


def of_pages(fact: str) -> Make:
    """A slice that is a fact of this round's pages."""

    @asynccontextmanager
    async def make(bench: Bench) -> AsyncIterator[Measure]:
        async def measure(_: int) -> Sample:
            return Sample(bench.sample("console").facts[fact])

        yield measure

    return make


def _known(milliseconds: float) -> float:
    """What took too long counts as half a minute."""
    return 30_000.0 if isnan(milliseconds) else milliseconds
