"""kill -9 in the middle of the stream, again and again: what was answered is there, once, and the tables come home.

Between the simulated server and the bridge stands a recorder that passes notifications on and remembers the ids of
those that the bridge answered as stored.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import asyncpg
import orjson
import pytest
from aiohttp import web

from bridge.simulator import Simulator
from bridge.storage.embedded import embedded

pytestmark = pytest.mark.anyio

SECRET = "a-callback-secret-for-tests"
KILLS = 4
ANSWERED_BETWEEN = 25


class Recorder:
    """Passes notifications on to `target`; `answered` are the ids of those that came back as stored."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.url = ""
        self.target = ""
        self.answered: list[str] = []
        self.session = session
        self._news = anyio.Event()

    async def more(self, number: int) -> None:
        """Wait until so many more were answered."""
        wanted = len(self.answered) + number
        with anyio.fail_after(30):
            while len(self.answered) < wanted:
                await self._news.wait()

    async def pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            async with self.session.post(self.target + request.path, data=body) as answer:
                status = answer.status
        except aiohttp.ClientError:
            status = 503
        if 200 <= status < 300:
            self.answered.append(orjson.loads(body)["eventId"])
            self._news.set()
            self._news = anyio.Event()
        return web.Response(status=status)


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        recorder = Recorder(session)
        application = web.Application()
        application.router.add_post("/{tail:.*}", recorder.pass_on)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield recorder
        finally:
            await runner.cleanup()


async def killed_again_and_again(
    start: Callable[..., Any], config: Path, recorder: Recorder, sim: Simulator, at_home: Callable[[], Any], kills: int
) -> None:
    """Run, kill while notifications flow, so often; then run until the tables are the server's, and stop."""
    for _ in range(kills):
        async with start("run", "--config", config) as program:
            recorder.target = (await program.logged("listening"))["url"]
            await recorder.more(ANSWERED_BETWEEN)
            await program.killed()
    async with start("run", "--config", config) as program:
        recorder.target = (await program.logged("listening"))["url"]
        await recorder.more(ANSWERED_BETWEEN)
        sim.rate = 0
        await sim.settle()
        await at_home()
        await program.killed()


async def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def differing(dsn: str, sim: Simulator) -> set[str]:
    """Ids of the problems that are not in the table exactly as the server has them."""
    held = dict(await rows(dsn, "select id, body from report.service_problem where deleted_at is null"))
    told = sim.told()
    return {one for one in held.keys() | told.keys() if one not in held or orjson.loads(held[one]) != told.get(one)}


async def assert_everything_answered_is_there_once(dsn: str, answered: list[str]) -> None:
    stored = {one for (one,) in await rows(dsn, "select event_id from report.notification")}
    assert set(answered) - stored == set()
    assert (
        await rows(
            dsn,
            """
        select event_id from report.notification where outcome <> 'duplicate' group by 1 having count(*) > 1
    """,
        )
        == []
    )
    assert (
        await rows(
            dsn,
            """
        select id, valid_from from (
            select id, valid_from, body, lag(body) over (partition by id order by valid_from) as before
            from report.service_problem_version
        ) as v where body = before
    """,
        )
        == []
    )
    assert (
        await rows(
            dsn,
            """
        select id, entered_at from (
            select id, entered_at, status, lag(status) over (partition by id order by entered_at) as before
            from report.status_interval
        ) as i where status = before
    """,
        )
        == []
    )


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(rate=60, population=60, seed=656) as simulator:
        yield simulator


async def test_kill_9_of_the_bridge_loses_nothing_that_was_answered(
    dsn: str, start: Any, configured: Any, eventually: Any, sim: Simulator
) -> None:
    async with recording() as recorder:
        source = {"url": sim.url, "poll_interval_seconds": 1, "callback_secret": SECRET}
        config = configured(dsn=dsn, sources={"snow": source}, public_url=recorder.url)

        async def at_home() -> None:
            async def same() -> bool:
                return not await differing(dsn, sim)

            await eventually(same)

        await killed_again_and_again(start, config, recorder, sim, at_home, KILLS)
        assert len(recorder.answered) > KILLS * ANSWERED_BETWEEN
        assert await differing(dsn, sim) == set()
        await assert_everything_answered_is_there_once(dsn, recorder.answered)


async def test_kill_9_of_the_bridge_and_its_own_postgres_loses_nothing_that_was_answered(
    start: Any, configured: Any, eventually: Any, sim: Simulator, tmp_path: Path
) -> None:
    async with recording() as recorder:
        source = {"url": sim.url, "poll_interval_seconds": 1, "callback_secret": SECRET}
        config = configured(sources={"snow": source}, public_url=recorder.url)

        async def at_home() -> None:
            async with embedded(tmp_path / "data", join=True) as own:

                async def same() -> bool:
                    return not await differing(own.dsn, sim)

                await eventually(same)

        await killed_again_and_again(start, config, recorder, sim, at_home, 2)
        async with embedded(tmp_path / "data") as own:
            assert await differing(own.dsn, sim) == set()
            await assert_everything_answered_is_there_once(own.dsn, recorder.answered)
