"""A rule keeps what a person set, starts a walk when its settings change, and moves its position with its decisions."""

import msgspec
import pytest

from bridge.domain.stream_event import Position
from bridge.storage import last_pass, link, link_rule, outbox
from bridge.storage.database import Database
from tests.link_tables import NOON, add_links, add_rule, wanted

pytestmark = pytest.mark.anyio


async def test_a_new_rule_has_to_walk_and_its_position_moves(database: Database) -> None:
    rule, left, _ = await add_rule(database)
    async with database.transaction() as connection:
        position = await link_rule.lock(connection, rule)
        assert position is not None
        assert position.from_other_server
        await link_rule.begin_walk(connection, rule)
    async with database.transaction() as connection:
        position = await link_rule.lock(connection, rule)
        assert position is not None
        assert (position.from_other_server, position.walked, position.walked_at) == (False, (0, ""), None)
        await link_rule.write_walk(connection, rule, (left, "L7"))
        await link_rule.write_position(connection, rule, Position(position.position.committed, 9))
        await link_rule.end_walk(connection, rule, NOON)
    async with database.transaction() as connection:
        later = await link_rule.lock(connection, rule)
        assert later is not None
        assert (later.walked, later.walked_at, later.position.id) == ((left, "L7"), NOON, 9)


async def test_another_walk_keeps_the_position(database: Database) -> None:
    rule, left, _ = await add_rule(database)
    async with database.transaction() as connection:
        await link_rule.begin_walk(connection, rule)
        await link_rule.write_walk(connection, rule, (left, "L7"))
        await link_rule.write_position(connection, rule, Position(1, 9))
        await link_rule.end_walk(connection, rule, NOON)
        await link_rule.walk_again(connection, rule)
        again = await link_rule.lock(connection, rule)
    assert again is not None
    assert (again.walked, again.walked_at, again.position) == ((0, ""), None, Position(1, 9))


async def test_a_position_of_another_server_is_noticed(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        await link_rule.begin_walk(connection, rule)
        await link_rule.write_position(connection, rule, Position(2**40, 1))
        position = await link_rule.lock(connection, rule)
        assert position is not None
        assert position.from_other_server


async def test_changed_settings_begin_a_walk_and_equal_ones_do_not(database: Database) -> None:
    rule, left, _ = await add_rule(database)
    async with database.transaction() as connection:
        await link_rule.write_walk(connection, rule, (left, "L7"))
        await link_rule.end_walk(connection, rule, NOON)
    await add_rule(database)
    async with database.transaction() as connection:
        [row] = await link_rule.find(connection)
        assert row.walked_at == NOON
    await add_rule(database, settings_hash="b")
    async with database.transaction() as connection:
        [row] = await link_rule.find(connection, "dma-snow")
        assert (row.walked_at, row.settings_hash, row.left_source, row.right_source) == (None, "b", "left", "right")


async def test_what_a_person_or_the_breaker_set_survives_a_restart(database: Database) -> None:
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        assert await link_rule.write_state(connection, rule, "paused", "Anna: maintenance", only_from=["on", "plan"])
        assert not await link_rule.write_state(connection, rule, "held", "too many", only_from=["on"])
    await add_rule(database, state="plan")
    async with database.transaction() as connection:
        [row] = await link_rule.find(connection)
        assert (row.state, row.state_reason) == ("paused", "Anna: maintenance")


async def test_a_rule_that_is_no_longer_configured_is_gone_until_it_is_again(database: Database) -> None:
    await add_rule(database)
    async with database.transaction() as connection:
        await link_rule.mark_gone(connection, ["other"])
        [row] = await link_rule.find(connection)
        assert row.state == "gone"
    await add_rule(database)
    async with database.transaction() as connection:
        [row] = await link_rule.find(connection)
        assert row.state == "on"


async def test_tickets_come_in_portions_up_to_a_last_one(database: Database) -> None:
    _, left, _ = await add_rule(database)
    async with database.transaction() as connection:
        await connection.execute(
            """
            insert into bridge.service_problem
                (source_id, id, revision, effective_at, observed_at, first_seen_at, last_seen_at, via, status)
            select $1, 'L' || n, 1, now(), now(), now(), now(), 'poll', 'held' from generate_series(1, 5) as n
            """,
            left,
        )
        assert await link_rule.tickets(connection, left, "", limit=2) == ["L1", "L2"]
        assert await link_rule.tickets(connection, left, "L2", until="L4", limit=9) == ["L3", "L4"]


async def test_only_a_complete_pass_since_then_counts(database: Database) -> None:
    rule, left, _ = await add_rule(database)
    async with database.transaction() as connection:
        [row] = await link_rule.find(connection)
        assert row.id == rule
        assert not await link_rule.complete_since(connection, left, row.created_at)
        await connection.execute(
            """
            insert into bridge.last_pass (source_id, kind, started_at, finished_at, complete_at, problems)
            values ($1, 'reconcile', now(), now(), now(), 0)
            """,
            left,
        )
        assert await link_rule.complete_since(connection, left, row.created_at)
        assert "reconcile" in await last_pass.find(connection, left)


async def test_a_link_is_written_twice_while_the_decider_holds_its_rule(database: Database) -> None:
    """The second write of one transaction asks Postgres for the rule that the link refers to."""
    rule, _, _ = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
    async with database.transaction() as deciding:
        await link_rule.lock(deciding, rule)
        async with database.transaction() as sending:
            await sending.execute("set local lock_timeout = '5s'")
            for reason in ("first", "second"):
                row = (await link.lock(sending, [number]))[number]
                await link.save(sending, [msgspec.structs.replace(row, state_reason=reason)])
    async with database.connection() as connection:
        assert (await link.read(connection, [number]))[number].state_reason == "second"


async def test_what_refers_to_a_link_is_added_while_another_transaction_has_it_locked(database: Database) -> None:
    rule, _, right = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
    async with database.transaction() as deciding:
        await link.lock(deciding, [number])
        async with database.transaction() as adding:
            await adding.execute("set local lock_timeout = '5s'")
            await outbox.put(adding, [wanted(number, rule, right)])
