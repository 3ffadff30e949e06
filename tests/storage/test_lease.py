"""A lease has one holder, changes hands when that one is gone or late, and fences off the one who lost it."""

import anyio
import anyio.lowlevel
import pytest

from bridge.errors import DatabaseUnavailableError
from bridge.storage import lease
from bridge.storage.database import Database, opened
from bridge.storage.session_settings import BRIDGE

pytestmark = pytest.mark.anyio


async def take(database: Database, seconds: float = 60) -> int | None:
    async with database.connection() as connection:
        return await lease.take(connection, "jobs", database.identity, seconds=seconds)


async def test_one_holds_it_and_renewing_keeps_the_token(database: Database, dsn: str) -> None:
    token = await take(database)
    assert token is not None
    async with opened(dsn, wait=False) as other:
        assert await take(other) is None
    assert await take(database) == token


async def test_an_expired_lease_goes_to_the_next_with_a_larger_token(database: Database, dsn: str) -> None:
    first = await take(database, seconds=-1)
    async with opened(dsn, wait=False) as other:
        second = await take(other)
        assert first is not None
        assert second is not None
        assert second > first
        assert await take(database) is None


async def test_a_holder_without_a_connection_is_gone(database: Database, dsn: str) -> None:
    async with opened(dsn, wait=False) as other:
        first = await take(other)
        assert first is not None
        assert await take(database) is None
    async with database.connection() as connection:
        while await connection.fetchval(  # noqa: ASYNC110 -- another session's end sends no signal
            "select exists (select from pg_stat_activity where application_name = $1)", other.identity
        ):
            await anyio.sleep(0.01)
    second = await take(database)
    assert second is not None
    assert second > first


async def test_a_holder_that_is_paused_in_the_middle_of_a_write_does_not_keep_it(
    database: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction holds the row of the lease, and Postgres ends it."""
    limit = "idle_in_transaction_session_timeout"
    assert limit in BRIDGE.values
    monkeypatch.setitem(BRIDGE.values, limit, "200ms")
    taken: list[int | None] = []

    async def write_with_a_pause(paused: Database) -> None:
        taken.append(await take(paused, seconds=-1))
        async with paused.transaction() as connection:
            await lease.hold(connection, "jobs", taken[0] or 0)
            with anyio.fail_after(30):
                taken.append(await take(database))
            await connection.execute("select 1")

    async with opened(dsn, wait=False) as paused:
        with pytest.raises(DatabaseUnavailableError):
            await write_with_a_pause(paused)
    assert taken == [1, 2]


async def test_a_released_lease_can_be_taken_at_once(database: Database, dsn: str) -> None:
    await take(database)
    async with opened(dsn, wait=False) as other:
        async with other.connection() as connection:
            await lease.release(connection, "jobs", other.identity)
        assert await take(other) is None
        async with database.connection() as connection:
            await lease.release(connection, "jobs", database.identity)
        assert await take(other) is not None


async def test_who_lost_it_can_write_nothing_under_it(database: Database, dsn: str) -> None:
    old = await take(database, seconds=-1)
    async with opened(dsn, wait=False) as other:
        new = await take(other)
        assert old is not None
        assert new is not None
        async with other.transaction() as connection:
            await lease.hold(connection, "jobs", new)
        with pytest.raises(lease.LeaseLostError):
            async with database.transaction() as connection:
                await lease.hold(connection, "jobs", old)


async def test_it_cannot_change_hands_while_a_write_under_it_is_under_way(database: Database, dsn: str) -> None:
    token = await take(database, seconds=-1)
    assert token is not None
    order = []
    async with (
        opened(dsn, wait=False) as other,
        anyio.create_task_group() as group,
        database.transaction() as connection,
    ):
        await lease.hold(connection, "jobs", token)

        async def take_over() -> None:
            await take(other)
            order.append("taken over")

        group.start_soon(take_over)
        async with database.connection() as watching:
            waiting = """
                select count(*) from pg_stat_activity
                where wait_event_type = 'Lock' and datname = current_database()"""
            while not await watching.fetchval(waiting):  # noqa: ASYNC110 -- another session's state sends no signal
                await anyio.sleep(0.01)
        order.append("written")
    assert order == ["written", "taken over"]


async def test_f1_who_led_last_is_told_with_how_long_ago_that_was(database: Database, dsn: str) -> None:
    async with database.connection() as connection:
        assert await lease.find_holder(connection, "jobs") is None
        async with opened(dsn, wait=False) as other:
            await take(other)
            leading = await lease.find_holder(connection, "jobs")
            assert leading is not None
            assert (leading.holder, leading.held) == (other.identity, True)
        await connection.execute("update bridge.lease set renewed_at = now() - interval '13 s'")
        while (last := await lease.find_holder(connection, "jobs")) is None or last.held:  # noqa: ASYNC110 -- as above
            await anyio.sleep(0.01)
        assert 13 <= last.renewed_seconds_ago < 60
        await take(database)
        now = await lease.find_holder(connection, "jobs")
        assert now is not None
        assert now.renewed_seconds_ago < 13


async def test_f1_a_lease_that_was_released_is_held_by_nobody(database: Database) -> None:
    await take(database)
    async with database.connection() as connection:
        await lease.release(connection, "jobs", database.identity)
        last = await lease.find_holder(connection, "jobs")
        assert last is not None
        assert not last.held


async def test_transactions_that_begin_while_the_lease_is_renewed_hold_it_afterwards(database: Database) -> None:
    """One after the other would share the row, and the renewal would never get it."""
    fence, order = lease.LeaderFence(await take(database)), list[str]()

    async def write() -> None:
        async with database.transaction() as connection:
            await fence.hold(connection)
            order.append("held")

    async with anyio.create_task_group() as writing:
        with fence.renewal():
            writing.start_soon(write)
            while database.figures()["used"] == 0:
                await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            order.append("renewed")
    assert order == ["renewed", "held"]


async def test_a_transaction_waits_a_moment_only_for_a_renewal(database: Database) -> None:
    """The renewal may be waiting for a transaction that waits for this one."""
    fence = lease.LeaderFence(await take(database))
    with fence.renewal():
        async with database.transaction() as connection:
            await fence.hold(connection)
