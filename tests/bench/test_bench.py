"""The bench measures what it says: its client counts and repeats right, figures and medians are right, the statements
of pgbench fit the schema.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import anyio
import asyncpg
import orjson
import pytest
from rich.console import Console

from bridge.tmf656 import wire
from tests.bench import plot, report
from tests.bench.bench import Sample
from tests.bench.load import Plan, Report, quantile
from tests.bench.measures.table import GOALS, SLICES
from tests.bench.notification import DUPLICATES, EPOCH, envelope, event_id, maker, problem
from tests.bench.pages import Collection
from tests.bench.process import ROOT, environment, finished, python, running

pytestmark = pytest.mark.anyio
SCRIPTS = ROOT / "tests" / "bench" / "peers" / "pgbench"

Answer = Callable[[bytes], bytes]
CREATED = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n"


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[int]:
    """An HTTP server that gives each body to `answer` and writes back what that returns."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(re.search(rb"Content-Length: (\d+)", head)[1])
                writer.write(answer(await reader.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def sent(port: int, **how: object) -> Report:
    """What the client reports."""
    plan = Plan("127.0.0.1", port, "/", "t", **how)
    command = python("tests.bench.load")
    ran = await anyio.run_process(command, input=orjson.dumps(asdict(plan)), env=environment())
    return Report(**orjson.loads(ran.stdout))


async def test_the_client_sends_each_event_until_it_is_taken(tmp_path: Path) -> None:
    seen: list[str] = []

    def answer(body: bytes) -> bytes:
        seen.append(orjson.loads(body)["eventId"])
        return BUSY if len(seen) % 10 == 0 else CREATED

    ids = tmp_path / "ids"
    async with server(answer) as port:
        done = await sent(port, count=200, connections=8, answered_path=str(ids))
    assert (done.answered, done.refused, done.refused_without_retry_after) == (200, {"503": len(seen) - 200}, 0)
    assert sorted(set(seen)) == [event_id("t", n) for n in range(200)] == ids.read_text().split()
    assert done.seconds > 0
    assert 0 < done.p50_ms <= done.p99_ms <= done.max_ms


async def test_the_client_keeps_its_rate_and_its_time() -> None:
    async with server(lambda _: CREATED) as port:
        paced = await sent(port, rate=200, seconds=0.5, connections=4)
        closed = await sent(port, seconds=0.2, connections=4, slow=3)
    assert (paced.sent, paced.answered, paced.unanswered) == (100, 100, 0)
    assert paced.seconds >= 0.495
    assert closed.answered == closed.sent > 4
    assert closed.rate == pytest.approx(closed.answered / closed.seconds)


@pytest.mark.parametrize("shape", ["lives", "new", "hot", "duplicates"])
def test_notifications_are_whole_and_understood(shape: str) -> None:
    make = maker(shape, "t")
    read = [wire.read_notification(make(n), received_at=EPOCH) for n in (0, 1, 256, 700, 5000)]
    assert all(one.observation is not None and one.observation.kind == "full" for one in read)
    assert all(abs(len(make(n)) - 1200) < 30 for n in range(0, 3000, 7))
    expected = 5 if shape != "duplicates" else len({n % DUPLICATES for n in (0, 1, 256, 700, 5000)})
    assert len({one.event_id for one in read}) == expected
    assert len(maker(shape, "t", 100_000)(3)) == pytest.approx(100_000, rel=0.01)


def test_no_two_events_of_a_life_are_under_way_together() -> None:
    make = maker("lives", "t")
    last: dict[str, int] = {}
    for number in range(3000):
        problem_id = orjson.loads(make(number))["event"]["serviceProblem"]["id"]
        assert number - last.get(problem_id, -1000) >= 256
        last[problem_id] = number


async def test_the_server_of_pages_is_read_to_its_end_by_the_plain_reader(tmp_path: Path) -> None:
    async with running(python("tests.bench.pages", 1203), r"listening (\d+)", tmp_path / "pages.log") as served:
        command = python("tests.bench.peers.download", f"http://127.0.0.1:{served.said[1]}", "--page-size", 100)
        done = await finished(command, tmp_path / "download.log")
    assert done.out == "read 1203\n"
    assert done.seconds >= 0.01
    assert done.peak_rss_bytes > 10_000_000


def test_pages_cover_the_collection_once() -> None:
    collection = Collection(1000, generation=2)
    rows = [row for offset in range(0, 1500, 300) for row in orjson.loads(collection.page(offset, 300))]
    assert [row["id"] for row in rows] == [f"listed-{n}" for n in range(1000)]
    assert {row["status"] for row in rows} == {"inProgress"}
    assert orjson.loads(collection.find("listed-7"))["id"] == "listed-7"
    assert collection.find("listed-1000") is None


async def test_the_statements_of_pgbench_fit_the_schema(dsn: str) -> None:
    values = {"n": 0, "subject": 7, "envelope": envelope("p", 1), "problem": problem("p", 1)}
    connection = await asyncpg.connect(dsn)
    try:
        for step in range(2):
            for statement, names in _statements(SCRIPTS / "notification.sql"):
                arguments = [(values | {"n": step, "revision": step})[name] for name in names]
                await connection.fetch(statement, *arguments)
        counts = "select (select count(*) from bridge.{}) as n"
        for table, rows in {"notification": 2, "service_problem_version": 2, "service_problem": 1}.items():
            assert await connection.fetchval(counts.format(table)) == rows
        assert await connection.fetchval("select revision from bridge.service_problem") == 1
    finally:
        await connection.close()


def _statements(script: Path) -> list[tuple[str, list[str]]]:
    """Statements with numbered parameters, and the names of those."""
    lines = [line for line in script.read_text().splitlines() if not line.startswith(("\\", "--"))]
    found = []
    for statement in filter(None, (part.strip() for part in "\n".join(lines).split(";"))):
        names = list(dict.fromkeys(re.findall(r"(?<!:):([a-z]+)", statement)))
        numbered = re.sub(r"(?<!:):([a-z]+)", lambda match, names=names: f"${names.index(match[1]) + 1}", statement)
        found.append((numbered, names))
    return found


def test_figures_are_medians_of_ratios_within_rounds() -> None:
    rounds = [
        {"bridge": Sample(rate, {"app": 0.1}), "pgbench": Sample(rate / ratio, {"postgres": 0.2})}
        for rate, ratio in ((100, 1.4), (1000, 1.6), (10, 2.5))
    ]
    result = report.judged(next(goal for goal in GOALS if goal.key == "2"), rounds, long=False)
    assert result["figure"]["median"] == pytest.approx(1.6)
    assert (result["figure"]["low"], result["figure"]["high"]) == pytest.approx((1.4, 2.5))
    assert (result["holds"], result["reaches_aim"]) == (True, False)
    assert result["slices"]["bridge"]["median"] == 100
    assert result["slices"]["pgbench"]["cpu_seconds_per_1000"] == {"postgres": 0.2}
    assert report.judged(next(goal for goal in GOALS if goal.key == "2"), [{"bridge": Sample(1)}], long=False) == {}
    below = next(goal for goal in GOALS if goal.key == "5")
    assert [below.holds(figure, 4) for figure in (3.9, 4.1)] == [True, False]


def test_a_quantile_is_a_value_that_was_there() -> None:
    assert [quantile(list(range(1, 101)), share) for share in (0.5, 0.99, 1)] == [50, 99, 100]
    assert quantile([3.0], 0.99) == 3.0


def test_results_are_rendered_everywhere(tmp_path: Path) -> None:
    rounds = [{name: Sample(2.0, {"app": 0.1, "postgres": 0.2}) for name in SLICES} for _ in range(3)]
    machine = {
        "machine": {"cores": 2, "cpu": "a", "memory_gb": 8, "system": "Linux"},
        "versions": {"Postgres": "18"},
        "postgres_settings": {},
    }
    results = machine | {"measures": {goal.key: report.judged(goal, rounds, long=False) for goal in GOALS}}
    console = Console(record=True, width=140, file=(tmp_path / "out").open("w"))
    report.show(results["measures"], console)
    shown, table = console.export_text(), report.markdown(results)
    for goal in GOALS:
        assert f"| {goal.key} | {goal.title} |" in table
        assert goal.title.split()[0] in shown
    plot.draw(results, tmp_path / "results.png")
    assert (tmp_path / "results.png").stat().st_size > 10_000
    later = machine | {"measures": {"2": results["measures"]["2"] | {"date": "later"}}}
    one = report.merged(results, later)
    assert [one["measures"][key]["date"] == "later" for key in ("1", "2")] == [False, True]


def test_the_performance_page_has_a_place_for_the_table() -> None:
    page = (ROOT / "docs/performance.md").read_text()
    assert report.into_page(page, "THE TABLE").count("THE TABLE") == 1
    with pytest.raises(ValueError, match="lacks"):
        report.into_page("no marks", "x")
