"""Every way in which Postgres does not store: senders are answered in time, in order, and everything is there once.

All events are about one problem, each newer than the one before: whatever is replayed out of order shows as `stale`.
"""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import pytest

from bridge.postgres.embedded import embedded
from bridge.storage import migrations
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.anyio

PATIENCE_OF_SENDERS_SECONDS = 10
"""TMF senders give up after 3 to 10 seconds."""

Admin = asyncpg.Connection
Trouble = Callable[[Admin, Proxy], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def disk_full(admin: Admin, _: Proxy) -> AsyncIterator[None]:
    await admin.execute(
        """
        create function public.no_space() returns trigger language plpgsql as $$
        begin
            raise exception 'could not extend file: No space left on device' using errcode = '53100';
        end
        $$;
        create trigger no_space before insert on bridge.notification
        for each statement execute function public.no_space();
        """
    )
    yield
    await admin.execute("drop trigger no_space on bridge.notification")


@asynccontextmanager
async def failed_over_to_read_only(admin: Admin, gate: Proxy) -> AsyncIterator[None]:
    """The connections that were made while it was read-only stay read-only after the end."""
    name = await admin.fetchval("select current_database()")
    await admin.execute(f"alter database {name} set default_transaction_read_only = on")
    gate.cut()
    yield
    await admin.execute("set transaction_read_only = off")
    await admin.execute(f"alter database {name} reset default_transaction_read_only")


@asynccontextmanager
async def locked(admin: Admin, _: Proxy) -> AsyncIterator[None]:
    async with admin.transaction():
        await admin.execute("lock table bridge.service_problem in access exclusive mode")
        yield


@asynccontextmanager
async def lock_not_waited_for(admin: Admin, gate: Proxy) -> AsyncIterator[None]:
    name = await admin.fetchval("select current_database()")
    await admin.execute(f"alter database {name} set lock_timeout = '10ms'")
    gate.cut()
    async with locked(admin, gate):
        yield


@asynccontextmanager
async def schema_being_restored(admin: Admin, _: Proxy) -> AsyncIterator[None]:
    """A7: as while `pg_restore --clean` drops everything and makes it again."""
    await admin.execute("alter schema bridge rename to bridge_away")
    yield
    await admin.execute("alter schema bridge_away rename to bridge")


@asynccontextmanager
async def backends_terminated(admin: Admin, gate: Proxy) -> AsyncIterator[None]:
    """Again and again, with every new connection too."""
    await admin.execute(
        """
        create function public.terminated() returns trigger language plpgsql as $$
        begin
            perform pg_terminate_backend(pg_backend_pid());
            perform pg_sleep(10);
            return null;
        end
        $$;
        create trigger terminated before insert on bridge.notification
        for each statement execute function public.terminated();
        """
    )
    yield
    await admin.execute("drop trigger terminated on bridge.notification")


@asynccontextmanager
async def reset_and_refused(_: Admin, gate: Proxy) -> AsyncIterator[None]:
    gate.cut(reset=True)
    await gate.shut()
    yield
    await gate.open()


@asynccontextmanager
async def half_closed(_: Admin, gate: Proxy) -> AsyncIterator[None]:
    gate.half_close()
    yield


@asynccontextmanager
async def swallowed(_: Admin, gate: Proxy) -> AsyncIterator[None]:
    """What was sent through the connections there are is gone, and nobody says so."""
    gate.hole()
    yield


@asynccontextmanager
async def too_far_away(_: Admin, gate: Proxy) -> AsyncIterator[None]:
    gate.latency_seconds = 1
    yield
    gate.latency_seconds = 0


@asynccontextmanager
async def in_crumbs(_: Admin, gate: Proxy) -> AsyncIterator[None]:
    gate.slice_bytes = 3
    yield


TROUBLES: dict[str, Trouble] = {
    "disk full": disk_full,
    "failed over to read-only": failed_over_to_read_only,
    "locked": locked,
    "lock not waited for": lock_not_waited_for,
    "schema being restored": schema_being_restored,
    "backends terminated": backends_terminated,
    "reset and refused": reset_and_refused,
    "half closed": half_closed,
    "swallowed": swallowed,
    "too far away": too_far_away,
    "in crumbs": in_crumbs,
}


OVERTAKEN = {"swallowed": {"applied", "stale"}}
"""What waited behind a batch that got lost is stored before the journal brings that batch again: late, not lost."""


async def stored(dsn: str) -> list[tuple[str, str]]:
    """What is in the log of notifications, (event id, outcome), by event id."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select event_id, outcome from report.notification order by received_at")
    finally:
        await connection.close()
    return [(row["event_id"], row["outcome"]) for row in rows]


async def post(sender: Any, url: str, number: int) -> None:
    """Post so many; each has to be accepted before its sender gives up."""
    for _ in range(number):
        started = monotonic()
        assert await sender.post(url, about="SP-1") == 201
        assert monotonic() - started < PATIENCE_OF_SENDERS_SECONDS


async def everything_is_there_once(dsn: str, sender: Any, eventually: Any, outcomes: set[str]) -> None:
    async def there() -> bool:
        try:
            return set(sender.answered) <= {event_id for event_id, _ in await stored(dsn)}
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError):
            return False

    await eventually(there)
    found = [(event_id, outcome) for event_id, outcome in await stored(dsn) if outcome != "duplicate"]
    assert [event_id for event_id, _ in found] == sender.answered
    assert {outcome for _, outcome in found} <= outcomes
    connection = await asyncpg.connect(dsn)
    try:
        versions = await connection.fetchval("select count(*) from report.service_problem_version")
        statuses = await connection.fetchval("select count(*) from report.status_interval")
    finally:
        await connection.close()
    assert (versions, statuses) == (len(sender.answered), 1)


@pytest.mark.parametrize("name", TROUBLES)
async def test_whatever_keeps_postgres_from_storing_is_answered_around(
    name: str,
    dsn: str,
    gate: Proxy,
    bridge: Callable[..., Any],
    sender: Any,
    eventually: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.storage.observation_store._STORE_SECONDS", 3)
    admin = await asyncpg.connect(dsn)
    try:
        async with bridge(http={"port": 0, "answer_timeout_seconds": 0.2}) as running:
            await post(sender, running.url, 2)
            async with TROUBLES[name](admin, gate):
                await post(sender, running.url, 4)
            await everything_is_there_once(dsn, sender, eventually, OVERTAKEN.get(name, {"applied"}))
            await eventually(lambda: ready(sender, running.url))
            await post(sender, running.url, 2)
            await everything_is_there_once(dsn, sender, eventually, OVERTAKEN.get(name, {"applied"}))
    finally:
        await admin.close()


async def ready(sender: Any, url: str) -> bool:
    async with sender.session.get(f"{url}/readyz") as answer:
        return bool(answer.status == 200)


@pytest.mark.parametrize("ending", ["a backend killed", "shut down at once", "killed", "stopped in order"])
async def test_a_postgres_that_dies_and_comes_back_has_everything_once(
    ending: str, tmp_path: Path, bridge_at: Callable[..., Any], sender: Any, eventually: Any
) -> None:
    async with embedded(tmp_path / "own") as own:
        admin = await asyncpg.connect(own.dsn)
        await migrations.migrate(admin)
        backend = await admin.fetchval("select pg_backend_pid()")
        postmaster = int((tmp_path / "own" / "postgres" / "postmaster.pid").read_text().split()[0])
        process, number = {
            "a backend killed": (backend, signal.SIGKILL),
            "shut down at once": (postmaster, signal.SIGQUIT),
            "killed": (postmaster, signal.SIGKILL),
            "stopped in order": (postmaster, signal.SIGINT),
        }[ending]
        dsn = own.dsn.replace(":/", ":///", 1) if "://" not in own.dsn else own.dsn
        async with bridge_at(dsn, tmp_path, http={"port": 0, "answer_timeout_seconds": 0.5}) as running:
            await post(sender, running.url, 3)
            os.kill(process, number)
            await post(sender, running.url, 5)
            # the last may be in Postgres before those that went into the journal
            await everything_is_there_once(own.dsn, sender, eventually, {"applied", "stale"})
        admin.terminate()
