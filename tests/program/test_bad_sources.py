"""The real program beside sources that answer what no server should: it lives, with workers too, and starts again."""

import re
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import asyncpg
import orjson
import pytest

from bridge.simulator import Simulator
from tests.fuzz_answers import RawAnswer, serving_raw

pytestmark = pytest.mark.anyio

SECRET = "a-callback-secret-for-tests"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
FAR = b"Fri, 31 Dec 9999 23:59:59 -1200"
EMPTY = b"Content-Length: 2\r\nConnection: close\r\n\r\n[]"
ROW = b'[{"id":"1","status":"held","lastUpdate":"2026-06-01T12:00:00Z"}]'


def row(last_update: str) -> bytes:
    body = orjson.dumps([{"id": str(number), "status": "held", "lastUpdate": last_update} for number in range(3)])
    return OK + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


STORED = "select count(*) >= 4 from report.service_problem where source = 'good'"
ANSWERS = {
    "date": OK + b"Date: " + FAR + b"\r\n" + EMPTY,
    "retry": b"HTTP/1.1 503 x\r\nRetry-After: " + FAR + b"\r\n" + EMPTY,
    "retry-large": b"HTTP/1.1 429 x\r\nRetry-After: " + b"9" * 400 + b"\r\n" + EMPTY,
    "link": OK + b'Link: <http://h:abc/>; rel="next"\r\n' + EMPTY,
    "redirect-port": b"HTTP/1.1 302 x\r\nLocation: http://h:65536/x\r\n" + EMPTY,
    "redirect-idn": "HTTP/1.1 302 x\r\nLocation: http://bücher..example/x\r\n".encode() + EMPTY,
    "no-stamp": row("0001-01-01T00:00:00Z"),
    "far-stamp": row("9999-12-31T23:59:59.999999Z"),
    "far-zone": row("9999-12-31T23:59:59-12:00"),
    "early-zone": row("0001-01-01T00:00:00+14:00"),
}


@asynccontextmanager
async def bad_sources() -> AsyncIterator[dict[str, Any]]:
    """A source for each of the answers, which it gives to everything."""
    async with AsyncExitStack() as stack:
        sources = {}
        for name, answer in ANSWERS.items():
            url = await stack.enter_async_context(serving_raw(lambda _, given=answer: RawAnswer((given,))))
            sources[name] = {"url": f"{url}/v4", "poll_interval_seconds": 1}
        yield sources


async def post(url: str, number: int) -> int:
    problem = {"id": f"G-{number}", "status": "held", "lastUpdate": "2026-06-01T12:00:00Z"}
    event = {"eventType": "ServiceProblemCreateEvent", "event": {"serviceProblem": problem}}
    address = f"{url}/listener/good/{SECRET}"
    async with aiohttp.ClientSession() as session, session.post(address, data=orjson.dumps(event)) as answer:
        return answer.status


