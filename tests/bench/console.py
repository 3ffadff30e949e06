"""How long the pages of the console's list take: `python -m tests.bench.console [--runs N] DSN` prints a table for a
database filled by `tests.bench.seed`, each page beside the same question as plain SQL (offset and `ilike`, as somebody
without the console asks it).

A page is a request over HTTP to the console of a `run` of its own, one at a time, from the first byte sent to the last
one read; the first request of each is not counted. Measured is once what the search reads is there.
"""

import argparse
import math
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.parse import urlencode

import aiohttp
import anyio
import asyncpg
import psutil

from bridge.storage import migrations
from tests.bench.bridge import toml
from tests.bench.load import quantile
from tests.bench.process import BenchError, Child, python, running, tree_cpu_seconds

_TOKEN = "measured-and-found-not-wanting"
_LATE_ROW = 50_000
"""The first row of the 1,000th page."""
_STEP = 200
_SEARCH_SECONDS = 3600.0
_PLAIN_RUNS = 3
_OPEN = "deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected')"
_CLOSED = "deleted_at is null and status in ('resolved', 'closed', 'cancelled', 'rejected')"


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page and the condition that plain SQL has for it; `searched`: words, ids, references. `late`: the 1,000th."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    condition: str
    order: str = "updated_at desc"
    searched: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class Timed:
    """What a page took, in milliseconds; `requests`: how many it took to reach and measure it."""

    page: ListPage
    took_ms: Sequence[float]
    plain_ms: float
    requests: int

    @property
    def p95_ms(self) -> float:
        """All but one in twenty are faster."""
        return quantile(sorted(self.took_ms), 0.95) if self.took_ms else float("nan")


def pages() -> list[ListPage]:
    """Every filter by itself, filters together, each order, the first and the 1,000th page; then what is searched."""
    past = (datetime.now(UTC) - timedelta(days=180)).date()
    statuses = ("submitted", "acknowledged", "pending", "held", "inProgress", "unknown")
    found = [ListPage("default", (), _OPEN)]
    found += [ListPage(f"status {one}", (("status", one),), f"{_OPEN} and status = '{one}'") for one in statuses]
    finished = ("resolved", "closed", "cancelled", "rejected")
    found += [
        ListPage(f"status {one}", (("state", "closed"), ("status", one)), f"{_CLOSED} and status = '{one}'")
        for one in finished
    ]
    for source in ("snow", "oss", "field"):
        found.append(ListPage(f"source {source}", (("source", source),), f"{_OPEN} and source = '{source}'"))
    for priority in "15":
        found.append(ListPage(f"priority {priority}", (("priority", priority),), f"{_OPEN} and priority = {priority}"))
    for state, condition in (("closed", _CLOSED), ("deleted", "deleted_at is not null"), ("all", "true")):
        found.append(ListPage(state, (("state", state),), condition))
    found += [
        ListPage("closed, priority 1", (("state", "closed"), ("priority", "1")), f"{_CLOSED} and priority = 1"),
        ListPage(
            "closed, source and category",
            (("state", "closed"), ("source", "field"), ("category", "customer.originated")),
            f"{_CLOSED} and source = 'field' and category = 'customer.originated'",
        ),
        ListPage(
            "all, unknown", (("state", "all"), ("status", "unknown")), "status = 'unknown'"
        ),
        ListPage("all, priority 1 of a source", (("state", "all"), ("source", "field"), ("priority", "1")),
                 "source = 'field' and priority = 1"),
        ListPage("changed in an hour", (("state", "all"), ("changed", "1h")), "updated_at > now() - interval '1 hour'"),
        ListPage("raised in a week", (("created", "7d"),), f"{_OPEN} and created_at > now() - interval '7 days'"),
        ListPage("by urgency", (("sort", "urgency"),), _OPEN, "priority, created_at"),
        ListPage(
            "by time in status",
            (("sort", "status_age"), ("status", "held")),
            f"{_OPEN} and status = 'held'",
            "status_changed_at",
        ),
        ListPage(
            "closed in a month, priority 1",
            (("state", "closed"), ("changed", "30d"), ("priority", "1")),
            f"{_CLOSED} and updated_at > now() - interval '30 days' and priority = 1",
        ),
        ListPage(
            "raised in a month, of a source",
            (("created", "30d"), ("source", "snow")),
            f"{_OPEN} and created_at > now() - interval '30 days' and source = 'snow'",
        ),
        ListPage("raised long ago", (("created", f"..{past}"),), f"{_OPEN} and created_at < date '{past}'"),
        ListPage(
            "a status of a source and priority",
            (("status", "held"), ("source", "snow"), ("priority", "1")),
            f"{_OPEN} and status = 'held' and source = 'snow' and priority = 1",
        ),
        ListPage(
            "open of a source, oldest first",
            (("source", "snow"), ("sort", "raised_asc")),
            f"{_OPEN} and source = 'snow'",
            "created_at",
        ),
        ListPage(
            "cancelled of a priority, oldest first",
            (("state", "closed"), ("status", "cancelled"), ("priority", "5"), ("sort", "raised_asc")),
            f"{_CLOSED} and status = 'cancelled' and priority = 5",
            "created_at",
        ),
        ListPage("all, oldest first", (("state", "all"), ("sort", "raised_asc")), "true", "created_at"),
        ListPage("all, 1,000th page", (("state", "all"),), "true", late=True),
        ListPage("closed, 1,000th page", (("state", "closed"),), _CLOSED, late=True),
        ListPage(
            "closed of a source, 1,000th page",
            (("state", "closed"), ("source", "oss")),
            f"{_CLOSED} and source = 'oss'",
            late=True,
        ),
        ListPage(
            "closed, priority 3, 1,000th page",
            (("state", "closed"), ("priority", "3")),
            f"{_CLOSED} and priority = 3",
            late=True,
        ),
    ]  # fmt: skip
    return found + _searched()


