"""kill -9 in the middle of the stream, again and again: what was answered is there, once, and the tables come home.

Between the simulated server and the bridge stands a recorder that remembers the ids of the notifications that the
bridge answered as stored.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from bridge.postgres.embedded import embedded
from bridge.simulator import Simulator
from tests.program.recorder import Recorder, recording

pytestmark = pytest.mark.anyio

SECRET = "a-callback-secret-for-tests"
KILLS = 4
ANSWERED_BETWEEN = 25


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
    shown = sim.shown()
    return {one for one in held.keys() | shown.keys() if one not in held or orjson.loads(held[one]) != shown.get(one)}


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


@pytest.mark.parametrize("kills", [KILLS, pytest.param(20, marks=pytest.mark.long)])
async def test_kill_9_of_the_bridge_loses_nothing_that_was_answered(
    dsn: str, start: Any, configured: Any, eventually: Any, sim: Simulator, kills: int
) -> None:
    async with recording() as recorder:
        source = {"url": sim.url, "poll_interval_seconds": 1, "callback_secret": SECRET}
        config = configured(dsn=dsn, sources={"snow": source}, public_url=recorder.url)

        async def at_home() -> None:
            async def same() -> bool:
                return not await differing(dsn, sim)

            await eventually(same)

        await killed_again_and_again(start, config, recorder, sim, at_home, kills)
        assert len(recorder.answered) > kills * ANSWERED_BETWEEN
        assert await differing(dsn, sim) == set()
        await assert_everything_answered_is_there_once(dsn, recorder.answered)


@pytest.mark.parametrize("kills", [2, pytest.param(5, marks=pytest.mark.long)])
async def test_kill_9_of_the_bridge_and_its_own_postgres_loses_nothing_that_was_answered(
    start: Any, configured: Any, eventually: Any, sim: Simulator, tmp_path: Path, kills: int
) -> None:
    async with recording() as recorder:
        source = {"url": sim.url, "poll_interval_seconds": 1, "callback_secret": SECRET}
        config = configured(sources={"snow": source}, public_url=recorder.url)

        async def at_home() -> None:
            async with embedded(tmp_path / "data", join=True) as own:

                async def same() -> bool:
                    return not await differing(own.dsn, sim)

                await eventually(same)

        await killed_again_and_again(start, config, recorder, sim, at_home, kills)
        async with embedded(tmp_path / "data") as own:
            assert await differing(own.dsn, sim) == set()
            await assert_everything_answered_is_there_once(own.dsn, recorder.answered)
