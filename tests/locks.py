"""Waiting for another session to wait: Postgres tells nobody, so it has to be asked."""

from typing import Any

import anyio


async def blocked(connection: Any, pid: int) -> None:
    """Return when the session with this process id waits for another one's lock; TimeoutError after 20 seconds."""
    with anyio.fail_after(20):
        while not await connection.fetchval(  # noqa: ASYNC110 -- another session makes it true
            "select cardinality(pg_blocking_pids($1)) > 0", pid
        ):
            await anyio.sleep(0.01)
