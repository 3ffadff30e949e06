"""A line to Postgres that is too thin for a full batch within the limit, and a Postgres that says nothing at all."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import asyncpg
import orjson
import pytest

from bridge.errors import DatabaseUnavailableError
from bridge.storage import observation_store
from bridge.storage.database import Database, opened
from bridge.storage.observation import Entry
from bridge.storage.observation_store import Item, store_items
from bridge.tmf656 import wire
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 1.0
BYTES_PER_SECOND = 400_000
BODY_BYTES = 20_000
"""In Postgres three times: 16 of them need more than two limits, one a sixth of one."""

WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


@pytest.fixture
async def thin(gate: Proxy) -> AsyncIterator[Database]:
    """A pool whose connections are there, behind a gate that is thin from now on."""
    async with opened(gate.dsn, wait=False) as database:
        await database.ping()
        gate.bytes_per_second = BYTES_PER_SECOND
        yield database
        gate.bytes_per_second = None


@pytest.fixture(autouse=True)
def tries(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that were tried; each has a short limit."""
    sizes: list[int] = []
    real = observation_store._store_batch

    async def once(target: Any, items: Any, **options: Any) -> Any:
        sizes.append(len(items))
        return await real(target, items, **options)

    monkeypatch.setattr(observation_store, "_STORE_SECONDS", LIMIT_SECONDS)
    monkeypatch.setattr(observation_store, "_store_batch", once)
    return sizes


async def entries(dsn: str, number: int, *, status: str = "held") -> list[Item]:
    admin = await asyncpg.connect(dsn)
    source_id = await admin.fetchval(
        """
        insert into bridge.source (name) values ('sim')
        on conflict (name) do update set name = excluded.name returning id
        """
    )
    await admin.close()
    made: list[Item] = []
    for each in range(number):
        problem = {"id": f"SP-{each}", "status": status, "description": f"{each}" * BODY_BYTES}
        event = {
            "eventType": "ServiceProblemCreateEvent",
            "eventId": f"{status} {each}",
            "event": {"serviceProblem": problem},
        }
        notification = wire.read_notification(orjson.dumps(event), received_at=datetime.now(UTC))
        made.append(Entry(source_id, notification.observation, notification))
    return made


async def kept(dsn: str) -> tuple[int, int, int]:
    """How many events, problems and versions there are. A part whose end nobody saw may be in the log twice."""
    admin = await asyncpg.connect(dsn)
    rows = await admin.fetchrow(
        """
        select (select count(distinct event_id) from report.notification),
            (select count(*) from report.service_problem),
            (select count(*) from report.service_problem_version)
        """
    )
    await admin.close()
    return tuple(rows)


@pytest.mark.parametrize("piggyback", [False, True])
async def test_a_batch_too_large_for_its_line_is_stored_in_parts(
    piggyback: bool, dsn: str, thin: Database, tries: list[int]
) -> None:
    items = await entries(dsn, 16)
    shown: list[int] = []

    async def then(_: Any, entries: Any, __: Any) -> None:
        shown.append(len(entries))

    stored = await store_items(thin, items, then=then if piggyback else None)

    assert stored.outcomes == ["applied"] * 16
    assert sum(stored.changes.values()) == 16
    assert await kept(dsn) == (16, 16, 16)
    assert tries[0] == 16
    assert not piggyback or sum(shown) == 16
    small = tries.index(min(tries))
    assert tries[small:-1] == [tries[small]] * (len(tries) - small - 1), "once it is known what fits, all are so small"


async def test_a_postgres_that_says_nothing_is_waited_for_once(
    dsn: str, gate: Proxy, thin: Database, tries: list[int]
) -> None:
    items = await entries(dsn, 16)
    gate.stall()
    with pytest.raises(DatabaseUnavailableError):
        await store_items(thin, items)
    assert tries == [16]
    gate.flow()


async def test_what_holds_even_one_up_is_waited_for_once_a_halving(
    dsn: str, thin: Database, tries: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observation_store, "_STORE_SECONDS", 0.2)
    items = await entries(dsn, 16)
    admin = await asyncpg.connect(dsn)
    async with admin.transaction():
        await admin.execute("lock table bridge.service_problem in access exclusive mode")
        with pytest.raises(DatabaseUnavailableError, match="even for one item"):
            await store_items(thin, items)
    await admin.close()
    assert tries == [16, 8, 4, 2, 1]
    assert await kept(dsn) == (0, 0, 0)


async def test_a_row_that_somebody_locks_does_not_keep_its_neighbours_out(
    dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was given up ends in Postgres too: it would wait there, with the locks of all others in its hands."""
    monkeypatch.setattr(observation_store, "_STORE_SECONDS", 0.5)
    items = await entries(dsn, 9)
    await store_items(database, [items[8]])
    admin, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    async with admin.transaction():
        await admin.execute("select 1 from bridge.service_problem where id = 'SP-8' for update")
        again = await entries(dsn, 9, status="resolved")
        with pytest.raises(DatabaseUnavailableError, match="even for one item"):
            await store_items(database, again)
        assert await other.fetchval(WAITING) == 0
        assert await other.fetchval("select count(*) from bridge.service_problem where status = 'resolved'") == 8
    await store_items(database, again[8:])
    assert await other.fetchval("select count(*) from bridge.service_problem where status = 'resolved'") == 9
    await admin.close()
    await other.close()


async def test_a_thin_line_does_not_keep_the_journal_from_being_replayed(
    dsn: str,
    gate: Proxy,
    bridge: Callable[..., Any],
    sender: Any,
    eventually: Any,
    tries: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # or what is given up gets through meanwhile
    monkeypatch.setattr(
        "bridge.storage.pool_inspection._CLOSE_SECONDS", 0.1
    )  # or what is given up gets through meanwhile
    async with bridge() as running:
        await gate.shut()
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(sender.post, running.url)
        assert len(sender.answered) == 100
        gate.bytes_per_second = 60_000
        await gate.open()

        async def there() -> bool:
            return await kept(dsn) == (100, 100, 100)

        await eventually(there)
        gate.bytes_per_second = None
    assert len(tries) > 3