def _searched() -> list[ListPage]:
    def words(name: str, q: str, state: str = "all", *more: tuple[str, str]) -> ListPage:
        condition = " and ".join(f"(id ilike '%{one}%' or name ilike '%{one}%')" for one in q.split())
        return ListPage(name, (("q", q), ("state", state), *more), condition, searched=True)

    def reference(name: str, key: str, value: str, view: str, column: str, state: str = "all") -> ListPage:
        condition = f"(source, id) in (select a.source, a.id from report.{view} as a where a.{column} = '{value}')"  # noqa: S608 -- ours
        return ListPage(name, ((key, value), ("state", state)), condition, searched=True)

    return [
        words("an id", "SP-0000042"),
        words("the number of an id", "0000042"),
        words("a part of an id", "SP-0000"),
        words("a part of the number of an id", "42"),
        words("two common words", "link flapping"),
        words("two rare words", "S1999 SP-0000042"),
        words("a missing word and a common one", "flapping nowhere"),
        words("what all ids begin with", "SP-"),
        words("a common word", "flapping"),
        words("a common word, open", "flapping", "open"),
        words("a rare word", "S1999"),
        words("a rare word and a common one", "S1999 loss"),
        words("a common word, rare status", "flapping", "all", ("status", "unknown")),
        words("a common word of a source", "flapping", "closed", ("source", "field"), ("priority", "1")),
        words("no such word", "nowhere"),
        words("what all begin with and no such word", "SP- nowhere"),
        words("one letter", "s"),
        reference("a service of many", "service", "S0001", "affected_service", "service_id"),
        reference("a service of few", "service", "Service 1999", "affected_service", "name"),
        reference("a service, open", "service", "S0100", "affected_service", "service_id", "open"),
        reference("a party of many", "party", "P001", "related_party", "party_id"),
        reference("a party of few", "party", "Party 299", "related_party", "name"),
        reference("a place of many", "region", "north-01", "affected_location", "name"),
        reference("a place of few, open", "region", "west-10", "affected_location", "name", "open"),
    ]


