"""Reading whole lists: a first sync, a merge against dlt, a reconcile of what is known already (measures 6 to 8).

All are whole processes, start included. What they left in Postgres is counted afterwards.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.bench import Bench, Make, Measure, Sample
from tests.bench.bridge import synced
from tests.bench.notification import STEPS
from tests.bench.peers.install import DLT_PYTHON
from tests.bench.process import BenchError, Finished, environment, finished, python

_MERGED = 10_000
_STATUSES = ("submitted", "acknowledged", "inProgress", "resolved")
_DLT_SCRIPT = Path(__file__).resolve().parents[1] / "peers" / "dlt_merge.py"


def first_count(bench: Bench) -> int:
    """How many problems a first sync takes."""
    return 100_000 if bench.long else 20_000


def known_count(bench: Bench) -> int:
    """How many problems a reconcile finds unchanged."""
    return 1_000_000 if bench.long else 20_000


def _sample(done: Finished, count: int, postgres_cpu_seconds: float | None = None) -> Sample:
    cpu = {"app": done.cpu_seconds / count * 1000}
    if postgres_cpu_seconds is not None:
        cpu["postgres"] = postgres_cpu_seconds / count * 1000
    facts = {"problems": count, "per_second": count / done.seconds, "peak_rss_mb": done.peak_rss_bytes / 1e6}
    return Sample(done.seconds, cpu, facts)


def download(known: bool) -> Make:
    """Make the slice that only downloads and parses as many pages as a first sync, or a reconcile, goes through."""

    @asynccontextmanager
    async def make(bench: Bench) -> AsyncIterator[Measure]:
        count = known_count(bench) if known else first_count(bench)
        url = await bench.source(count)
        place = bench.place("download")

        async def measure(_: int) -> Sample:
            done = await finished(python("tests.bench.peers.download", url), place / "log")
            _expect(done.out, rf"read {count}\b")
            return _sample(done, count)

        yield measure

    return make


@asynccontextmanager
async def first_sync(bench: Bench) -> AsyncIterator[Measure]:
    """`tmf656-bridge sync --full` into an empty database, in seconds."""
    count = first_count(bench)
    url = await bench.source(count)

    async def measure(number: int) -> Sample:
        name = f"first_{number}"
        dsn = await bench.postgres.create(name)
        try:
            return await _sync(bench, name, dsn, url, count)
        finally:
            await bench.postgres.drop(name)

    yield measure


@asynccontextmanager
async def reconcile(bench: Bench) -> AsyncIterator[Measure]:
    """`tmf656-bridge sync --full` when all is known and nothing has changed, in seconds."""
    count = known_count(bench)
    url = await bench.source(count)
    dsn = await bench.postgres.create("known")
    await _sync(bench, "known", dsn, url, count)

    async def measure(_: int) -> Sample:
        sample = await _sync(bench, "known", dsn, url, count)
        versions = await bench.postgres.value("known", "select count(*) from bridge.service_problem_version")
        if versions != count:
            raise BenchError(f"{versions} versions of {count} problems that did not change")
        return sample

    yield measure


@asynccontextmanager
async def peak_memory(bench: Bench) -> AsyncIterator[Measure]:
    """The most memory that the reconcile of this round had, in MB."""

    async def measure(_: int) -> Sample:
        return Sample(bench.sample("reconcile").facts["peak_rss_mb"])

    yield measure


@asynccontextmanager
async def merge(bench: Bench) -> AsyncIterator[Measure]:
    """`tmf656-bridge sync --full` of 10,000 problems that are all known and have all changed, in seconds."""
    dsn = await bench.postgres.create("merged")
    await _sync(bench, "merged", dsn, await bench.source(_MERGED), _MERGED)

    async def measure(number: int) -> Sample:
        url = await bench.source(_MERGED, number)
        done = await _sync(bench, "merged", dsn, url, _MERGED)
        await _all_are(bench, "merged", "bridge.service_problem", number)
        return done

    yield measure


@asynccontextmanager
async def dlt_merge(bench: Bench) -> AsyncIterator[Measure]:
    """dlt's merge of the same problems, in seconds."""
    await bench.postgres.create("dlt", migrated=False)
    place = bench.place("dlt")
    env = environment(RUNTIME__DLTHUB_TELEMETRY="false", DLT_DATA_DIR=str(place), RUNTIME__LOG_LEVEL="ERROR")

    async def load(number: int) -> Sample:
        url = await bench.source(_MERGED, number)
        postgres = bench.postgres
        await postgres.settle()
        before = postgres.cpu_seconds()
        words = [DLT_PYTHON, _DLT_SCRIPT, url, postgres.socket_dir, "dlt", place]
        done = await finished([str(word) for word in words], place / "log", env=env)
        return _sample(done, _MERGED, postgres.cpu_seconds() - before)

    await load(0)

    async def measure(number: int) -> Sample:
        sample = await load(number)
        await _all_are(bench, "dlt", "loaded.service_problem", number)
        return sample

    yield measure


async def _sync(bench: Bench, name: str, dsn: str, url: str, count: int) -> Sample:
    postgres = bench.postgres
    await postgres.settle()
    before = postgres.cpu_seconds()
    done = await synced(bench.place("sync"), dsn, url)
    sample = _sample(done, count, postgres.cpu_seconds() - before)
    stored = await postgres.value(name, "select count(*) from report.service_problem")
    if stored != count:
        raise BenchError(f"{stored} of {count} problems were stored:\n{done.out}")
    return sample


async def _all_are(bench: Bench, name: str, table: str, generation: int) -> None:
    """Every problem is in the state of this generation."""
    status = _STATUSES[generation % STEPS]
    query = f"select count(*) from {table} where status = $1"  # noqa: S608 -- the names are ours
    arrived = await bench.postgres.value(name, query, status)
    if arrived != _MERGED:
        raise BenchError(f"{arrived} of {_MERGED} problems are {status} in {table}")


def _expect(out: str, pattern: str) -> None:
    if not re.search(pattern, out):
        raise BenchError(f"expected {pattern!r}:\n{out[-2000:]}")
