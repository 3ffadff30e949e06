"""What `/readyz` says while the bridge cannot do all it should."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import orjson
import pytest

from bridge.postgres.embedded import Embedded
from bridge.simulator import Simulator

pytestmark = pytest.mark.anyio

BridgeOn = Callable[..., AbstractAsyncContextManager[Any]]
Eventually = Callable[[Callable[[], Any]], Awaitable[None]]


async def _readiness(url: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as answer:
        return answer.status, orjson.loads(await answer.read())


async def test_d10_a_postgres_that_answers_and_is_read_only_is_not_ready_and_says_why(
    bridge_on: BridgeOn, eventually: Eventually, dsn: str, postgres: Embedded
) -> None:
    name = urlsplit(dsn).path.removeprefix("/")
    async with Simulator() as sim, bridge_on(sim) as running:
        connection = await asyncpg.connect(postgres.dsn)
        try:

            async def ready() -> bool:
                return (await _readiness(running.url))[0] == 200

            async def degraded() -> bool:
                status, body = await _readiness(running.url)
                return status == 503 and body["state"] == "unavailable" and "read-only" in "".join(body["missing"])

            await eventually(ready)
            await connection.execute(f"alter database {name} set default_transaction_read_only = on")
            await connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1", name
            )
            await eventually(degraded)
            await connection.execute(f"alter database {name} reset default_transaction_read_only")
            await eventually(ready)
        finally:
            await connection.close()
