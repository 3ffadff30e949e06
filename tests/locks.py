"""Waiting for another session to wait: Postgres tells nobody, so it has to be asked."""

from typing import Any

import anyio


async def blocked(connection: Any, pid: int) -> None:
    """Return when the session with this process id waits for another one's lock; TimeoutError after 20 seconds."""
    await _true(connection, "select cardinality(pg_blocking_pids($1)) > 0", pid)


async def asleep(connection: Any, pid: int) -> None:
    """Return when the session with this process id is in `pg_sleep`; TimeoutError after 20 seconds."""
    await _true(connection, "select wait_event = 'PgSleep' from pg_stat_activity where pid = $1", pid)


async def waiting(connection: Any, sessions: int) -> None:
    """Return when so many sessions of this database wait for a lock; TimeoutError after 20 seconds."""
    counted = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    await _true(connection, f"select ({counted}) = $1", sessions)


async def _true(connection: Any, query: str, argument: int) -> None:
    with anyio.fail_after(20):
        while not await connection.fetchval(query, argument):  # noqa: ASYNC110 -- another session makes it true
            await anyio.sleep(0.01)
