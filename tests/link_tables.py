"""Rows of links for tests of what reads and writes them."""

from datetime import UTC, datetime

from bridge.domain.link.life import LinkState
from bridge.domain.link.word_map import Side
from bridge.storage import link, link_rule
from bridge.storage import source as source_table
from bridge.storage.database import Connection, Database
from bridge.storage.link import NewLink
from bridge.storage.outbox import Wanted, WriteKind

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


async def add_rule(
    database: Database, name: str = "dma-snow", *, state: str = "on", settings_hash: str = "a"
) -> tuple[int, int, int]:
    """Add a rule between sources left and right; return its id and theirs."""
    async with database.transaction() as connection:
        left = (await source_table.ensure(connection, "left", "http://left.example/api")).id
        right = (await source_table.ensure(connection, "right", "http://right.example/api")).id
        rule = await link_rule.ensure(
            connection, name, (left, right), state=state, settings={}, settings_hash=settings_hash
        )
    return rule, left, right


async def add_links(connection: Connection, rule_id: int, number: int = 1) -> list[int]:
    """Add linked pairs L1 and R1, L2 and R2, …; return their ids."""
    made = await link.add(
        connection,
        [
            NewLink(rule_id, f"tb-{each}", "match", LinkState.LINKED, f"L{each}", f"R{each}", linked_at=NOON)
            for each in range(1, number + 1)
        ],
    )
    return [made[f"tb-{each}"] for each in range(1, number + 1)]


def wanted(link_id: int, rule_id: int, source_id: int, kind: WriteKind = WriteKind.UPDATE, **more: object) -> Wanted:
    """Something to be written to the right."""
    values = {"fields": {"title": {"from": "a", "to": "b"}}, **more}
    return Wanted(link_id, rule_id, source_id, Side.RIGHT, kind, **values)
