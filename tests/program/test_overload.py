"""More than the bridge has room for: it refuses the rest, says when to come again, and stays as large as it was.

The database does not answer meanwhile, so that what is taken depends on the room alone and not on anybody's speed.
"""

from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import anyio
import asyncpg
import orjson
import psutil
import pytest

from tests.faults.proxy import Proxy

pytestmark = pytest.mark.anyio

SECRET = "o" * 32
SENDERS = 200
EACH = 30
BODY_BYTES = 20_000
MIB = 1024 * 1024
WAITING_BYTES = 4 * MIB
JOURNAL_BYTES = 8 * MIB
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "8192"}
"""Bodies that are freed go back to the system at once, so that what a process has is what it holds."""
ALLOWANCE_BYTES = 96 * MIB
"""For the connections, what each of them has in hand, and SQLite."""


def event(number: int) -> bytes:
    problem = {"id": f"p{number}", "status": "inProgress", "note": [{"text": "x" * BODY_BYTES}]}
    head = {"eventId": f"e{number}", "eventType": "ServiceProblemCreateEvent", "eventTime": "2026-06-01T12:00:00Z"}
    return orjson.dumps(head | {"event": {"serviceProblem": problem}})


class Senders:
    """What so many senders at a time are answered; one that is refused does not come again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: Counter[int] = Counter()
        self.without_pause = 0
        self.accepted: list[str] = []

    async def send(self, first: int) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session, anyio.create_task_group() as group:
            for sender in range(SENDERS):
                group.start_soon(self._one, session, range(first + sender * EACH, first + (sender + 1) * EACH))

    async def _one(self, session: aiohttp.ClientSession, numbers: range) -> None:
        for number in numbers:
            async with session.post(self.url, data=event(number)) as answer:
                self.answers[answer.status] += 1
                if answer.status == 201:
                    self.accepted.append(f"e{number}")
                else:
                    self.without_pause += "Retry-After" not in answer.headers


async def test_h2_what_is_too_much_is_refused_and_memory_stays_flat(
    dsn: str, start: Any, configured: Any, eventually: Any
) -> None:
    parts = urlsplit(dsn)
    socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.{parse_qs(parts.query).get('port', ['5432'])[0]}"
    line = Proxy(socket)
    await line.open()
    slow = f"postgresql://postgres@127.0.0.1:{line.port}{parts.path}?sslmode=disable"
    source = {"url": "http://127.0.0.1:9/v4", "push": False, "callback_secret": SECRET}
    config = configured(dsn=slow, sources={"snow": source}, max_waiting_bytes=WAITING_BYTES, answer_timeout_seconds=0.2)
    try:
        async with start(
            "run", "--config", config, env={"BRIDGE_JOURNAL__MAX_BYTES": str(JOURNAL_BYTES), **RETURNED}, fresh=True
        ) as program:
            url = (await program.logged("ready"))["url"]
            process = psutil.Process(program.pid)
            senders = Senders(f"{url}/listener/snow/{SECRET}")
            line.stall()
            before = process.memory_info().rss
            await senders.send(0)
            await senders.send(SENDERS * EACH)

            assert sum(senders.answers.values()) == 2 * SENDERS * EACH
            assert senders.answers.keys() == {201, 503}, senders.answers
            assert senders.answers[201] * BODY_BYTES <= JOURNAL_BYTES + WAITING_BYTES, "no more than there is room for"
            assert senders.without_pause == 0
            grown = process.memory_info().rss - before
            assert grown <= WAITING_BYTES + JOURNAL_BYTES + ALLOWANCE_BYTES, f"grown by {grown // MIB} MiB"

            line.flow()
            connection = await asyncpg.connect(dsn)
            try:
                stored = "select count(distinct event_id) from report.notification where event_id = any($1)"

                async def all_there() -> bool:
                    return bool(await connection.fetchval(stored, senders.accepted) == len(senders.accepted))

                await eventually(all_there)
            finally:
                await connection.close()
    finally:
        line.flow()
        await line.shut()