async def page_of(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        return await answer.text()


async def ask(dsn: str, query: str, *values: Any) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
async def test_a1_a2_no_answer_of_a_source_ends_the_process_nor_keeps_it_from_starting_again(
    dsn: str, start: Any, configured: Any, eventually: Any, options: Sequence[str]
) -> None:
    async with bad_sources() as sources, Simulator(population=3) as sim:
        sources["good"] = {"url": sim.url, "callback_secret": SECRET, "push": False}
        config = configured(dsn=dsn, sources=sources)
        for run in range(2):
            async with start("run", "--config", config, *options) as program:
                url = (await program.logged("all workers are ready" if options else "ready"))["url"]

                async def each_was_asked(url: str = url) -> bool:
                    page = await page_of(url)
                    return all(_requests(page, name) >= 2 for name in ANSWERS)

                await eventually(each_was_asked)
                assert await post(url, run) == 201
                await eventually(lambda: ask(dsn, STORED))
                assert await program.stopped(signal.SIGTERM) == 0
            assert not [line for line in program.log if line["event"] == "unexpected error, ending"]
            assert not [line for line in program.log if line["event"] == "a worker ended, starting another"]
            unexpected = [line for line in program.log if line["event"] == "job failed unexpectedly"]
            assert unexpected == [], "each is an error of ours, with a message for people"


async def test_a2_a_source_that_is_put_right_is_equal_within_two_polls_without_help(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    """What .NET writes for *none*, then real times: the watermark of before does not stand in the way."""
    stamps = ["0001-01-01T00:00:00Z"]
    polls = 0

    def answer(request: bytes) -> RawAnswer:
        nonlocal polls
        polls += b"GET /v4/serviceProblem?" in request or b"GET /v4/serviceProblem " in request
        return RawAnswer((row(stamps[-1]),))

    async with serving_raw(answer) as url:
        config = configured(dsn=dsn, sources={"net": {"url": f"{url}/v4", "push": False, "poll_interval_seconds": 1}})
        async with start("run", "--config", config) as program:
            await eventually(lambda: ask(dsn, "select count(*) = 3 from report.service_problem"))
            stamps.append("2026-06-01T12:00:00Z")
            stamped = "select count(*) = 3 from report.service_problem where updated_at = '2026-06-01T12:00:00Z'"
            await eventually(lambda: ask(dsn, stamped))
            assert await program.stopped(signal.SIGTERM) == 0


HEAVY: dict[str, Callable[[], bytes]] = {
    "nan": lambda: b'[{"id":"1","x":NaN},' + b",".join([b'{"id":"2","y":"' + b"z" * 8000 + b'"}'] * 7000) + b"]",
    "rows": lambda: b"[" + b",".join([b'{"id":1}'] * (6 * 1024**2)) + b"]",
    "error": lambda: b"e" * (60 * 1024**2),
    "one row": lambda: b'[{"id":"1","status":"held","description":"' + b"z" * (56 * 1024**2) + b'"}]',
    "few rows": lambda: (
        b"["
        + b",".join(b'{"id":"%d","status":"held","note":"%s"}' % (n, b"z" * (7 * 1024**2)) for n in range(8))
        + b"]"
    ),
}
"""Made by the test that needs it: each takes 60 MB."""


@pytest.mark.parametrize("kind", HEAVY)
async def test_a5_large_answers_take_less_than_400_mb_and_hold_up_no_other_sender(
    dsn: str, start: Any, configured: Any, eventually: Any, kind: str
) -> None:
    status = b"500 x" if kind == "error" else b"200 OK"
    body = HEAVY[kind]()
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    asked = anyio.Event()

    def answer(request: bytes) -> RawAnswer:
        if b"GET /v4/serviceProblem" in request:
            asked.set()
        return RawAnswer((head % (status, len(body)), body))

    async with serving_raw(answer) as url, Simulator() as sim:
        sources = {
            "heavy": {"url": f"{url}/v4", "push": False, "poll_interval_seconds": 1},
            "good": {"url": sim.url, "push": False, "callback_secret": SECRET},
        }
        async with start("run", "--config", configured(dsn=dsn, sources=sources), fresh=True) as program:
            url_here = (await program.logged("ready"))["url"]
            with anyio.fail_after(30):
                await asked.wait()
            for number in range(20):
                with anyio.fail_after(30):
                    assert await post(url_here, number) == 201
            await eventually(lambda: _asked_twice(url_here))
            peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{program.pid}/status").read_text())
            assert peak is not None
            assert int(peak[1]) < 400_000
            assert await program.stopped(signal.SIGTERM) == 0


async def _asked_twice(url: str) -> bool:
    return _requests(await page_of(url), "heavy") >= 2


def _requests(page: str, source: str) -> float:
    counted = re.compile(
        rf'^tmf656_bridge_upstream_requests_total\{{.*source="{source}".*\}} ([\d.e+]+)$', re.MULTILINE
    )
    return sum(float(value) for value in counted.findall(page))