@asynccontextmanager
async def console(dsn: str, place: Path) -> AsyncIterator[tuple[str, Child]]:
    """Migrate a database, run a bridge without sources on it; yield the address of its console, and the process."""
    connection = await asyncpg.connect(dsn)
    try:
        await migrations.migrate(connection)
    finally:
        await connection.close()
    tables: dict[str, dict[str, object]] = {
        "database": {"dsn": dsn if "://" in dsn else f"postgresql:///{dsn.removeprefix('postgresql:').lstrip('/')}"},
        "http": {"port": 0},
        "log": {"format": "json"},
        "console": {"enabled": True, "port": 0, "admin_token": _TOKEN},
    }
    lines = [f"data_dir = {toml(str(place / 'data'))}"]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in table.items())]
    config = place / "bridge.toml"
    config.write_text("\n".join(lines) + "\n")
    ready = r'console is served[^\n]*"url": ?"(http://[^"]*)"|"url": ?"(http://[^"]*)"[^\n]*console is served'
    async with running(python("bridge", "run", "--config", config), ready, place / "bridge.log") as child:
        yield child.said[1] or child.said[2], child


async def spread(dsn: str) -> None:
    """Move what copies of lives (`tests.bench.copies`) have in common by up to an hour: an index keeps an instant that
    fifty problems share once, and a walk goes past all of them in one step.
    """
    connection = await asyncpg.connect(dsn)
    try:
        for column in ("updated_at", "created_at"):
            await connection.execute(
                f"update bridge.service_problem as p set {column} = p.{column} + make_interval("  # noqa: S608 -- ours
                f"secs => abs(hashtext('{column}' || p.id)) % 3600000 / 1000.0)",
                timeout=_SEARCH_SECONDS,
            )
        await connection.execute("vacuum (full, analyze) bridge.service_problem", timeout=_SEARCH_SECONDS)
    finally:
        await connection.close()


async def searchable(dsn: str) -> None:
    """Wait until everything can be searched, and is summed up: until then the process that leads takes a core."""
    connection = await asyncpg.connect(dsn)
    ready = "select bridge.search_covers() = 'all' and m.complete from bridge.summary as m"
    try:
        with anyio.fail_after(_SEARCH_SECONDS):
            while not await connection.fetchval(ready):  # noqa: ASYNC110 -- of another process
                await anyio.sleep(1)
        await connection.execute("vacuum (analyze) bridge.problem_search", timeout=_SEARCH_SECONDS)
    finally:
        await connection.close()


