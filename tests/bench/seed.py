"""Fill a migrated database with lifelike problems: `python -m tests.bench.seed [--problems N] [--versions N] DSN`.

Every life that is unlike the others goes through the door (`bridge.storage.observation.store`), a thousand a
transaction; the rest are copies of these under other ids (`tests.bench.copies`). So the tables are what they would be
had the bridge run for a year: a statement repeated is `unchanged`. The same seed and end make the same rows, but for
times that are Postgres' own.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import anyio
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bridge.storage import partition
from bridge.storage import source as source_table
from bridge.storage.database import Connection, Database, opened
from bridge.storage.observation import Entry, store
from tests.bench.copies import TABLES, copy
from tests.bench.histories import DAYS, LOGGED_DAYS, Population, entry_of, midnight

_LIVES_A_BATCH = 500
_DIFFERENT = 20_000
"""Lives unlike each other; more problems than that are copies."""


async def fill(database: Database, population: Population, progress: Progress, *, copies: int = 0) -> None:
    """Make all lives of a population and, on average, so many copies of each; vacuum and analyze after."""
    owed = 0
    total = progress.add_task("problems", total=population.problems * (copies + 1))
    logged_since = midnight(population.until) - timedelta(days=LOGGED_DAYS)
    async with database.connection() as connection:
        await connection.execute("set synchronous_commit = off")
        await connection.execute("set idle_in_transaction_session_timeout = 0")  # copies are made in the middle of one
        source_ids = await _sources(connection, population)
        await _prepare(connection, population, logged_since)
        for batch, ids in _batches(population, source_ids, logged_since):
            async with connection.transaction():
                await store(connection, batch)
                progress.advance(total, sum(map(len, ids.values())))
                for source_id, some in ids.items():
                    # not every life can be copied: what one batch lacks, the next ones make up for
                    owed += copies * len(some)
                    made = await copy(connection, source_id, some, owed, since=logged_since, until=population.until)
                    owed -= made
                    progress.advance(total, made)
        await _in_order(connection)
        for table in TABLES:
            await connection.execute(f"vacuum (analyze) bridge.{table}")  # the names are ours
        await connection.execute("reset idle_in_transaction_session_timeout")
        await connection.execute("reset synchronous_commit")


async def _in_order(connection: Connection) -> None:
    """Lay the facts on the disk in the order in which they were observed, as a bridge does that runs for a year: copies
    lie beside what they were copied from, and an hour that would be in a few pages would be in all of them.
    """
    for table in ("service_problem_version", "status_change"):
        await connection.execute(f"create index seeding_idx on bridge.{table} (observed_at)")
        await connection.execute(f"cluster bridge.{table} using seeding_idx")
        await connection.execute("drop index bridge.seeding_idx")


async def _sources(connection: Connection, population: Population) -> list[int]:
    made = [await source_table.ensure(connection, name, f"https://{name}.example", "") for name in population.sources]
    first = population.until - timedelta(days=DAYS + 1)
    await connection.execute("update bridge.source set created_at = $1", first)
    return [one.id for one in made]


async def _prepare(connection: Connection, population: Population, logged_since: datetime) -> None:
    days = (midnight(population.until) - logged_since).days
    async with connection.transaction():
        await partition.ensure(connection, [(logged_since + timedelta(days=day)).date() for day in range(days + 2)])


def _batches(
    population: Population, source_ids: list[int], logged_since: datetime
) -> Iterator[tuple[list[Entry], dict[int, list[str]]]]:
    """Yield what to store in one transaction, in the order of arrival, and the ids of each source in it."""
    histories = population.histories()
    while some := list(islice(histories, _LIVES_A_BATCH)):
        steps = [(one, source_ids[index], problem_id) for index, problem_id, all_steps in some for one in all_steps]
        steps.sort(key=lambda each: each[0].arrives_at)
        ids: dict[int, list[str]] = {}
        for index, problem_id, _ in some:
            ids.setdefault(source_ids[index], []).append(problem_id)
        yield [entry_of(one, where, problem_id, logged_since=logged_since) for one, where, problem_id in steps], ids


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.seed", description=__doc__.split("\n\n")[0])
    parser.add_argument("dsn", help="a migrated database that may be filled")
    parser.add_argument("--problems", type=int, default=1_000_000)
    parser.add_argument("--versions", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=656)
    parser.add_argument(
        "--until", type=datetime.fromisoformat, default=None, help="end of the year of lives; default: now"
    )
    return parser.parse_args()


async def _main(arguments: argparse.Namespace) -> None:
    until = (arguments.until or datetime.now(UTC)).astimezone(UTC)
    copies = max(0, round(arguments.problems / _DIFFERENT) - 1)
    different = arguments.problems // (copies + 1)
    population = Population(different, arguments.versions // (copies + 1), until, arguments.seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with opened(arguments.dsn, wait=False) as database:
        with Progress(*columns) as progress:
            await fill(database, population, progress, copies=copies)


if __name__ == "__main__":
    anyio.run(_main, _arguments())
