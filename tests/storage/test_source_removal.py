"""A source goes with every row of it, in however many batches, and no other one loses any."""

from datetime import UTC, datetime

import pytest

from bridge.domain.observation import Via
from bridge.storage import link, outbox, refetch, source_removal, subscription
from bridge.storage.database import Connection, Database
from bridge.storage.observation import Entry, store
from bridge.storage.source_removal import SourceContents
from bridge.tmf656 import wire
from tests.link_tables import add_links, add_rule, wanted

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


async def fill(connection: Connection, source_id: int, problems: int) -> None:
    rows = [{"id": f"SP-{number}", "status": "held"} for number in range(problems)]
    read = [wire.read_problem(each, asked_at=NOON, via=Via.POLL) for each in rows]
    await store(connection, [Entry(source_id, seen) for seen in read])
    await refetch.request(connection, [(source_id, "SP-0", "tie", NOON)])
    await subscription.replace(connection, source_id, hub_id="1", url="u", callback="c", query="")


async def test_all_rows_of_the_source_go_in_batches_and_none_of_another(
    database: Database, source_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_removal, "_BATCH_ROWS", 2)
    async with database.transaction() as connection:
        other = await connection.fetchval("insert into bridge.source (name) values ('other') returning id")
        await fill(connection, source_id, 5)
        await fill(connection, other, 3)
        assert await source_removal.contents(connection, source_id) == SourceContents(5, 0)
    assert await source_removal.remove(database, source_id) >= 5 + 5 + 1 + 1
    async with database.connection() as connection:
        assert await source_removal.contents(connection, source_id) == SourceContents(0, 0)
        assert await source_removal.contents(connection, other) == SourceContents(3, 0)
        assert [each["name"] for each in await connection.fetch("select name from bridge.source")] == ["other"]
    assert await source_removal.remove(database, source_id) == 0


async def test_links_go_with_a_source_of_their_rule(database: Database) -> None:
    rule, left, right = await add_rule(database)
    async with database.transaction() as connection:
        [number] = await add_links(connection, rule)
        await outbox.put(connection, [wanted(number, rule, right)])
    await source_removal.remove(database, left)
    async with database.connection() as connection:
        left_over = "select (select count(*) from bridge.link_rule) + (select count(*) from bridge.outbox)"
        assert await connection.fetchval(left_over) == 0
        assert await link.read(connection, [number]) == {}