async def timed(
    dsn: str,
    url: str,
    runs: int,
    wanted: Callable[[ListPage], bool] = lambda _: True,
    *,
    plain: bool = False,
    problems: int = 1_000_000,
) -> AsyncIterator[Timed]:
    """Ask for each page so often; with `plain` plain SQL thrice, once where it takes seconds."""
    headers = {"Authorization": f"Bearer {_TOKEN}"}
    timeout = aiohttp.ClientTimeout(60)
    connection = await asyncpg.connect(dsn)
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            await _reached(session, f"{url}/problems?priority=10")
            for page in filter(wanted, pages()):
                path, steps = f"{url}/problems?{urlencode(page.parameters)}", 0
                if page.late and runs:
                    steps = min(_LATE_ROW, problems // 20) // _STEP
                    path = await _late(session, url, path, steps)
                took = [await _took(session, path) for _ in range(runs + 1 if runs else 0)][1:]
                plain_ms = await _plain(connection, page) if plain else float("nan")
                yield Timed(page, took, plain_ms, len(took) + 1 + steps)
    finally:
        await connection.close()


async def _reached(session: aiohttp.ClientSession, path: str) -> None:
    """Wait until the console has reached Postgres."""
    with anyio.fail_after(60):
        while True:
            async with session.get(path) as answer:
                if answer.status != 503:
                    return
            await anyio.sleep(0.1)


async def _took(session: aiohttp.ClientSession, path: str) -> float:
    started = perf_counter()
    await _text(session, path)
    return (perf_counter() - started) * 1000


async def _text(session: aiohttp.ClientSession, path: str) -> str:
    async with session.get(path, allow_redirects=False) as answer:
        text = await answer.text()
        if answer.status != 200:
            raise BenchError(f"{path} was answered {answer.status}: {text[-600:]}")
        return text


async def _late(session: aiohttp.ClientSession, url: str, path: str, steps: int) -> str:
    """Turn pages until the 1,000th of fifty rows begins; BenchError where the list ends before."""
    there = f"{path}&limit={_STEP}"
    for _ in range(steps):
        link = re.search(r'rel="next" href="([^"]*)"', await _text(session, there))
        if link is None:
            raise BenchError(f"{path} has fewer than {steps * _STEP} rows")
        there = f"{url}{unescape(link[1])}"
    return there.replace(f"limit={_STEP}&", "").replace(f"&limit={_STEP}", "")


async def _plain(connection: "asyncpg.Connection[asyncpg.Record]", page: ListPage) -> float:
    """The median of a few; NaN for what takes more than half a minute."""
    skipped = f" offset {_LATE_ROW}" if page.late else ""
    sql = f"select * from report.service_problem where {page.condition} order by {page.order} limit 50{skipped}"  # noqa: S608 -- ours
    took: list[float] = []
    await connection.execute("set statement_timeout = '30s'")
    while len(took) < _PLAIN_RUNS and (not took or took[0] < 1000):
        started = perf_counter()
        try:
            await connection.fetch(sql)
        except asyncpg.QueryCanceledError:
            return float("nan")
        took.append((perf_counter() - started) * 1000)
    return median(took)


async def _postgres_of(dsn: str) -> int | None:
    """The process id of a Postgres on this machine, else None: the parent of the process that serves us."""
    connection = await asyncpg.connect(dsn)
    try:
        pid = await connection.fetchval("select pg_backend_pid()")
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return None
    finally:
        await connection.close()


async def _main(arguments: argparse.Namespace) -> None:
    place = Path(tempfile.mkdtemp(prefix="bench-console-"))
    postgres = await _postgres_of(arguments.dsn)

    def spent_seconds() -> tuple[float, float]:
        return child.cpu_seconds(), math.nan if postgres is None else tree_cpu_seconds(postgres)

    print("| page | median ms | p95 ms | CPU ms: console | Postgres | plain SQL ms |\n|---|---:|---:|---:|---:|---:|")  # noqa: T201 -- the table is what is wanted
    async with console(arguments.dsn, place) as (url, child):
        if not arguments.unsearched:
            await searchable(arguments.dsn)
        pages_of = timed(
            arguments.dsn,
            url,
            arguments.runs,
            lambda page: not (arguments.unsearched and page.searched) and arguments.only in page.name,
            plain=not arguments.no_plain,
        )
        before = spent_seconds()
        async for one in pages_of:
            after = spent_seconds()
            spent = [(late - early) / one.requests * 1000 for early, late in zip(before, after, strict=True)]
            before = after
            cells = f"{median(one.took_ms):,.1f} | {one.p95_ms:,.1f} | {spent[0]:,.1f} | {spent[1]:,.1f}"
            print(f"| {one.page.name} | {cells} | {one.plain_ms:,.0f} |", flush=True)  # noqa: T201 -- as above


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.console", description=__doc__.split("\n\n")[0])
    parser.add_argument("dsn", help="a database filled by tests.bench.seed")
    parser.add_argument("--runs", type=int, default=20, help="how often each page is asked for")
    parser.add_argument("--only", default="", metavar="TEXT", help="pages with this text in their names")
    parser.add_argument("--unsearched", action="store_true", help="without words and references")
    parser.add_argument("--no-plain", action="store_true", help="without plain SQL")
    anyio.run(_main, parser.parse_args())
